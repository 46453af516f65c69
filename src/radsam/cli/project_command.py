"""`radsam project`: make a project of many cases, see how far it is, and decide who does what."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from radsam.cli.shared_options import AsJson, ModalityName
from radsam.cli.terminal import command, note, out, progress_bar, until_end, usage_error, write_json

if TYPE_CHECKING:
    from radsam.project.project import LogEntry, Project
    from radsam.project.project_status import CaseStatus

project_app = typer.Typer(
    help="Annotate many cases as a project that learns from those that are done. See docs/projects.md.",
    no_args_is_help=True,
)

Folder = Annotated[Path, typer.Argument(help="The folder of the project.", metavar="DIR", show_default=False)]
Cases = Annotated[list[str], typer.Argument(help="Ids of cases.", metavar="CASE...", show_default=False)]
#: Under the table of the status.
_LEGEND = "Labels: . new, p proposed, w in progress, d done, a absent, C checked"
#: Who gives and takes roles back, in the list of roles.
_NO_ROLE = "none"


class CaseOrder(StrEnum):
    """The order in which cases are offered."""

    TEACHING = "teaching"
    LISTED = "listed"


class ExportForm(StrEnum):
    """A form in which a project is exported."""

    NNUNET = "nnunet"
    NIFTI = "nifti"
    SEG = "seg"
    RTSTRUCT = "rtstruct"


class RoleName(StrEnum):
    """What a user may do."""

    ANNOTATOR = "annotator"
    REVIEWER = "reviewer"
    OWNER = "owner"
    NONE = _NO_ROLE


def open_project(folder: Path) -> Project:
    """Open a project until the command ends."""
    from contextlib import closing

    from radsam.project.project import Project

    return until_end(closing(Project.open(folder)))


@project_app.command("create")
@command
def create(
    folder: Folder,
    cases: Annotated[
        list[str],
        typer.Option(
            help="Volumes: a folder (files, DICOM series, or a dataset for training), a table (.csv with the columns "
            "case, image, patient, modality, series), or the URL of a PACS. Repeatable.",
            metavar="FOLDER|MANIFEST|URL",
        ),
    ],
    labels: Annotated[Path, typer.Option(help="The labels of each case: names, values, colours.", metavar="TOML")],
    name: Annotated[str | None, typer.Option(help="Name of the project; else that of the folder.")] = None,
    order: Annotated[
        CaseOrder, typer.Option(help="Which case comes next: the one that teaches most, or as listed.")
    ] = CaseOrder.TEACHING,
    double_read: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the cases that two annotators do.", metavar="SHARE")
    ] = 0.0,
    learn_every: Annotated[
        int, typer.Option(min=0, help="Learn after so many finished cases; 0: on request only.", metavar="N")
    ] = 5,
    learn_minutes: Annotated[float, typer.Option(min=0.1, help="The longest that it learns at a time.")] = 8.0,
    learn_threads: Annotated[int, typer.Option(min=1, help="The most processor cores for learning.")] = 1,
    learn_memory_gb: Annotated[
        float, typer.Option(min=0.5, help="Memory that learning is sized for; not a hard limit.", metavar="GB")
    ] = 4.0,
    lock_minutes: Annotated[
        float, typer.Option(min=0.1, help="How long a case stays with an annotator who does not go on.")
    ] = 15.0,
    goal_dice: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Dice at which weights are compared: actions until there.")
    ] = 0.85,
    seed: Annotated[int, typer.Option(help="Chooses the cases that are read twice, and the patients held out.")] = 0,
    modality: ModalityName = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Of a PACS, only these studies. Repeatable.", metavar="KEYWORD=VALUE"),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Of a PACS, the most series.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Make a project: a folder with the list of cases, who does what, and all that is done.

    Volumes stay where they are. DICOM series get numbers as names, because names of their folders may be those of
    patients.

    [bold]Example:[/] radsam project create abdomen --cases ct --labels labels.toml
    """
    from radsam.project.case_list import find_cases
    from radsam.project.project import Project, ProjectSettings
    from radsam.project.task_rows import with_own_ids
    from radsam.session.label_set import read_label_set

    settings = ProjectSettings(
        name=name or folder.resolve().name,
        learn_every=learn_every,
        learn_minutes=learn_minutes,
        learn_threads=learn_threads,
        learn_memory_gb=learn_memory_gb,
        order=order.value,
        double_read=double_read,
        lock_minutes=lock_minutes,
        goal_dice=goal_dice,
        seed=seed,
    )
    label_set = read_label_set(labels)
    filters = _filters(where)
    with progress_bar("Finding cases", unit="places", quiet=as_json) as update:
        found = []
        for number, each in enumerate(cases):
            update(number, len(cases))
            found.append(find_cases(each, modality=modality, filters=filters, limit=limit))
    for sentence in (line for place in found for line in place.notes):
        note(sentence)
    listed = with_own_ids([place.cases for place in found])
    made = Project.create(folder, settings, label_set, listed)
    double = sum(each.readings == 2 for each in made.cases())
    patients = len({each.patient for each in listed})
    made.close()
    if as_json:
        facts = {"project": str(made.folder), "cases": len(listed), "patients": patients, "double_read": double}
        write_json(facts | {"labels": [each.name for each in label_set.label]})
        return
    twice = f", {double} of them read by two" if double else ""
    out.print(
        f"{escape(str(folder))}: {_count(len(listed), 'case')} of {_count(patients, 'patient')}{twice}, "
        f"{_count(len(label_set.label), 'label')} "
        f"({escape(', '.join(each.name for each in label_set.label))}).",
        soft_wrap=True,
    )
    out.print(f"Annotate them with: radsam serve --project {escape(str(folder))}", soft_wrap=True)


@project_app.command("status")
@command
def status(
    folder: Folder,
    cases: Annotated[bool, typer.Option("--cases/--summary", help="List each case, or only count them.")] = True,
    as_json: AsJson = False,
) -> None:
    """Show how far each case and label is, who has it, and what it took.

    Letters in the columns of the labels: [bold].[/] new, [bold]p[/] proposed, [bold]w[/] in progress, [bold]d[/] done,
    [bold]a[/] done and absent, [bold]C[/] checked.
    """
    from radsam.project.project_status import case_statuses, effort_curve, status_json, summary_lines

    project = open_project(folder)
    rows = case_statuses(project)
    if as_json:
        write_json(status_json(project, rows))
        return
    if cases:
        out.print(_status_table([each.name for each in project.labels.label], rows))
        out.print(_LEGEND, style="dim")
    for line in (*summary_lines(project), *effort_curve(project.curve())):
        out.print(line, markup=False, soft_wrap=True)


@project_app.command("assign")
@command
def assign(
    folder: Folder,
    cases: Cases,
    to: Annotated[str | None, typer.Option("--to", help="The annotator.", metavar="USER")] = None,
    anybody: Annotated[bool, typer.Option("--anybody", help="Take the cases back: anybody may do them.")] = False,
) -> None:
    """Give cases to an annotator; others are then not offered them.

    [bold]Example:[/] radsam project assign abdomen case-001 case-002 --to anna
    """
    from radsam.project.project import LOCAL_USER

    if (to is None) != anybody:
        raise usage_error("Give either --to USER or --anybody.")
    open_project(folder).assign(cases, to or "", LOCAL_USER)
    out.print(f"{_count(len(cases), 'case')}: for {escape(to) if to else 'anybody'}.")


@project_app.command("exclude")
@command
def exclude(
    folder: Folder,
    cases: Cases,
    reason: Annotated[str | None, typer.Option(help="Why the cases do not count.", metavar="TEXT")] = None,
    include: Annotated[bool, typer.Option("--include", help="Take excluded cases back.")] = False,
) -> None:
    """Leave cases out of the project, with the reason; what was done in them stays."""
    from radsam.project.project import LOCAL_USER

    if (reason is None) != include:
        raise usage_error("Give either --reason TEXT or --include.")
    project = open_project(folder)
    for case in cases:
        project.case(case)  # all of them exist, before the first is changed
    for case in cases:
        if include:
            project.include(case, LOCAL_USER)
        else:
            project.exclude(case, LOCAL_USER, reason or "")
    out.print(f"{_count(len(cases), 'case')} {'included' if include else 'excluded'}.")


@project_app.command("roles")
@command
def roles(
    folder: Folder,
    user: Annotated[str | None, typer.Argument(help="A user, as named in the access tokens.")] = None,
    role: Annotated[RoleName | None, typer.Argument(help="Its new role; none takes it away.")] = None,
    as_json: AsJson = False,
) -> None:
    """List who may do what, or give a user a role.

    An [bold]annotator[/] works on cases, a [bold]reviewer[/] also checks them, an [bold]owner[/] also assigns and
    excludes cases, decides on weights, and reads the log. Without access tokens, everybody is an owner.

    [bold]Example:[/] radsam project roles abdomen anna reviewer
    """
    from radsam.project.project import LOCAL_USER, Role

    project = open_project(folder)
    if user is not None and role is None:
        raise usage_error("Give the role too: annotator, reviewer, owner or none.")
    if user is not None and role is not None:
        project.set_role(user, None if role is RoleName.NONE else Role(role.value), LOCAL_USER)
    listed = project.roles()
    if as_json:
        write_json({"roles": listed})
        return
    for each, found in listed.items():
        out.print(f"{escape(each)}: {found.value}")
    if not listed:
        note("Nobody has a role yet. With access tokens, only users with one can open the project.")
    elif Role.OWNER not in listed.values():
        note("Nobody is an owner yet: with access tokens, nobody could assign cases or decide on weights.")


@project_app.command("log")
@command
def log(
    folder: Folder,
    case: Annotated[str | None, typer.Option(help="Only lines about this case.", metavar="CASE")] = None,
    limit: Annotated[int, typer.Option(min=0, help="The latest lines; 0 for all.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show who did what and when, the latest first."""
    project = open_project(folder)
    if case is not None:
        project.case(case)
    entries = project.log(case, limit or None)
    if as_json:
        write_json({"log": [asdict(each) for each in entries]})
        return
    for each in entries:
        out.print(_log_line(each), markup=False, soft_wrap=True)


@project_app.command("report")
@command
def report(
    folder: Folder,
    target: Annotated[
        Path, typer.Option("-o", "--out", help="The report: .html with drawings, or .md.", metavar="FILE")
    ],
) -> None:
    """Write a page about progress, actions and minutes by case, label and annotator, and the readers' agreement."""
    from radsam.project.project_report import write_report

    write_report(open_project(folder), target)
    out.print(escape(str(target)), soft_wrap=True)


@project_app.command("export")
@command
def export(
    folder: Folder,
    target: Annotated[Path, typer.Option("-o", "--out", help="The new folder of the export.", metavar="DIR")],
    form: Annotated[
        ExportForm, typer.Option("--format", help="nnunet, nifti (images and label maps), seg or rtstruct.")
    ] = ExportForm.NNUNET,
    cases: Annotated[
        list[str] | None, typer.Option("--case", help="Only this case. Repeatable.", metavar="CASE")
    ] = None,
    checked: Annotated[bool, typer.Option("--checked", help="Only cases of which every label is checked.")] = False,
    test_share: Annotated[
        float, typer.Option(min=0.0, max=0.99, help="Share of the patients for testing.", metavar="SHARE")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Another seed gives another split.")] = 0,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Of nifti: write the images, too.")] = True,
    as_json: AsJson = False,
) -> None:
    """Write the finished cases with a manifest, how each mask was made, and a split by patient.

    Only cases of which all labels are done are exported. The folder is there whole or not at all. [bold]nnunet[/]
    writes a dataset for nnU-Net, whose folder is called like Dataset501_Abdomen.

    [bold]Example:[/] radsam project export abdomen -o nnUNet_raw/Dataset501_Abdomen
    """
    from radsam.project.export_formats import ExportFormat
    from radsam.project.project import LOCAL_USER
    from radsam.project.project_export import ExportChoice, export_project

    choice = ExportChoice(ExportFormat(form.value), test_share, seed, checked, images, tuple(cases or ()))
    project = open_project(folder)
    with progress_bar("Exporting", unit="cases", quiet=as_json) as update:
        done = export_project(project, target, choice, by=LOCAL_USER, progress=update)
    for sentence in done.notes:
        note(sentence)
    if as_json:
        facts = {"folder": str(done.folder), "format": form.value, "cases": done.cases, "masks": done.masks}
        write_json(facts | {"left_out": done.left_out})
        return
    rest = f"; {_count(len(done.left_out), 'case')} left out that {'is' if len(done.left_out) == 1 else 'are'} not "
    rest += "checked" if checked else "done"
    out.print(
        f"{escape(str(target))}: {_count(done.cases, 'case')}, {_count(done.masks, 'mask')}"
        f"{rest if done.left_out else ''}.",
        soft_wrap=True,
    )


def _log_line(entry: LogEntry) -> str:
    about = " · ".join(filter(None, (entry.case, entry.label)))
    more = ", ".join(f"{key}: {value}" for key, value in entry.details.items() if value not in ("", None, False))
    return "  ".join(filter(None, (entry.at[:19].replace("T", " "), entry.user, entry.what, about, more)))


def _status_table(labels: list[str], rows: list[CaseStatus]) -> Table:
    table = Table("case", "state", *map(escape, labels), "user", "actions", "min", "note", box=None)
    for each in rows:
        name = each.case.id if each.case.readings == 1 else f"{each.case.id} ({each.reading})"
        values: list[Any] = [name, each.state, *each.letters, each.user, each.actions, f"{each.seconds / 60:.1f}"]
        table.add_row(*(escape(str(value)) for value in (*values, each.about)))
    return table


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _filters(where: list[str] | None) -> list[tuple[str, str]]:
    pairs = [each.partition("=") for each in where or ()]
    if any(not sign or not keyword for keyword, sign, _ in pairs):
        raise usage_error("--where is KEYWORD=VALUE, such as StudyDate=20240101-20240131.")
    return [(keyword, value) for keyword, _, value in pairs]
