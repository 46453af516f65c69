"""A project that is served: its worklist, opening, finishing and checking cases, its weights and its users.

Every method takes the user first, and refuses what the user's role may not do. Changes are on disk, and in the log of
the project, before a method returns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from radsam.errors import InputError
from radsam.project.project import Project
from radsam.project.reader_agreement import agreement_by_label, compare_readings
from radsam.project.round_plan import finished_cases, require_enough
from radsam.project.task_state import Case, Lock, Role, Task
from radsam.server import project_answers
from radsam.server.case_sessions import CaseSessions
from radsam.server.case_volumes import CaseVolumes
from radsam.server.learner_supervisor import LearnerSupervisor, learn_command
from radsam.server.model_thread import ModelThread
from radsam.server.project_schemas import CaseChange, CheckRequest
from radsam.server.project_weights import ProjectWeights
from radsam.server.server_errors import ForbiddenError, NotFoundError
from radsam.server.server_store import CaseSession, ServerStore
from radsam.server.session_registry import SessionRegistry
from radsam.server.volume_registry import VolumeRegistry
from radsam.server.work_count import WorkCount
from radsam.session import Engine
from radsam.training.required_modules import can_train

_NO_PROJECT = "This server serves no project. Start one with: radsam serve --project DIR"


class ProjectService:
    """A project on a server.

    Args:
        project: The project; it is closed with the server.
        volumes: The volumes of the server, to which those of the cases are added.
        sessions: The sessions of the server.
        store: Where sessions are stored.
        engine: The models.
        thread: The model's thread.
        delete: Removes a session of a user.
        learner: The learning process; None starts that of the project.
        model: The bundle that learning starts from; None for the default one.
    """

    def __init__(
        self,
        project: Project,
        *,
        volumes: VolumeRegistry,
        sessions: SessionRegistry,
        store: ServerStore,
        engine: Engine,
        thread: ModelThread,
        delete: Callable[[str, str], None],
        learner: LearnerSupervisor | None = None,
        model: str | None = None,
    ) -> None:
        self.project = project
        self.weights = ProjectWeights(project, engine)
        self.work = WorkCount(project, store)
        self._labels = [each.name for each in project.labels.label]
        self._volumes = CaseVolumes(project, volumes)
        self._sessions = CaseSessions(project, self._volumes, sessions, store, engine, thread, delete)
        command = learn_command(project.folder, model) if can_train() else None
        self.learner = learner or LearnerSupervisor(
            command,
            lambda: thread.busy,
            store.folder / "learner.log",
            at_once=project.settings.learn_every > 0,
        )
        thread.on_task = self.learner.used
        #: Number of rounds when one was requested last; None once it began.
        self._requested_at: int | None = None

    def close(self) -> None:
        """End the learning process and close the project."""
        self.learner.close()
        self.project.close()

    # What there is

    def info(self, user: str) -> dict[str, Any]:
        """Describe the project, what is learned, and the user's role."""
        role = self._require(user, Role.ANNOTATOR, "see the project")
        self.weights.follow()
        settings, rounds = self.project.settings, self.project.rounds()
        return {
            "name": settings.name,
            "user": user,
            "role": role.value,
            "labels": project_answers.label_rows(self.project.labels),
            "order": settings.order,
            "goal_dice": settings.goal_dice,
            "progress": asdict(self.project.progress()),
            "weights": {"round": self.project.current_round()},
            "learning": self._learning(),
            "offer": project_answers.offer_of(rounds),
        }

    def cases(self, user: str) -> list[dict[str, Any]]:
        """List the cases; of a case that two annotators do, the user's own reading."""
        role = self._require(user, Role.ANNOTATOR, "see its cases")
        return project_answers.case_rows(self.project, user, role)

    def curve(self, user: str) -> list[dict[str, Any]]:
        """List what each finished case took."""
        self._require(user, Role.ANNOTATOR, "see its curve")
        return [asdict(each) for each in self.project.curve()]

    def rounds(self, user: str) -> list[dict[str, Any]]:
        """List the learning rounds."""
        self._require(user, Role.ANNOTATOR, "see its rounds")
        return [project_answers.round_row(each) for each in self.project.rounds()]

    def log(self, user: str, case: str | None, limit: int) -> list[dict[str, Any]]:
        """List the latest lines of the log, the latest first."""
        self._require(user, Role.OWNER, "read the log")
        if case is not None:
            self._case(case)
        return [project_answers.log_row(each) for each in self.project.log(case, limit)]

    def agreement(self, user: str) -> list[dict[str, Any]]:
        """Return the mean Dice between the two readings of each label."""
        self._require(user, Role.REVIEWER, "compare its readers")
        found = agreement_by_label(compare_readings(self.project), self._labels)
        return [{"label": each.label, "cases": each.cases, "dice": each.dice} for each in found]

    # Working on a case

    def open_next(self, user: str, after: str | None) -> dict[str, Any]:
        """Open the case that is the user's next.

        Raises:
            NotFoundError: None is left.
        """
        self._require(user, Role.ANNOTATOR, "work on its cases")
        case = self.project.next_case(user, after)
        if case is None:
            raise NotFoundError(self._why_none_is_left(user, after))
        return self._open_held(user, case)

    def open(self, user: str, name: str, *, check: bool) -> dict[str, Any]:
        """Open a case to annotate it, or to check it.

        Raises:
            InUseError: Another user has it.
        """
        self._require(user, Role.REVIEWER if check else Role.ANNOTATOR, "check cases" if check else "work on its cases")
        case = self._case(name)
        if not check:
            self.project.take(case.id, user)
            return self._open_held(user, case)
        self.project.take(case.id, user, 1)
        return self._answer(user, case, lambda: self._sessions.open_check(user, case, 1))

    def _open_held(self, user: str, case: Case) -> dict[str, Any]:
        self.weights.follow()
        reading = self._lock_of(case.id, user).reading
        return self._answer(user, case, lambda: self._sessions.open(user, case, reading))

    def _answer(self, user: str, case: Case, session: Callable[[], CaseSession]) -> dict[str, Any]:
        try:
            return {"case": case.id, "volume": CaseVolumes.id_of(case), "session": session().session}
        except BaseException:
            self.project.release(case.id, user)
            raise

    def heartbeat(self, user: str, name: str, session: str, label: str | None, seconds: float) -> dict[str, Any]:
        """Keep a case for longer, and count the seconds for a label.

        Raises:
            InUseError: Another user has it now.
        """
        self._require(user, Role.ANNOTATOR, "work on its cases")
        case = self._case(name, label)
        of_case = self._sessions.find(user, case.id, session)
        lock = self.project.renew(case.id, user, of_case.reading)
        if not of_case.checks:
            self.work.seconds(of_case, label, seconds)
        return {"locked_until": lock.until}

    def release(self, user: str, name: str) -> None:
        """Give a case back."""
        self._require(user, Role.ANNOTATOR, "work on its cases")
        self.project.release(self._case(name).id, user)

    def done(self, user: str, name: str, label: str, session: str, *, absent: bool) -> dict[str, Any]:
        """Finish a label with its object in the session, or as absent; its mask is then on disk.

        Raises:
            BusyError: An edit of the session runs.
            SessionError: There is no such object.
            InUseError: Another user has the case now.
        """
        role = self._require(user, Role.ANNOTATOR, "work on its cases")
        case = self._case(name, label)
        of_case, live = self._sessions.of(user, case.id, session, checks=False)
        self.project.renew(case.id, user, of_case.reading)
        if absent:
            mask, made = None, self._sessions.absent(live, of_case, label)
        else:
            mask, made = self._sessions.read(live, of_case, label)
        made["weights"] = self.weights.round_of(live.session.predictor.model_hash)
        self.project.begin(case.id, label, user, session, label, made["started_from"])
        self.project.finish(case.id, label, user, mask, made, live.session.volume.geometry)
        self._wake_learner()
        return self._row(user, role, case)

    def reopen(self, user: str, name: str, label: str, note: str) -> dict[str, Any]:
        """Take a label that is done back to work: the own one, or as a reviewer anybody's."""
        role = self._require(user, Role.ANNOTATOR, "work on its cases")
        case = self._case(name, label)
        mine = [each for each in self._tasks(case.id, label) if each.annotator == user]
        if not mine and not role.may(Role.REVIEWER):
            raise ForbiddenError(f"{label} of {case.id} was done by another annotator; a reviewer may take it back.")
        self.project.reopen(case.id, label, user, note, mine[0].reading if mine else 1)
        return self._row(user, role, case)

    def check(self, user: str, name: str, label: str, request: CheckRequest) -> dict[str, Any]:
        """Say what a second reader found; a correction is read from the reader's session.

        Raises:
            InputError: The label is not done, or the user did it.
        """
        role = self._require(user, Role.REVIEWER, "check cases")
        case = self._case(name, label)
        mask, made = None, None
        if request.outcome == "corrected":
            if request.session is None:
                raise InputError("A correction is read from a session: give the one in which you opened the case.")
            of_case, live = self._sessions.of(user, case.id, request.session, checks=True)
            if request.absent:
                made = self._sessions.absent(live, of_case, label)
            else:
                mask, made = self._sessions.read(live, of_case, label)
        outcome, note = request.outcome, request.note
        self.project.check(case.id, label, user, outcome, note, mask, made, absent=request.absent)
        return self._row(user, role, case)

    def change_case(self, user: str, name: str, change: CaseChange) -> dict[str, Any]:
        """Change the note of a case, exclude or include it, or assign it."""
        only_note = change.excluded is None and change.assigned is None
        needed = Role.ANNOTATOR if only_note else Role.OWNER
        role = self._require(user, needed, "write notes" if only_note else "exclude and assign cases")
        case = self._case(name)
        if change.assigned and self.project.role_of(change.assigned) is None:
            raise InputError(f"{change.assigned} has no role in this project. Give one first, or choose another user.")
        if change.note is not None:
            self.project.note(case.id, user, change.note)
        if change.assigned is not None:
            self.project.assign([case.id], change.assigned, user)
        if change.excluded:
            self.project.exclude(case.id, user, change.excluded)
        elif change.excluded is not None:
            self.project.include(case.id, user)
        return self._row(user, role, case)

    # Learning

    def learn(self, user: str) -> dict[str, Any]:
        """Request a learning round now.

        Raises:
            InputError: Too few cases are finished.
        """
        self._require(user, Role.OWNER, "request a learning round")
        require_enough(finished_cases(self.project))
        self._requested_at = len(self.project.rounds())
        self.learner.now()
        return self._learning()

    def accept(self, user: str, number: int) -> dict[str, Any]:
        """Use the weights of a round for new sessions from now on.

        Raises:
            BundleError: They cannot be loaded; those in use stay.
        """
        self._require(user, Role.OWNER, "decide on weights")
        self._round(number)
        self.weights.require(number)
        self.project.accept_round(number, user)
        self.weights.follow()
        return {"round": self.project.current_round()}

    def decline(self, user: str, number: int) -> dict[str, Any]:
        """Decline the weights of a round."""
        self._require(user, Role.OWNER, "decide on weights")
        self._round(number)
        self.project.decline_round(number, user)
        return {"round": self.project.current_round()}

    def go_back(self, user: str) -> dict[str, Any]:
        """Use the weights before those in use."""
        self._require(user, Role.OWNER, "decide on weights")
        number = self.project.go_back(user)
        self.weights.follow()
        return {"round": number}

    # Users

    def roles(self, user: str) -> dict[str, str]:
        """Return the roles of users, by their names."""
        self._require(user, Role.OWNER, "see roles")
        return {name: role.value for name, role in self.project.roles().items()}

    def set_role(self, user: str, name: str, role: Role | None) -> dict[str, str]:
        """Give a user a role, or with None take it away.

        Raises:
            InputError: It would take the last owner's role away.
        """
        self._require(user, Role.OWNER, "give roles")
        others = [each for each, has in self.project.roles().items() if has is Role.OWNER and each != name]
        if name == user and role is not Role.OWNER and not others:
            raise InputError("You are the only owner: make somebody else an owner before you give the role up.")
        self.project.set_role(name, role, user)
        return self.roles(user) if self.project.role_of(user) is Role.OWNER else {}

    # Parts of these

    def _require(self, user: str, needed: Role, what: str) -> Role:
        role = self.project.role_of(user)
        if role is None:
            raise ForbiddenError("You have no role in the project of this server. Ask its owner for one.")
        if not role.may(needed):
            who = "its owner" if needed is Role.OWNER else "a reviewer or its owner"
            article = "a" if role is Role.REVIEWER else "an"
            raise ForbiddenError(f"You are {article} {role.value} of this project; only {who} may {what}.")
        return role

    def _case(self, name: str, label: str | None = None) -> Case:
        found = next((each for each in self.project.cases() if each.id == name), None)
        if found is None:
            raise NotFoundError(f"The project has no case {name!r}. List the cases again.")
        if label is not None and label not in self._labels:
            raise NotFoundError(f"The project has no label {label!r}; its labels: {', '.join(self._labels)}.")
        return found

    def _round(self, number: int) -> None:
        if all(each.number != number for each in self.project.rounds()):
            raise NotFoundError(f"The project has no round {number}. List the rounds again.")

    def _tasks(self, case: str, label: str) -> list[Task]:
        return [each for each in self.project.tasks(case) if each.label == label]

    def _lock_of(self, case: str, user: str) -> Lock:
        return next(each for (name, _), each in self.project.locks().items() if name == case and each.user == user)

    def _row(self, user: str, role: Role, case: Case) -> dict[str, Any]:
        return project_answers.case_rows(self.project, user, role, case.id)[0]

    def _why_none_is_left(self, user: str, after: str | None) -> str:
        locked = {lock.user for lock in self.project.locks().values() if lock.user != user}
        if locked:
            return f"No case is left for you now: {', '.join(sorted(locked))} still work on the last ones."
        if after is not None:
            return f"No case is left for you besides {after}."
        return "No case is left for you: all that are not excluded or assigned to others are done."

    def _done_cases(self) -> int:
        return self.project.progress().done

    def _cases_at_last_round(self) -> int:
        rounds = self.project.rounds()
        return len({*rounds[-1].trained_on, *rounds[-1].compared_on}) if rounds else 0

    def _learning(self) -> dict[str, Any]:
        settings = self.project.settings
        left = settings.learn_every - (self._done_cases() - self._cases_at_last_round())
        rounds = self.project.rounds()
        running = next((each for each in rounds if each.state == "running"), None)
        if self._requested_at is not None and len(rounds) > self._requested_at:
            self._requested_at = None
        state = self.learner.state
        if state != "unavailable" and running is None:
            state = "idle" if self._requested_at is None else "waiting"
        message = self.weights.problem or self.learner.message or (running.message if running else "")
        return {
            "state": state,
            "progress": running.progress if running else 0.0,
            "message": message,
            "next_after": max(0, left) if settings.learn_every else 0,
        }

    def _wake_learner(self) -> None:
        """Let the learning process run, which learns by itself once enough cases are finished."""
        if self.project.settings.learn_every:
            self.learner.start()


def require_project(service: ProjectService | None) -> ProjectService:
    """Return the project of a server.

    Raises:
        NotFoundError: It serves none.
    """
    if service is None:
        raise NotFoundError(_NO_PROJECT)
    return service
