"""`radsam pacs`: search a PACS, fetch from it and store in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from radsam.cli.session_inputs import warn_in_clear
from radsam.cli.shared_options import AsJson
from radsam.cli.terminal import command, note, out, progress_bar, usage_error, write_json

if TYPE_CHECKING:
    from radsam.io.pacs.pacs_address import Level, PacsAddress

pacs_app = typer.Typer(
    help="Search a PACS, fetch from it and store in it, over DICOMweb or DIMSE. See docs/pacs.md.",
    no_args_is_help=True,
)

Url = Annotated[
    str,
    typer.Argument(
        help="dicomweb://HOST[:PORT]/ROOT or dimse://HOST:PORT/AE_TITLE, then /studies/UID/series/UID as needed.",
        metavar="URL",
    ),
]


@pacs_app.command("find")
@command
def find(
    url: Url,
    patient_id: Annotated[str | None, typer.Option(help="PatientID of the studies.", metavar="ID")] = None,
    date: Annotated[
        str | None, typer.Option(help="StudyDate: YYYYMMDD, or FROM-TO, either end open.", metavar="DATE")
    ] = None,
    modality: Annotated[str | None, typer.Option(help="Only this modality: CT, MR, PT.", metavar="NAME")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Any other element, by its DICOM keyword; * and ? match any text. Repeatable.",
            metavar="KEYWORD=VALUE",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most results to show.")] = 100,
    show_patient: Annotated[bool, typer.Option("--show-patient", help="Show names and ids of patients, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List studies of a PACS, series of a study, or instances of a series.

    [bold]Example:[/] radsam pacs find dicomweb://pacs.example.org/dicom-web --patient-id 4711 --modality CT
    """
    from radsam.io.pacs.pacs_connection import connect, require_libraries
    from radsam.io.pacs.pacs_search import check_filters, describe_match

    require_libraries()
    address, level = _inside(url)
    of_modality = "ModalitiesInStudy" if level.value == "study" else "Modality"
    named = [("PatientID", patient_id), ("StudyDate", date), (of_modality, modality)]
    filters = check_filters([(keyword, value) for keyword, value in named if value] + _pairs(where))
    warn_in_clear(address)
    with connect(address) as server, progress_bar("Searching", unit="", quiet=as_json):
        # One more than shown says whether there are more.
        found = server.find(address, level, filters, limit + 1)
    rows = [describe_match(each, address, level, patient=show_patient) for each in found[:limit]]
    if as_json:
        write_json({"level": level.value, "found": rows, "more": len(found) > limit})
        return
    for row in rows:
        _show(row)
    if not rows:
        note(f"Nothing was found at {address}.")
    elif len(found) > limit:
        note(f"There are more than {limit}. Narrow the search, or raise --limit.")


@pacs_app.command("get")
@command
def get(
    url: Url,
    folder: Annotated[Path, typer.Option("-o", "--out", help="The target folder; made if missing.", metavar="DIR")],
    as_json: AsJson = False,
) -> None:
    """Fetch a study, a series or an instance into a folder.

    Files come as the PACS stores them, each whole or not at all, readable by you only, and
    [bold]with the patient's data[/]. The same command resumes a fetch that was stopped or failed.
    """
    from radsam.io.pacs.pacs_connection import connect, require_libraries

    require_libraries()
    from radsam.io.pacs.fetch_files import fetch_files
    from radsam.io.pacs.pacs_address import PacsAddress

    address = PacsAddress.parse(url)
    warn_in_clear(address)
    with connect(address) as server, progress_bar("Fetching", unit="images", quiet=as_json) as update:
        done = fetch_files(server, folder, progress=update)
    if as_json:
        write_json(
            {
                "folders": [str(each) for each in done.folders],
                "instances": done.instances,
                "new": done.new,
                "new_bytes": done.new_bytes,
            }
        )
        return
    before = done.instances - done.new
    out.print(
        f"{done.new} files ({done.new_bytes / 1e6:.1f} MB) fetched{f', {before} were there' if before else ''}.",
        markup=False,
    )
    for each in done.folders:
        out.print(str(each), markup=False, soft_wrap=True)


@pacs_app.command("put")
@command
def put(
    url: Url,
    paths: Annotated[list[Path], typer.Argument(help="DICOM files, or folders of them.", metavar="PATH...")],
    assign_uids: Annotated[
        bool, typer.Option("--assign-uids", help="Give new UIDs to files that an anonymiser left without.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Store DICOM files in a PACS: a result, or a series.

    All files are checked before the first one is sent.

    [bold]Example:[/] radsam pacs put dicomweb://pacs.example.org/dicom-web spleen.dcm
    """
    from radsam.io.pacs.pacs_connection import connect, require_libraries

    require_libraries()
    from radsam.io.pacs.pacs_address import PacsAddress
    from radsam.io.pacs.store_files import check_files, store_files

    address = PacsAddress.parse(url)
    upload = check_files(paths, address, assign_uids=assign_uids)
    warn_in_clear(address)
    with connect(address) as server, progress_bar("Storing", unit="files", quiet=as_json) as update:
        series = store_files(server, upload, progress=update)
    if as_json:
        write_json({"stored": len(upload.files), "skipped": upload.skipped, "series": [str(each) for each in series]})
        return
    skipped = f"; {upload.skipped} others are not DICOM" if upload.skipped else ""
    out.print(f"{len(upload.files)} files stored{skipped}.", markup=False)
    for each in series:
        out.print(str(each), markup=False, soft_wrap=True)


@pacs_app.command("login")
@command
def login(
    url: Url,
    token: Annotated[
        bool, typer.Option("--token", help="Prompt for a bearer token instead of user and password.")
    ] = False,
) -> None:
    """Store the login of a DICOMweb server in the system's keyring, after a search with it succeeded.

    The command prompts for the login: other users can read a command line.
    """
    from radsam.io.pacs.pacs_connection import require_libraries
    from radsam.io.pacs.retry_policy import RetryPolicy

    require_libraries()
    from radsam.io.pacs.dicomweb import DicomWebServer
    from radsam.io.pacs.pacs_address import Level
    from radsam.io.pacs.pacs_credentials import Credentials, save_credentials

    address, _ = _inside(url)
    if address.is_dimse:
        raise usage_error("DIMSE has no logins; the administrator of the PACS registers AE titles.")
    warn_in_clear(address)
    if token:
        given = Credentials("the prompt", token=typer.prompt("Token", hide_input=True, err=True))
    else:
        user = typer.prompt("User", err=True)
        given = Credentials("the prompt", user=user, password=typer.prompt("Password", hide_input=True, err=True))
    server = DicomWebServer(address, given, RetryPolicy.from_environment())
    try:
        server.find(address, Level.STUDY, {}, 1)
    finally:
        server.close()
    save_credentials(address, given)
    out.print(f"The login for {address.base} works and is in the keyring.", markup=False, soft_wrap=True)


@pacs_app.command("logout")
@command
def logout(url: Url) -> None:
    """Remove the login of a server from the keyring."""
    from radsam.io.pacs.pacs_connection import require_libraries

    require_libraries()
    from radsam.io.pacs.pacs_credentials import delete_credentials

    address, _ = _inside(url)
    there = delete_credentials(address)
    out.print(f"{'Removed the' if there else 'There was no'} login for {address.base}.", markup=False, soft_wrap=True)


def _inside(url: str) -> tuple[PacsAddress, Level]:
    """Return an address and the level that is listed below it."""
    from radsam.io.pacs.pacs_address import Level, PacsAddress

    address = PacsAddress.parse(url)
    below = {Level.SERVER: Level.STUDY, Level.STUDY: Level.SERIES}
    return address, below.get(address.level, Level.INSTANCE)


def _pairs(where: list[str] | None) -> list[tuple[str, str]]:
    pairs = []
    for each in where or ():
        keyword, equals, value = each.partition("=")
        if not (keyword and equals and value):
            raise usage_error(f"--where takes KEYWORD=VALUE, as in AccessionNumber=A17; given: {each!r}.")
        pairs.append((keyword, value))
    return pairs


def _show(row: dict[str, Any]) -> None:
    """Print one match: its description, and the URL that other commands take."""
    words = {"series": "series", "instances": "images"}
    parts = [
        f"{value} {words[name]}" if name in words else str(value)
        for name, value in row.items()
        if name not in ("url", "uid") and value is not None
    ]
    out.print(f"{escape(', '.join(parts))}\n  [dim]{escape(row['url'])}[/]", soft_wrap=True)
