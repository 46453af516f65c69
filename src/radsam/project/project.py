"""A project of many cases: a folder whose state is an SQLite database that several processes use at once.

Every change names the user who makes it and writes a line of the log with it. A finished mask is on disk before the
database says that its label is done.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool

from radsam.disk.atomic_write import make_folder
from radsam.errors import InputError, OutputError
from radsam.project import case_locks, round_history, task_rows
from radsam.project.case_source import read_case_volume
from radsam.project.finished_mask import FinishedMask, file_name, mask_path, write_mask
from radsam.project.label_set_file import check_labels, write_label_set
from radsam.project.project_database import Change, ProjectDatabase
from radsam.project.task_state import (
    LOCAL_USER,
    Case,
    CurvePoint,
    Lock,
    LogEntry,
    NewCase,
    Progress,
    ProjectSettings,
    Review,
    Role,
    Round,
    StartedFrom,
    Task,
    TaskState,
)
from radsam.session.label_set import LabelSet, read_label_set
from radsam.volume import Geometry, SparseMask, Volume

if TYPE_CHECKING:
    from radsam.project.proposal import Proposal

Voxels = Bool[np.ndarray, "k j i"] | SparseMask | None
#: Who proposes, in the log.
_LEARNER = "learner"


class Project:
    """An open project; threads may share it, and other processes may have it open, too.

    Make one with `create` or `open`.
    """

    def __init__(self, folder: Path, database: ProjectDatabase, labels: LabelSet) -> None:
        self.folder = folder
        self.labels = labels
        self._database = database

    @staticmethod
    def create(
        folder: Path, settings: ProjectSettings, labels: LabelSet, cases: Sequence[NewCase], by: str = LOCAL_USER
    ) -> Project:
        """Make a project, whole or not at all.

        Args:
            folder: Made; must not exist, or be empty.
            settings: Its settings.
            labels: The labels that each case gets.
            cases: Its cases, in their order.
            by: Who makes it.

        Raises:
            OutputError: The folder has content, or cannot be written.
            InputError: There are no cases, or two have the same id; or two labels differ by upper and lower case only.
        """
        task_rows.check_cases(cases)
        check_labels(labels)
        folder = folder.resolve()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder} has content already. Give a new folder, or an empty one.")
        partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
        make_folder(partial)
        try:
            for name in ("masks", "weights", "proposals"):
                make_folder(partial / name)
            write_label_set(partial / "labels.toml", labels)
            database = ProjectDatabase(partial / "project.sqlite", create=True)
            with database.creating() as change:
                task_rows.insert_settings(change, settings)
                task_rows.insert_cases(change, cases, [each.name for each in labels.label], settings)
                change.log(by, "create", cases=len(cases), labels=len(labels.label))
            database.close()
            if folder.exists():
                folder.rmdir()
            partial.rename(folder)
        except OSError as error:
            raise OutputError(f"{folder} could not be made: {error.strerror or error}.") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return Project.open(folder)

    @staticmethod
    def open(folder: Path) -> Project:
        """Open a project.

        Raises:
            InputError: It is not one, or its label set was changed.
        """
        folder = folder.resolve()
        database = ProjectDatabase(folder / "project.sqlite")
        labels = read_label_set(folder / "labels.toml")
        with database.reading() as change:
            made_with = {row["label"] for row in change.rows("SELECT DISTINCT label FROM tasks")}
        if made_with != {each.name for each in labels.label}:
            database.close()
            raise InputError(
                f"{folder / 'labels.toml'} has other names than the project was made with: "
                f"{', '.join(sorted(made_with))}. Put these names back; colours and codes may change."
            )
        return Project(folder, database, labels)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    @property
    def settings(self) -> ProjectSettings:
        """Its settings, as they are now."""
        with self._database.reading() as change:
            return task_rows.read_settings(change)

    def update_settings(self, by: str, **changes: Any) -> ProjectSettings:
        """Change settings.

        Raises:
            InputError: There is no such setting, or a value is out of its range.
        """
        fixed = {"double_read", "seed"} & changes.keys()
        unknown = changes.keys() - {each.name for each in fields(ProjectSettings)}
        if fixed or unknown:
            raise InputError(
                f"{', '.join(sorted(fixed | unknown))} cannot be changed: "
                f"{'it is fixed when a project is made' if fixed else 'there is no such setting'}."
            )
        with self._database.change() as change:
            settings = replace(task_rows.read_settings(change), **changes)
            task_rows.insert_settings(change, settings)
            change.log(by, "settings", **changes)
        return settings

    # Cases

    def cases(self) -> list[Case]:
        """Return all cases, excluded ones too, as listed."""
        with self._database.reading() as change:
            return task_rows.list_cases(change)

    def case(self, case: str) -> Case:
        """Return a case.

        Raises:
            InputError: There is none of this id.
        """
        with self._database.reading() as change:
            return task_rows.find_case(change, case)

    def tasks(self, case: str | None = None) -> list[Task]:
        """Return the tasks of a case, or of all: by case, reading and label, as listed."""
        with self._database.reading() as change:
            if case is not None:
                task_rows.find_case(change, case)
            return task_rows.list_tasks(change, case)

    def volume(self, case: str) -> Volume:
        """Read the volume of a case, from its path or its PACS.

        Raises:
            VolumeError: It cannot be read.
        """
        volume = read_case_volume(self.case(case))
        self._keep_grid(case, volume.geometry)
        return volume

    def geometry(self, case: str) -> Geometry:
        """Return the grid of a case's volume; the volume is read for it once."""
        with self._database.reading() as change:
            grid = task_rows.read_grid(change, case)
        return grid if grid is not None else self.volume(case).geometry

    def _keep_grid(self, case: str, geometry: Geometry) -> None:
        with self._database.change() as change:
            task_rows.write_grid(change, case, geometry)

    def exclude(self, case: str, by: str, reason: str) -> None:
        """Leave a case out, with the reason; what was done in it stays."""
        if not reason.strip():
            raise InputError(f"Say why the case {case} is left out, with a reason of at least a word.")
        self._set(case, by, "exclude", excluded=reason.strip())

    def include(self, case: str, by: str) -> None:
        """Take an excluded case back."""
        self._set(case, by, "include", excluded="")

    def note(self, case: str, by: str, text: str) -> None:
        """Replace the note of a case."""
        self._set(case, by, "note", note=text)

    def assign(self, cases: Iterable[str], user: str, by: str) -> None:
        """Give cases to a user, or with an empty user to anybody; all of them or none."""
        with self._database.change() as change:
            for case in cases:
                task_rows.set_of_case(change, case, by, "assign", assigned=user)

    def _set(self, case: str, by: str, what: str, **values: str) -> None:
        with self._database.change() as change:
            task_rows.set_of_case(change, case, by, what, **values)

    # Locks

    def next_case(self, user: str, after: str | None = None) -> Case | None:
        """Choose the next case for a user, and lock it; None if none is left.

        Args:
            user: The user.
            after: A case that the user does not want now, although it may be open.
        """
        with self._database.change() as change:
            settings = task_rows.read_settings(change)
            chosen = case_locks.choose_next(change, user, settings.order, after)
            if chosen is None:
                return None
            case_locks.hold(change, chosen[0], user, settings.lock_minutes, chosen[1])
            return task_rows.find_case(change, chosen[0])

    def take(self, case: str, user: str, reading: int | None = None) -> Lock:
        """Lock a case for a user.

        Args:
            case: The case.
            user: The user.
            reading: Which reading, as a reviewer chooses; None for the one that is the user's to do.

        Raises:
            InputError: There is no such case, or it is excluded.
            InUseError: Another user has it.
        """
        with self._database.change() as change:
            return self._hold(change, case, user, reading)

    def renew(self, case: str, user: str, reading: int | None = None) -> Lock:
        """Keep a case for longer; a lock that has ended is taken again if nobody else did.

        Raises:
            InUseError: Another user has it now.
        """
        return self.take(case, user, reading)

    def release(self, case: str, user: str) -> None:
        """Give a case back; without a lock nothing happens."""
        with self._database.change() as change:
            if change.run('DELETE FROM locks WHERE "case" = ? AND user = ?', case, user):
                change.log(user, "release", case)

    def lock_of(self, case: str, reading: int = 1) -> Lock | None:
        """Return who has a case; None if it is free."""
        with self._database.reading() as change:
            return case_locks.lock_of(change, case, reading)

    def locks(self) -> dict[tuple[str, int], Lock]:
        """Return all locks that count, by case and reading."""
        with self._database.reading() as change:
            return case_locks.locks(change)

    def _hold(self, change: Change, case: str, user: str, reading: int | None = None) -> Lock:
        task_rows.find_case(change, case)
        return case_locks.hold(change, case, user, task_rows.read_settings(change).lock_minutes, reading)

    # Tasks

    def begin(
        self, case: str, label: str, user: str, session: str = "", object: str = "", started_from: StartedFrom = ""
    ) -> Task:
        """Say that a user works on a label; a second time only changes session and object.

        Raises:
            InputError: There is no such case or label, or it is done.
            InUseError: Another user has the case.
        """
        with self._database.change() as change:
            reading = self._hold(change, case, user).reading
            return task_rows.begin(change, (case, label, reading), user, session, object, started_from)

    def add_work(self, case: str, label: str, user: str, actions: int = 0, seconds: float = 0.0) -> None:
        """Add edits and time to a label of a case that the user has; not a line of the log."""
        if actions < 0 or seconds < 0:
            raise InputError(f"Work is 0 or more actions and seconds, not {actions} and {seconds:g}.")
        with self._database.change() as change:
            key = (case, label, self._hold(change, case, user).reading)
            task_rows.find_task(change, key)
            task_rows.add_work(change, key, actions, seconds)

    def finish(
        self,
        case: str,
        label: str,
        user: str,
        mask: Voxels,
        provenance: Mapping[str, Any],
        geometry: Geometry | None = None,
    ) -> Task:
        """Say that a label of a case is done, with its mask; with the last one, the user's lock ends.

        Args:
            case: The case.
            label: The label.
            user: Who did it.
            mask: Its voxels; None if the label is absent in the case.
            provenance: How it was made: model, prompts, hand edits. JSON.
            geometry: The grid of the volume; None takes it from the database, or reads the volume.

        Raises:
            InputError: There is no such case or label, it is done already, or the mask is empty.
            GridMismatchError: The mask is not on the grid of the volume.
            InUseError: Another user has the case.
            OutputError: The mask cannot be written; the label is then not done.
        """
        with self._database.change() as change:
            reading = self._hold(change, case, user).reading
            task_rows.refuse_done(task_rows.find_task(change, (case, label, reading)))
        key = (case, label, reading)
        file = self._write(key, user, mask, provenance, geometry)
        with self._database.change() as change:
            case_locks.hold(change, case, user, task_rows.read_settings(change).lock_minutes, reading)
            task_rows.finish(change, key, user, file, mask is None, round_history.in_use(change))
            return task_rows.find_task(change, key)

    def reopen(self, case: str, label: str, by: str, note: str = "", reading: int | None = None) -> Task:
        """Take a done label back to work; its mask stays on disk until it is done again.

        Args:
            case: The case.
            label: The label.
            by: Who does it.
            note: Why.
            reading: Which reading; None for the one that is the user's.

        Raises:
            InputError: It is not done.
        """
        with self._database.change() as change:
            task_rows.find_case(change, case)
            key = (case, label, case_locks.reading_of(change, case, by) if reading is None else reading)
            task_rows.reopen(change, key, by, note)
            return task_rows.find_task(change, key)

    def check(
        self,
        case: str,
        label: str,
        by: str,
        outcome: Review,
        note: str = "",
        mask: Voxels = None,
        provenance: Mapping[str, Any] | None = None,
        geometry: Geometry | None = None,
        *,
        absent: bool = False,
        reading: int = 1,
    ) -> Task:
        """Say what a second reader found.

        Args:
            case: The case.
            label: The label; it must be done.
            by: The reader.
            outcome: "agreed"; "corrected", with the mask that replaces the annotator's; or "sent back".
            note: What the reader wrote.
            mask: The corrected mask.
            provenance: How it was made.
            geometry: As of `finish`.
            absent: The correction is that the case does not have what the label means.
            reading: Which reading.

        Raises:
            InputError: The label is not done, the reader did it, the outcome is unknown, or its mask is missing.
            InUseError: Another user has the case.
            OutputError: The mask cannot be written; the label is then not checked.
        """
        key = (case, label, reading)
        task_rows.check_outcome(outcome, note, mask is not None, absent)
        with self._database.change() as change:
            self._hold(change, case, by, reading)
            task_rows.refuse_check(task_rows.find_task(change, key), by)
        corrected = outcome == "corrected"
        file = self._write(key, by, mask, {"review": outcome, **(provenance or {})}, geometry) if corrected else ""
        with self._database.change() as change:
            self._hold(change, case, by, reading)
            task_rows.check(change, key, by, outcome, note, file, absent)
            return task_rows.find_task(change, key)

    def _write(
        self, key: tuple[str, str, int], by: str, mask: Voxels, given: Mapping[str, Any], geometry: Geometry | None
    ) -> str:
        """Write a mask under a name that no other mask has; return that, relative to the folder of masks."""
        case, label, reading = key
        grid = self.geometry(case) if geometry is None else geometry
        task_rows.check_mask(key, mask, grid)
        with self._database.change() as change:
            if geometry is not None:
                task_rows.write_grid(change, case, geometry)
            version = task_rows.new_version(change, key)
            weights = round_history.in_use(change)
            task, patient = task_rows.find_task(change, key), task_rows.find_case(change, case).patient
        path = mask_path(self.folder / "masks", case, label, reading, version, grid)
        names = {"case": case, "label": label, "reading": reading, "version": version, "patient": patient, "by": by}
        work = {"annotator": task.annotator or by, "actions": task.actions, "seconds": round(task.seconds, 1)}
        made = {"started_from": task.started_from, "proposed_by": task.proposed_by, "weights": weights}
        write_mask(path, mask, grid, {**names, **work, **made, "written": change.now, "absent": mask is None, **given})
        return path.relative_to(self.folder / "masks").as_posix()

    def finished(self, reading: int = 1, *, as_annotated: bool = False) -> list[FinishedMask]:
        """Return the masks of labels that are done or checked, of cases that count.

        Args:
            reading: Which reading.
            as_annotated: The annotators' masks, even where a second reader corrected them.
        """
        with self._database.reading() as change:
            cases = {each.id: each for each in task_rows.list_cases(change) if not each.excluded}
            rows = task_rows.finished_rows(change, reading)
        return [
            FinishedMask(
                cases[row["case"]],
                row["label"],
                reading,
                self.folder / "masks" / row["annotated" if as_annotated else "mask"],
                bool(row["absent"]),
                row["finished"],
                TaskState(row["state"]),
                row["started_from"] == "proposal",
            )
            for row in rows
            if row["case"] in cases
        ]

    # Proposals

    def set_proposals(
        self,
        case: str,
        round: int | None,
        proposals: Mapping[str, Proposal],
        absence: Mapping[str, float] | None = None,
    ) -> None:
        """Store what weights propose for a case; labels that nobody works on are then proposed.

        Args:
            case: The case.
            round: The round of the weights; None for default ones.
            proposals: By label.
            absence: By label without a proposal, how certain it is that the case does not have it.
        """
        from radsam.project.proposal import write_proposals

        with self._database.reading() as change:
            task_rows.find_case(change, case)
        write_proposals(self._proposals_path(case), proposals)
        with self._database.change() as change:
            certainty = {label: each.certainty for label, each in proposals.items()}
            task_rows.propose(change, case, round, certainty, absence or {})
            change.log(_LEARNER, "propose", case, round=round, labels=len(proposals))

    def proposals(self, case: str) -> dict[str, Proposal]:
        """Return the proposals for a case, by label; empty without any."""
        from radsam.project.proposal import read_proposals

        path = self._proposals_path(case)
        return dict(read_proposals(path)) if path.is_file() else {}

    def _proposals_path(self, case: str) -> Path:
        return self.folder / "proposals" / f"{file_name(case)}.npz"

    def set_teaches(self, teaches: Mapping[str, float]) -> None:
        """Store how much cases would teach; not a line of the log."""
        with self._database.change() as change:
            for case, value in teaches.items():
                change.update("cases", {"id": case}, teaches=float(value))

    # Rounds

    def begin_round(self, by: str, trained_on: Sequence[str], compared_on: Sequence[str]) -> Round:
        """Begin a learning round.

        Raises:
            InputError: Another one runs.
        """
        with self._database.change() as change:
            return round_history.begin(change, by, trained_on, compared_on)

    def update_round(self, number: int, progress: float, message: str = "") -> None:
        """Say how far a round is; not a line of the log."""
        with self._database.change() as change:
            change.update("rounds", {"number": number}, progress=float(progress), message=message)

    def offer_round(self, number: int, scores: Mapping[str, Any]) -> Round:
        """Offer the weights of a round that ran; an offer before it ends."""
        with self._database.change() as change:
            for each in round_history.list_rounds(change):
                if each.state == "offered":
                    text = f"Round {number} offered newer weights."
                    round_history.end(change, each.number, "declined", _LEARNER, only=("offered",), message=text)
            return round_history.end(change, number, "offered", _LEARNER, only=("running",), message="", scores=scores)

    def drop_round(self, number: int, message: str, scores: Mapping[str, Any] | None = None) -> Round:
        """End a round whose weights are not to be used, with the reason."""
        with self._database.change() as change:
            return round_history.end(
                change, number, "dropped", _LEARNER, only=("running",), message=message, scores=scores
            )

    def decline_round(
        self, number: int, by: str, message: str | None = None, scores: Mapping[str, Any] | None = None
    ) -> Round:
        """Decline the weights of a round."""
        with self._database.change() as change:
            states = ("running", "offered")
            return round_history.end(change, number, "declined", by, only=states, message=message, scores=scores)

    def accept_round(self, number: int, by: str) -> Round:
        """Use the weights of a round from now on."""
        with self._database.change() as change:
            return round_history.accept(change, number, by)

    def go_back(self, by: str) -> int | None:
        """Use the weights before those in use; return their round, None for the default weights.

        Raises:
            InputError: The default weights are in use.
        """
        with self._database.change() as change:
            return round_history.go_back(change, by)

    def rounds(self) -> list[Round]:
        """Return all rounds, the first one first."""
        with self._database.reading() as change:
            return round_history.list_rounds(change)

    def current_round(self) -> int | None:
        """Return the round whose weights are in use; None for the default weights."""
        with self._database.reading() as change:
            return round_history.in_use(change)

    def weights_folder(self, number: int) -> Path:
        """Return where the weights of a round are."""
        return self.folder / "weights" / f"round-{number:04d}"

    # Users

    def role_of(self, user: str) -> Role | None:
        """Return what a user may do; None for one without a role. Without access tokens, everybody is an owner."""
        return self.roles().get(user, Role.OWNER if user == LOCAL_USER else None)

    def set_role(self, user: str, role: Role | None, by: str) -> None:
        """Give a user a role, or with None take it away.

        Raises:
            InputError: The name is empty.
        """
        if not user.strip():
            raise InputError("Give the name of the user, as it is in the access tokens.")
        with self._database.change() as change:
            change.run("DELETE FROM roles WHERE user = ?", user)
            if role is not None:
                change.insert("roles", user=user, role=role.value)
            change.log(by, "role", user=user, role=None if role is None else role.value)

    def roles(self) -> dict[str, Role]:
        """Return the roles of users, by their names."""
        with self._database.reading() as change:
            return {row["user"]: Role(row["role"]) for row in change.rows("SELECT * FROM roles ORDER BY user")}

    # What happened

    def log(self, case: str | None = None, limit: int | None = 100) -> list[LogEntry]:
        """Return the latest lines of the log, the latest first; with `limit` None, all of them."""
        with self._database.reading() as change:
            rows = change.rows(
                'SELECT * FROM log WHERE ? IS NULL OR "case" = ? ORDER BY number DESC LIMIT ?',
                case,
                case,
                -1 if limit is None else limit,
            )
        return [
            LogEntry(
                row["number"],
                row["at"],
                row["user"],
                row["what"],
                row["case"],
                row["label"],
                json.loads(row["details"]),
            )
            for row in rows
        ]

    def log_export(self, by: str, file_format: str, cases: int) -> None:
        """Write a line of the log about an export."""
        with self._database.change() as change:
            change.log(by, "export", format=file_format, cases=cases)

    def curve(self, reading: int = 1) -> list[CurvePoint]:
        """Return what each finished case took, in the order in which they were finished."""
        with self._database.reading() as change:
            return task_rows.curve(change, reading)

    def progress(self) -> Progress:
        """Return how far the project is."""
        with self._database.reading() as change:
            return task_rows.progress(change)


__all__ = [
    "LOCAL_USER",
    "Case",
    "CurvePoint",
    "FinishedMask",
    "Lock",
    "LogEntry",
    "NewCase",
    "Progress",
    "Project",
    "ProjectSettings",
    "Role",
    "Round",
    "Task",
    "TaskState",
]
