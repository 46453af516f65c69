"""What the server can do, without HTTP: open a volume, segment, correct, undo, export, subscribe.

Every method takes the user first and answers about that user's things only. What needs the model returns a
future; the model has one thread. Protocols (`routes_*.py`, and others to come) are thin layers on this.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from radsam.errors import PromptError, SessionError
from radsam.io.nifti_stream import nifti_chunks, nifti_length
from radsam.predictor import SliceMask
from radsam.preprocess import Window
from radsam.propagate import default_policy
from radsam.server import describe
from radsam.server.edits import Edits
from radsam.server.encode_ahead import EncodeAhead, Focus
from radsam.server.events import Subscription
from radsam.server.exports import Export, export
from radsam.server.imports import check_session_file
from radsam.server.journal import read_journal
from radsam.server.limits import Limits
from radsam.server.live import Job, LiveSession
from radsam.server.mask_book import Place, pack
from radsam.server.metrics import Metrics
from radsam.server.refusals import NotFound, TooMany
from radsam.server.store import SessionRow, Store, now
from radsam.server.uploads import Uploads
from radsam.server.volumes import Volumes
from radsam.server.worker import ModelThread, Priority, Stopped
from radsam.session import Engine, Session, read_session
from radsam.session.asker import Asker, slice_index
from radsam.session.edit import Correct, Segment, edit_to_json
from radsam.volume import Bounds, Mask, Plane, Point, Prompt, SliceGrid

#: What an export is called on the wire.
FORMATS = ("nii.gz", "nrrd", "seg", "rtstruct", "session")


@dataclass(frozen=True)
class Question:
    """A prompt as a user means it; what is left out follows from the model and the session.

    Args:
        prompt: The prompt.
        plane: The plane.
        name: The object.
        bounds: First and last slice; None lets the stop rule find the ends.
        window_hu: What the model sees, if other than the session's.
        policy: Name of the next-prompt policy.
        zoom: Whether the model looks at a crop around the object.
        alternative: Which of the model's four masks the user chose.
    """

    prompt: Prompt
    plane: Plane
    name: str = "object"
    bounds: tuple[int, int] | None = None
    window_hu: tuple[float, float] | None = None
    policy: str | None = None
    zoom: bool | None = None
    alternative: int = 0


@dataclass(frozen=True)
class Preview:
    """The answer on one slice.

    Args:
        masks: The primary mask and, for a first prompt, the alternatives.
        seconds: How long it took, with the time it waited.
    """

    masks: tuple[SliceMask, ...]
    seconds: float


class Service:
    """Volumes, sessions and one model for several users.

    Args:
        engine: The model.
        store: What outlives the process.
        given: Volumes that were named at the start.
        data: Folders whose volumes are listed.
        limits: What bounds memory, disk and time.
        named_by_path: Whether session files may tell where a volume lies: yes where all users are at this computer.

    Raises:
        VolumeError: A given volume cannot be read.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        *,
        given: Sequence[Path] = (),
        data: Sequence[Path] = (),
        limits: Limits | None = None,
        named_by_path: bool = True,
    ) -> None:
        self.engine = engine
        self.limits = limits or Limits()
        self.metrics = Metrics()
        self._store = store
        self.volumes = Volumes(list(given), list(data), store, self.limits, named_by_path=named_by_path)
        self.volumes.in_use = lambda: {each.volume_id: each.session.volume for each in tuple(self._live.values())}
        self.volumes.make_room = lambda: self._expire(0.0)
        self.uploads = Uploads(store, self.volumes, self.limits)
        self._live: dict[str, LiveSession] = {}
        self._opening: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._previews: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()
        ahead = EncodeAhead(engine.predictor, self._focuses, self.metrics.encoded_ahead.inc)
        self._thread = ModelThread(ahead.step)
        self._edits = Edits(self._thread, store, self.limits, self.metrics)
        self.metrics.watch("tasks_waiting", "Tasks that wait for the model", lambda: self._thread.waiting)
        self.metrics.watch("sessions_in_memory", "Sessions in memory", lambda: len(self._live))
        self.metrics.watch("volume_bytes", "Bytes of volumes in memory", lambda: self.volumes.bytes)
        self.metrics.watch("listeners", "Open event streams", lambda: sum(self._streams.values()))
        self._closing = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="sweep", daemon=True)
        self._sweeper.start()

    def end_streams(self) -> None:
        """Tell every listener that the server ends, so that their connections close."""
        self._closing.set()
        for live in tuple(self._live.values()):
            live.channel.close()

    def close(self) -> None:
        """End after the slice in flight; what is finished is saved, what runs is offered again at the next start."""
        self.end_streams()
        self._thread.close()
        self._edits.close()
        self._sweeper.join()
        self._store.close()

    # Volumes

    def volume_rows(self, user: str) -> list[dict[str, Any]]:
        """List the volumes of a user."""
        return [describe.volume_row(each) for each in self.volumes.listed(user)]

    def volume_details(self, user: str, volume: str) -> dict[str, Any]:
        """Describe a volume; one that is no CT is read, to choose a window."""
        entry = self.volumes.entry(volume, user)
        return describe.volume_details(entry, None if entry.modality == "CT" else self.volumes.load(entry))

    def image(self, user: str, volume: str) -> tuple[int, Iterator[bytes]]:
        """Return the length and the bytes of a volume as uncompressed NIfTI."""
        loaded = self.volumes.load(self.volumes.entry(volume, user))
        return nifti_length(loaded), nifti_chunks(loaded)

    # Sessions

    def session_rows(self, user: str) -> list[dict[str, Any]]:
        """List the sessions of a user, the last changed first."""
        rows = []
        for row in self._store.sessions(user):
            live = self._live.get(row.id)
            journal = self._store.session_folder(row.id) / "journal.jsonl"
            cut_off = journal.exists() if live is None else live.interrupted is not None
            rows.append(
                {
                    "id": row.id,
                    "volume": row.volume,
                    "name": row.name,
                    "objects": row.objects,
                    "changed": row.changed,
                    "interrupted": cut_off,
                }
            )
        return rows

    def create(self, user: str, volume: str, window_hu: tuple[float, float] | None = None) -> dict[str, Any]:
        """Start a session on a volume and return its state."""
        entry = self.volumes.entry(volume, user)
        window = None if window_hu is None else Window(*window_hu)
        self._require_session(user)
        return self._begin(user, entry.id, entry.name, self.engine.open(self.volumes.load(entry), window=window))

    def import_session(self, user: str, volume: str, file: Path) -> dict[str, Any]:
        """Start a session from a session file, which may come from anywhere, and return its state."""
        entry = self.volumes.entry(volume, user)
        self._require_session(user)
        check_session_file(file, self.limits, entry.geometry)
        saved = read_session(file)
        loaded = self.volumes.load(entry)
        session = self._thread.call(lambda: self.engine.reopen(saved, loaded), Priority.WALK).result()
        return self._begin(user, entry.id, entry.name, session)

    def state(self, user: str, session: str) -> dict[str, Any]:
        """Return the state of a session."""
        return self._open(user, session).state()

    def delete_session(self, user: str, session: str) -> None:
        """Remove a session from memory and disk."""
        live = self._open(user, session)
        live.deleted = True
        for job in self._edits.cancel(live):
            _settled(job.future)
        with self._lock:
            self._live.pop(session, None)
        live.channel.close()
        self._store.delete_session(session)

    def delete_upload(self, user: str, volume: str) -> None:
        """Remove an uploaded volume of a user, with the sessions on it."""
        entry = self.volumes.entry(volume, user)
        if entry.owner != user:
            raise SessionError(f"{entry.name} was not uploaded: only uploads can be removed here.")
        for row in self._store.sessions_on(volume):
            self.delete_session(row.owner, row.id)
        self.uploads.remove(entry)

    # Looking and asking

    def view(self, user: str, session: str, plane: Plane, index: int, zoomed: Question | None = None) -> None:
        """Note what is on screen: it and what is around it is encoded ahead."""
        live = self._open(user, session)
        grid = SliceGrid.of(live.session.volume.geometry, plane)
        if not 0 <= index < grid.count:
            raise PromptError(
                f"There is no {plane} slice {index}: this volume has {grid.count}, numbered 0 to {grid.count - 1}."
            )
        edit = None if zoomed is None else self._segment_edit(live, zoomed)
        if edit is not None and edit.zoom:
            self._thread.call(lambda: self._look(live, edit, index))
        else:
            self._focus(live, grid, index, live.session.window, None)

    def preview(self, user: str, session: str, question: Question, points: Sequence[Point] = ()) -> Future[Preview]:
        """Answer a prompt, and further points, on its slice alone, as the walk will."""
        live = self._open(user, session)
        edit = self._segment_edit(live, replace(question, bounds=None))
        then = Correct(edit.name, tuple(points)) if points else None
        return self._preview(live, lambda: live.session.preview(edit, then), lambda: self._look(live, edit))

    def preview_correction(self, user: str, session: str, name: str, points: Sequence[Point]) -> Future[Preview]:
        """Answer a correction on its slice alone, as its walk will."""
        live = self._open(user, session)
        self._require_object(live, name)
        edit = Correct(name, tuple(points))
        return self._preview(live, lambda: live.session.preview(edit), lambda: None)

    def _preview(
        self, live: LiveSession, ask: Callable[[], tuple[SliceMask, ...]], then: Callable[[], None]
    ) -> Future[Preview]:
        with self._lock:
            if self._previews[live.owner] >= self.limits.previews:
                raise TooMany("Too many previews wait already. Ask for the next one when the last has come.")
            self._previews[live.owner] += 1
        asked = time.monotonic()

        def answer() -> Preview:
            masks = ask()
            then()
            return Preview(masks, time.monotonic() - asked)

        def count(done: Future[Preview]) -> None:
            with self._lock:
                self._previews[live.owner] -= 1
            if not done.cancelled() and done.exception() is None:
                self.metrics.previews.observe(done.result().seconds)

        answered = self._thread.call(answer)
        answered.add_done_callback(count)
        return answered

    # Editing

    def segment(self, user: str, session: str, question: Question) -> Job:
        """Queue a walk that starts an object, or starts it anew."""
        live = self._open(user, session)
        edit = self._segment_edit(live, question)
        grid = SliceGrid.of(live.session.volume.geometry, edit.plane)
        if edit.bounds is not None:
            edit.bounds.check(grid, slice_index(edit.prompt, grid))
        with live.lock:
            self._require_room_for(live, edit.name)
            if not live.jobs:
                live.session.check(edit)
            return self._edits.edit(live, edit.name, "segment", partial(_chosen, live, edit, question.alternative))

    def correct(self, user: str, session: str, name: str, points: Sequence[Point]) -> Job:
        """Queue a correction."""
        live = self._open(user, session)
        edit = Correct(name, tuple(points))
        for point in edit.points:
            point.check(SliceGrid.of(live.session.volume.geometry, Plane.AXIAL))
        with live.lock:
            if not live.jobs:
                self._require_object(live, name)
                live.session.check(edit)
            return self._edits.edit(live, name, "correct", lambda: edit)

    def cancel(self, user: str, session: str) -> list[str]:
        """End what runs in a session, or give up what was interrupted; return the jobs that were ended."""
        live = self._open(user, session)
        jobs = self._edits.cancel(live)
        for job in jobs:
            _settled(job.future)
        if not jobs and live.interrupted is not None:
            live.interrupted = None
            live.journal_path.unlink(missing_ok=True)
            live.publish_state()
        return [job.id for job in jobs]

    def resume(self, user: str, session: str) -> Job:
        """Do the edit again that a crash cut off."""
        live = self._open(user, session)
        with live.lock:
            if live.interrupted is None:
                raise SessionError("No edit of this session was interrupted: there is nothing to resume.")
            edit = live.interrupted.edit
            what = "segment" if isinstance(edit, Segment) else "correct"
            return self._edits.edit(live, edit.name, what, lambda: edit)

    def undo(self, user: str, session: str) -> Future[dict[str, Any]]:
        """Step back."""
        return self._edits.change(self._open(user, session), Session.undo)

    def redo(self, user: str, session: str) -> Future[dict[str, Any]]:
        """Step forward again."""
        return self._edits.change(self._open(user, session), Session.redo)

    def delete_prompt(self, user: str, session: str, number: int) -> Future[dict[str, Any]]:
        """Take back one prompt; the others are replayed."""
        return self._edits.change(self._open(user, session), lambda each: each.run_delete(number))

    def remove_object(self, user: str, session: str, name: str) -> Future[dict[str, Any]]:
        """Remove an object."""
        live = self._open(user, session)
        self._require_object(live, name)
        return self._edits.change(live, lambda each: each.remove(name), name)

    def set_overlap(self, user: str, session: str, overlap: str) -> Future[dict[str, Any]]:
        """Choose who owns a voxel that two objects claim."""
        return self._edits.change(self._open(user, session), lambda each: setattr(each, "overlap", overlap))

    def change_object(
        self,
        user: str,
        session: str,
        name: str,
        *,
        shown: dict[str, Any] | None = None,
        locked: bool | None = None,
        new_name: str | None = None,
    ) -> Future[dict[str, Any]]:
        """Change how an object is shown, and lock or rename it.

        Args:
            user: The user.
            session: The session.
            name: The object.
            shown: Its "color" and whether it is "visible".
            locked: Whether it keeps its voxels.
            new_name: Its name from now on.
        """
        live = self._open(user, session)
        known = self._require_object(live, name)
        if shown:
            live.shown[name] = live.shown.get(name, {}) | shown
            self._store.put_session(live.row)
            live.publish_state()
        lock = locked is not None and locked != known["locked"]
        rename = new_name is not None and new_name != name
        if not (lock or rename):
            done: Future[dict[str, Any]] = Future()
            done.set_result(live.state())
            return done

        def change(each: Session) -> None:
            if rename:
                each.rename(name, str(new_name))
                if name in live.shown:
                    live.shown[str(new_name)] = live.shown.pop(name)
            if lock:
                each.lock(str(new_name) if rename else name, bool(locked))

        return self._edits.change(live, change, name)

    # Looking at what is there

    def masks(self, user: str, session: str, since: int = 0) -> bytes:
        """Pack the slices of the label map that changed after a revision."""
        return self._open(user, session).book.since(since)

    def interrupted_masks(self, user: str, session: str) -> bytes:
        """Pack the slices that an interrupted edit had finished, as object 0."""
        live = self._open(user, session)
        if live.interrupted is None:
            return pack(live.book.revision, ())
        edit = live.interrupted.edit
        plane = edit.plane if isinstance(edit, Segment) else live.session.objects[edit.name].grid.plane
        slices = ((Place(0, plane, each.index), each.mask) for each in live.interrupted.answers)
        return pack(live.book.revision, slices)

    def least_sure(
        self, user: str, session: str, name: str | None = None, after: float | None = None
    ) -> dict[str, Any]:
        """Name the slice whose mask the model is least sure of.

        Args:
            user: The user.
            session: The session.
            name: The object; None looks at all of them.
            after: Slices of this score or lower were reviewed already.
        """
        live = self._open(user, session)
        if name is not None:
            self._require_object(live, name)
        spots = [
            {"plane": each["plane"], "index": int(index), "name": each["name"], "score": score}
            for each in live.state()["objects"]
            if name in (None, each["name"])
            for index, score in each["scores"].items()
            if after is None or score > after
        ]
        if not spots:
            raise NotFound("There is no slice left to review." if after is not None else "There is no object yet.")
        return min(spots, key=lambda spot: (spot["score"], spot["name"], spot["index"]))

    def export(self, user: str, session: str, file_format: str, objects: Sequence[str] | None, folder: Path) -> Export:
        """Write the label map, or the session, into a folder.

        Raises:
            NotFound: There is no such object.
            InputError: The format needs a DICOM series, and the volume is none.
        """
        live = self._open(user, session)
        for name in objects or ():
            self._require_object(live, name)
        entry = self.volumes.entry(live.volume_id, user)
        return export(live, entry, file_format, objects, folder)

    def subscribe(
        self, user: str, session: str, wake: Callable[[], None], after: str | None = None
    ) -> tuple[Subscription, Callable[[], None]]:
        """Listen to a session; returns the subscription, and what ends it."""
        live = self._open(user, session)
        with self._lock:
            if self._streams[user] >= self.limits.streams:
                raise TooMany(f"{self.limits.streams} event streams are open already. Close a window of the page.")
            self._streams[user] += 1
        subscription = live.channel.subscribe(wake, live.state, after)
        if self._closing.is_set():
            subscription.close()

        def leave() -> None:
            live.channel.leave(subscription)
            live.touch()
            with self._lock:
                self._streams[user] -= 1

        return subscription, leave

    # Inside

    def _begin(self, user: str, volume: str, name: str, session: Session) -> dict[str, Any]:
        row = SessionRow("s" + secrets.token_hex(8), user, volume, name, now(), 0, 0, {})
        folder = self._store.session_folder(row.id)
        folder.mkdir(mode=0o700)
        live = self._thread.call(
            lambda: LiveSession(row, session, folder, None, self.metrics.dropped.inc), Priority.WALK
        ).result()
        session.save(live.file)
        self._store.put_session(live.row)
        with self._lock:
            self._live[row.id] = live
        return live.state()

    def _open(self, user: str, session: str) -> LiveSession:
        """Return a session of a user, from disk where it is not in memory."""
        live = self._live.get(session)
        if live is None:
            row = self._store.session(session, user)
            if row is None:
                raise NotFound(f"There is no session {session!r}.")
            with self._lock:
                opening = self._opening.setdefault(session, threading.Lock())
            with opening:
                live = self._live.get(session) or self._reopen(row)
        if live.owner != user:
            raise NotFound(f"There is no session {session!r}.")
        live.touch()
        return live

    def _reopen(self, row: SessionRow) -> LiveSession:
        folder = self._store.session_folder(row.id)
        volume = self.volumes.load(self.volumes.entry(row.volume, row.owner))
        saved = read_session(folder / "session.radsam")
        interrupted = read_journal(folder / "journal.jsonl")
        done = saved.history.done
        if interrupted is not None and done and edit_to_json(done[-1]) == edit_to_json(interrupted.edit):
            interrupted = None  # it was saved, and the crash came before its journal was removed
        live = self._thread.call(
            lambda: LiveSession(row, self.engine.reopen(saved, volume), folder, interrupted, self.metrics.dropped.inc),
            Priority.WALK,
        ).result()
        with self._lock:
            self._live[row.id] = live
        return live

    def _segment_edit(self, live: LiveSession, question: Question) -> Segment:
        """Make the edit of a question, and refuse what does not fit the volume."""
        session, spec = live.session, self.engine.bundle.spec
        prompt = question.prompt
        grid = SliceGrid.of(session.volume.geometry, question.plane)
        prompt.check(grid)
        edit = Segment(
            name=question.name,
            prompt=prompt,
            bounds=None if question.bounds is None else Bounds(*question.bounds),
            plane=grid.plane,
            window=session.window if question.window_hu is None else Window(*question.window_hu),
            policy=question.policy or default_policy(spec),
            zoom=spec.max_zoom > 1 if question.zoom is None else question.zoom,
        )
        if isinstance(prompt, Point) and not prompt.positive:
            raise PromptError("An object starts with a positive point; negative ones correct it afterwards.")
        return edit

    def _look(self, live: LiveSession, edit: Segment, index: int | None = None) -> None:
        """Encode ahead as an edit will need it. Runs on the model's thread."""
        grid = SliceGrid.of(live.session.volume.geometry, edit.plane)
        crop = Asker(live.session.volume, self.engine.predictor, grid, edit).crop
        at = slice_index(edit.prompt, grid) if index is None else index
        self._focus(live, grid, at, edit.window, crop)

    def _focus(self, live: LiveSession, grid: SliceGrid, index: int, window: Window, crop: Any) -> None:
        def encoded(plane: str, which: int) -> None:
            live.channel.publish("encoded", {"plane": plane, "index": which})

        live.focus = Focus(live.session.volume, grid, index, window, crop, encoded)
        self._thread.wake()

    def _focuses(self) -> list[Focus]:
        return [each.focus for each in tuple(self._live.values()) if each.focus is not None]

    def _require_object(self, live: LiveSession, name: str) -> dict[str, Any]:
        objects = live.state()["objects"]
        found = next((each for each in objects if each["name"] == name), None)
        if found is None:
            known = ", ".join(each["name"] for each in objects) or "none yet"
            raise NotFound(f"There is no object {name!r} in this session; its objects: {known}.")
        return dict(found)

    def _require_session(self, user: str) -> None:
        if len(self._store.sessions(user)) >= self.limits.sessions:
            raise TooMany(f"You have {self.limits.sessions} sessions already. Delete some that are not needed.")

    def _require_room_for(self, live: LiveSession, name: str) -> None:
        names = {each["name"] for each in live.state()["objects"]} | {job.name for job in tuple(live.jobs)}
        if name not in names and len(names) >= self.limits.objects:
            raise TooMany(f"This session has {self.limits.objects} objects already. Remove some, or start another.")

    def _sweep(self) -> None:
        """Let go of sessions that nobody uses. They stay on disk."""
        while not self._closing.wait(min(30.0, self.limits.idle_seconds / 4)):
            self._expire(self.limits.idle_seconds)

    def _expire(self, idle_seconds: float) -> None:
        with self._lock:
            for name, live in tuple(self._live.items()):
                with live.lock:
                    idle = time.monotonic() - live.last_used >= idle_seconds
                    if idle and not live.jobs and not live.channel.listeners:
                        live.channel.close()
                        del self._live[name]


def _chosen(live: LiveSession, edit: Segment, alternative: int) -> Segment:
    """Turn the mask that a user chose among the model's four into the prompt. Runs on the model's thread."""
    if alternative == 0:
        return edit
    masks = live.session.preview(edit)
    if alternative >= len(masks) or not masks[alternative].mask.area:
        raise PromptError(f"The model's mask number {alternative} is empty here: choose another one.")
    grid = SliceGrid.of(live.session.volume.geometry, edit.plane)
    return replace(edit, prompt=Mask.on(grid, masks[alternative].index, masks[alternative].mask.decode()))


def _settled(future: Future[Any]) -> None:
    """Wait until a future is settled, however."""
    try:
        future.exception(timeout=60)
    except Stopped:
        return
