"""The service: everything that the server can do, without HTTP.

Every method takes the user first and gives access to that user's sessions and volumes only. Methods that need the
model return a future, since one thread runs the model. Protocols (`routes_*.py`, nnInteractive, MONAI Label) are thin
layers on it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from radsam.errors import PromptError, SessionError
from radsam.io.nifti_stream import nifti_chunks, nifti_length
from radsam.io.pacs.pacs_address import PacsAddress
from radsam.preprocess import Window
from radsam.project.project import Project
from radsam.propagate import Record
from radsam.server import state_json
from radsam.server.display_windows import SOFT_TISSUE, DisplayWindows
from radsam.server.edit_queue import EditQueue
from radsam.server.encode_ahead import EncodeAhead
from radsam.server.event_channel import Subscription
from radsam.server.learner_supervisor import LearnerSupervisor
from radsam.server.live_session import Job, LiveSession
from radsam.server.mask_revisions import SliceKey, pack
from radsam.server.mask_uploads import look_into_masks, read_masks
from radsam.server.measurement_store import MeasurementStore
from radsam.server.model_thread import ModelThread
from radsam.server.pacs_service import PacsService
from radsam.server.preview_service import Preview, PreviewService
from radsam.server.project_service import ProjectService
from radsam.server.result_export import ExportedFile, export_result
from radsam.server.server_errors import BusyError, NotFoundError, TooManyError
from radsam.server.server_limits import Limits
from radsam.server.server_metrics import ServerMetrics
from radsam.server.server_store import ServerStore
from radsam.server.session_registry import SessionRegistry, follow_modality
from radsam.server.statistics_service import StatisticsService
from radsam.server.thumbnails import Thumbnails
from radsam.server.uploads import Uploads, check_session_file, display_name
from radsam.server.volume_registry import VolumeRegistry
from radsam.server.voxel_blocks import CoarseCopies
from radsam.session import Engine, Session, read_session
from radsam.session.edit import Change, Remove, Segment, SetId, StartEdit
from radsam.session.edit_request import CorrectionRequest, SegmentRequest, StartFromMaskRequest
from radsam.session.hand_request import PaintRequest, without_slices
from radsam.session.label_objects import label_requests
from radsam.session.label_set import LabelSet, with_set_values
from radsam.session.prompt_json import prompt_to_json
from radsam.session.requests import ObjectRequest, request_of
from radsam.volume import Modality, ModalitySource, Plane, SliceGrid, Volume, slice_index
from radsam.volume.object_colours import hex_of

#: Sessions that were not used for this time are closed if a volume needs the memory: no request is using them.
_ROOM_SECONDS = 15.0
#: Pause after the last task before slices are encoded ahead.
_QUIET_SECONDS = 0.7


class Service:
    """Volumes, sessions and one model for several users.

    Args:
        engine: The model.
        store: The folder of sessions and uploads.
        given: Volumes from the command line.
        data: Folders whose volumes are listed.
        limits: Limits in memory, disk and time.
        named_by_path: Whether session files may store the path of a volume: yes if every user works on this computer.
        label_set: Names with fixed values and colours.
        show_patient: Whether listings show patient and study of DICOM volumes.
        pacs: The PACS to search, to retrieve from and to send results to.
        modality: What the volumes are, as for `VolumeRegistry`.
        project: A project of many cases, whose label set applies; it is closed with the service.
        learner: Runs its learning process; None starts one.
        model: The bundle that the engine was loaded from, for learning; None for the default one.

    Raises:
        VolumeError: A given volume cannot be read.
    """

    def __init__(
        self,
        engine: Engine,
        store: ServerStore,
        *,
        given: Sequence[Path] = (),
        data: Sequence[Path] = (),
        limits: Limits | None = None,
        named_by_path: bool = True,
        label_set: LabelSet | None = None,
        show_patient: bool = False,
        pacs: PacsAddress | None = None,
        modality: Modality | None = None,
        project: Project | None = None,
        learner: LearnerSupervisor | None = None,
        model: str | None = None,
    ) -> None:
        label_set = label_set if project is None else project.labels
        self.engine = engine
        self.limits = limits or Limits()
        self.metrics = ServerMetrics()
        self._store = store
        #: The folder of sessions, uploads and saved labels.
        self.folder = store.folder
        self.volumes = VolumeRegistry(
            list(given),
            list(data),
            store,
            self.limits,
            named_by_path=named_by_path,
            show_patient=show_patient,
            modality=modality,
        )
        self.display_windows = DisplayWindows(engine)
        self.thumbnails = Thumbnails(self.volumes, self.display_windows, store.folder / "thumbnails")
        self.uploads = Uploads(store, self.volumes, self.limits)
        self.pacs = None if pacs is None else PacsService(pacs, self.uploads, self.limits)
        self.coarse_copies = CoarseCopies()
        self.measurements = MeasurementStore(store, self.volumes)
        self.statistics = StatisticsService(self._open)
        self._lock = threading.Lock()
        self._streams: Counter[str] = Counter()
        ahead = EncodeAhead(lambda: self._previews.slices_in_view, self.metrics.encoded_ahead.inc)
        self._thread = ModelThread(ahead.step, _QUIET_SECONDS)
        self._edits = EditQueue(self._thread, store, self.limits, self.metrics)
        self._sessions = SessionRegistry(
            engine, self._thread, store, self.volumes, self.limits, self.metrics, label_set
        )
        self.label_set = label_set
        self._previews = PreviewService(self._thread, lambda: self._sessions.live, self.limits, self.metrics)
        self.volumes.in_use = self._sessions.volumes_in_use
        self.volumes.make_room = lambda: self._sessions.expire(_ROOM_SECONDS)
        self.project = None
        if project is not None:
            self.project = ProjectService(
                project,
                volumes=self.volumes,
                sessions=self._sessions,
                store=store,
                engine=engine,
                thread=self._thread,
                delete=self.delete_session,
                learner=learner,
                model=model,
            )
            self._edits.on_saved = self.project.work.on_saved
        self.metrics.watch("tasks_waiting", "Tasks that wait for the model", lambda: self._thread.waiting)
        self.metrics.watch("sessions_in_memory", "Sessions in memory", lambda: len(self._sessions.live))
        self.metrics.watch("volume_bytes", "Bytes of volumes in memory", lambda: self.volumes.bytes)
        self.metrics.watch("listeners", "Open event streams", lambda: sum(self._streams.values()))

    def end_streams(self) -> None:
        """Close all event streams: the server is stopping."""
        self._sessions.end()

    def close(self) -> None:
        """Stop after the current slice. Finished edits are saved; the next start offers to resume a running one."""
        self.end_streams()
        if self.pacs is not None:
            self.pacs.close()
        self._thread.close()
        self._edits.close()
        self._sessions.close()
        if self.project is not None:
            self.project.close()
        self._store.close()

    # Volumes

    def volume_rows(self, user: str) -> list[dict[str, Any]]:
        """List the volumes of a user."""
        return [state_json.volume_row(each) for each in self.volumes.listed(user)]

    def volume_details(self, user: str, volume: str) -> dict[str, Any]:
        """Describe a volume. It is read, unless it is sure to be a CT: for its modality and its display window."""
        entry = self.volumes.entry(volume, user)
        if entry.is_dicom and (entry.modality, entry.modality_source) == ("CT", "header"):
            return state_json.volume_details(entry, SOFT_TISSUE)
        window = self.display_windows.of(self.volumes.load(entry))
        return state_json.volume_details(self.volumes.entry(volume, user), window)

    def set_modality(self, user: str, volume: str, modality: Modality) -> dict[str, Any]:
        """Take a volume for what a user says that it is, for all of its users and from now on; describe it.

        Sessions on it follow once their edits are done: objects keep their masks and windows, new ones are seen as
        the model sees the modality.
        """
        entry = self.volumes.entry(volume, user)
        self.volumes.set_modality(entry, modality)
        loaded = self.volumes.load(entry)
        for live in self._sessions.live:
            if live.volume_id == volume:
                with suppress(TooManyError):  # it follows when it is opened again
                    self._edits.change_after_edits(live, partial(self._follow, live, loaded))
        return self.volume_details(user, volume)

    def _follow(self, live: LiveSession, volume: Volume, session: Session) -> None:
        """Take the volume of a session for what a user says that it is. Runs on the model's thread."""
        live.session = follow_modality(self.engine, session, volume, live.file)
        live.in_view, live.encoded = None, {}

    def image(self, user: str, volume: str) -> tuple[int, Iterator[bytes]]:
        """Return length and chunks of a volume as uncompressed NIfTI."""
        loaded = self.volumes.load(self.volumes.entry(volume, user))
        return nifti_length(loaded), nifti_chunks(loaded)

    def add_upload(self, user: str, name: str, volume: Volume) -> str:
        """Save a volume as an upload of a user; return its id.

        Raises:
            TooLargeError: The volume is too large, alone or with the user's other uploads.
        """
        with self.uploads.receive(user, name, nifti_length(volume)) as incoming:
            for chunk in nifti_chunks(volume):
                incoming.write(chunk)
            return self.uploads.register(user, name, incoming).id

    # Sessions

    def session_rows(self, user: str) -> list[dict[str, Any]]:
        """List the sessions of a user, the latest change first."""
        return self._sessions.rows(user)

    def create(self, user: str, volume: str, window: Window | None = None) -> dict[str, Any]:
        """Start a session on a volume and return its state."""
        entry = self.volumes.entry(volume, user)
        loaded = self.volumes.load(entry)
        return self._sessions.begin(user, entry, lambda: self.engine.open(loaded, window=window)).state()

    def import_session(self, user: str, volume: str, file: Path) -> dict[str, Any]:
        """Start a session from a session file, from any source, and return its state."""
        entry = self.volumes.entry(volume, user)
        check_session_file(file, self.limits, entry.geometry)
        saved = read_session(file)
        loaded = self.volumes.load(entry)
        saved.check_volume(loaded)
        if saved.modality_given and loaded.modality_source is ModalitySource.VALUES:  # what its user knew, not a guess
            self.volumes.set_modality(entry, saved.modality)
            loaded = self.volumes.load(entry)
        return self._sessions.begin(user, entry, lambda: self.engine.reopen(saved, loaded)).state()

    def state(self, user: str, session: str) -> dict[str, Any]:
        """Return the state of a session."""
        return self._open(user, session).state()

    def delete_session(self, user: str, session: str) -> None:
        """Remove a session from memory and disk."""
        self._sessions.delete(user, session, self._end)

    def upload_rows(self, user: str) -> list[dict[str, Any]]:
        """List the uploads of a user, also those whose files can no longer be read."""
        return [state_json.upload_row(each) for each in self.uploads.listed(user)]

    def delete_volume(self, user: str, volume: str) -> None:
        """Remove the upload that a volume of a user belongs to, with all its series and the sessions on them."""
        entry = self.volumes.entry(volume, user)
        if entry.owner != user:
            raise SessionError(f"{entry.name} was not uploaded; only uploads can be removed here.")
        self.delete_upload(user, entry.upload)

    def delete_upload(self, user: str, upload: str) -> None:
        """Remove an upload of a user, with all its series and the sessions on them."""
        known = next((each for each in self.uploads.listed(user) if each.row.id == upload), None)
        if known is None:
            raise NotFoundError(f"There is no upload {upload!r}. It may have been deleted; list the uploads again.")
        for volume in known.volumes:
            for row in self._store.sessions_on(volume.id):
                self.delete_session(row.owner, row.id)
            self.thumbnails.remove(volume)
        self.uploads.remove(known)

    # Previews

    def view(
        self, user: str, session: str, plane: Plane, index: int, zoom_request: SegmentRequest | None = None
    ) -> None:
        """Set the slice in view: it and the slices around it are encoded ahead, cropped as a request will crop them."""
        self._previews.view(self._open(user, session), plane, index, zoom_request)

    def preview(
        self,
        user: str,
        session: str,
        request: ObjectRequest,
        then: CorrectionRequest | None = None,
    ) -> Future[Preview]:
        """Predict the slice of a request as its propagation will, after a further correction if `then` is given.

        Of an edit by hand, the slices that it changes by itself; the model predicts nothing.
        """
        live = self._open(user, session)
        self._check(live, request, now=True)
        return self._previews.preview(live, request, then)

    # Edits

    def edit(self, user: str, session: str, request: ObjectRequest) -> Job:
        """Queue an edit of an object."""
        live = self._open(user, session)
        with live.lock:
            self._check(live, request, now=not live.jobs)
            if isinstance(request, SegmentRequest | StartFromMaskRequest) or _starts_by_hand(request):
                self._require_room_for(live, request.name)
            return self._edits.edit(live, request)

    def delete_slices(self, user: str, session: str, name: str, slices: Sequence[int]) -> Job:
        """Queue the deletion of an object's mask on slices of its plane, which erases them by hand."""
        live = self._open(user, session)
        plane = Plane(self._require_object(live, name)["plane"])
        return self.edit(user, session, without_slices(name, slices, live.session.volume.geometry, plane))

    def look_into_masks(self, user: str, session: str, file: Path, filename: str) -> dict[str, Any]:
        """Describe the objects of a mask file; nothing is opened.

        Raises:
            InputError: The file cannot be read, or does not lie in the volume.
        """
        live = self._open(user, session)
        found = look_into_masks(file, display_name(filename), live.session.volume, self.uploads.check_image)
        return state_json.mask_contents(found, self.label_set)

    def add_objects(
        self,
        user: str,
        session: str,
        file: Path,
        filename: str,
        *,
        names: Sequence[str] = (),
        resample: bool = False,
        chosen: Sequence[tuple[str, str]] = (),
    ) -> tuple[Future[dict[str, Any]], tuple[str, ...]]:
        """Add the objects of a mask file as they are; each is an edit.

        Args:
            user: The user.
            session: The session.
            file: The received file.
            filename: Its name.
            names: The objects to add, by name or number; all if empty.
            resample: Whether to resample another grid onto the volume's.
            chosen: The objects to add, each by its name in `look_into_masks` and with its name in the session.

        Returns:
            The state afterwards, and notes about the file.

        Raises:
            InputError: The file cannot be read, lies on another grid, or holds no object or one of a taken name.
            TooManyError: The session would have too many objects.
        """
        live, shown = self._open(user, session), display_name(filename)
        volume = live.session.volume
        found = read_masks(file, shown, volume, self.uploads.check_image, names=names, resample=resample)
        if chosen:
            found = found.choose(chosen, shown)
        labels = found.labels
        present = [each["name"] for each in live.state()["objects"]]
        requests = label_requests(labels, volume.geometry, present, what=shown)
        colours = {each.name: hex_of(labels.colours[each.label]) for each in requests if each.label in labels.colours}
        if self.label_set is not None:
            requests = with_set_values(requests, self.label_set, live.session.history.done)
            colours = {name: each for name, each in colours.items() if name not in self.label_set.colours}
        if len(present) + len(requests) > self.limits.objects:
            raise TooManyError(f"A session may have {self.limits.objects} objects; this file has {len(requests)} more.")

        def start(each: Session) -> Iterator[Record]:
            yield from each.start_all(requests)
            for name, colour in colours.items():
                live.shown[name] = live.shown.get(name, {}) | {"color": colour}

        return self._edits.change(live, start), found.every_note

    def change(self, user: str, session: str, edit: Change) -> Future[dict[str, Any]]:
        """Delete a prompt, remove an object, or set the overlap policy or the priority order."""
        live = self._open(user, session)
        name = edit.name if isinstance(edit, Remove) else ""
        if name:
            self._require_object(live, name)
        return self._edits.change(live, lambda each: each.run(edit), name)

    def cancel(self, user: str, session: str, *, keep: bool = False) -> dict[str, Any]:
        """Cancel the edits of a session, or give up an interrupted one; return the state.

        Args:
            user: The user.
            session: The session.
            keep: Whether to keep what is done of the running or interrupted edit, as an edit; those that wait are
                cancelled.

        Raises:
            RadsamError: What is done could not be kept, as for the edit itself.
        """
        live = self._open(user, session)
        if keep:
            self._keep(live)
        elif not self._end(live) and live.interrupted is not None:
            live.interrupted = None
            live.journal_path.unlink(missing_ok=True)
            live.publish_state()
        return live.state()

    def _keep(self, live: LiveSession) -> None:
        jobs = self._edits.cancel(live, keep=True)
        with live.lock:
            if not jobs and (interrupted := live.resumable) is not None:
                jobs = [self._edits.keep_interrupted(live, interrupted)]
        for job in jobs:
            _wait(job.future)
        errors = [job.future.exception() for job in jobs if job.keep and job.future.done()]
        for error in errors:
            if error is not None:
                raise error

    def resume(self, user: str, session: str) -> Job:
        """Queue the edit again that a crash interrupted."""
        live = self._open(user, session)
        with live.lock:
            interrupted = live.resumable
            if interrupted is None:
                raise SessionError("No edit of this session was interrupted: there is nothing to resume.")
            if live.jobs:
                raise BusyError("An edit of this session runs or waits. Wait until it is done.")
            return self._edits.edit(live, request_of(interrupted.edit))

    def undo(self, user: str, session: str) -> Future[dict[str, Any]]:
        """Undo the last edit."""
        return self._edits.change(self._open(user, session), Session.undo)

    def redo(self, user: str, session: str) -> Future[dict[str, Any]]:
        """Redo the last undone edit."""
        return self._edits.change(self._open(user, session), Session.redo)

    def change_object(
        self,
        user: str,
        session: str,
        name: str,
        *,
        shown: dict[str, Any] | None = None,
        locked: bool | None = None,
        new_name: str | None = None,
        new_id: int | None = None,
    ) -> Future[dict[str, Any]]:
        """Change how an object is shown, lock or rename it, and change its value in the label map.

        Args:
            user: The user.
            session: The session.
            name: The object.
            shown: Its new "color" and "visible", if they change.
            locked: Whether later edits leave its voxels alone; None leaves the lock as it is.
            new_name: Its new name; None leaves the name as it is.
            new_id: Its new value in the label map; None leaves the value as it is.
        """
        live = self._open(user, session)
        known = self._require_object(live, name)
        if shown:
            live.shown[name] = live.shown.get(name, {}) | shown
            self._store.put_session(live.row)
            live.publish_state()
        lock = locked is not None and locked != known["locked"]
        rename = new_name is not None and new_name != name
        number = new_id is not None and new_id != known["id"]
        if not (lock or rename or number):
            done: Future[dict[str, Any]] = Future()
            done.set_result(live.state())
            return done

        def change(each: Session) -> None:
            if number:
                each.context.check(SetId(name, int(new_id or 0)))  # before the rest: both or none
            if rename:
                each.rename(name, str(new_name))
                if name in live.shown:
                    live.shown[str(new_name)] = live.shown.pop(name)
                live.rename_interrupted(name, str(new_name))
            now = str(new_name) if rename else name
            if number:
                each.set_id(now, int(new_id or 0))
            elif rename and self.label_set and (own := self.label_set.value_of(now, each.history.done)) is not None:
                each.set_id(now, own)
            if lock:
                each.lock(now, bool(locked))

        return self._edits.change(live, change, name)

    # Masks, review and export

    def masks(self, user: str, session: str, since: int = 0) -> bytes:
        """Pack the slices of the label map that changed after a revision."""
        return self._open(user, session).masks.since(since)

    def object_mask(self, user: str, session: str, name: str) -> Future[Bool[np.ndarray, "k j i"]]:
        """Return an object's voxels before overlaps are resolved; all False if it does not exist."""
        live = self._open(user, session)

        def decode() -> Bool[np.ndarray, "k j i"]:
            if name not in live.session.objects:
                return np.zeros(live.session.volume.geometry.shape_kji, bool)
            return live.session.mask(name, whole=True)

        return self._thread.call(decode)

    def interrupted_masks(self, user: str, session: str) -> bytes:
        """Pack the finished slices of an interrupted edit, as object 0."""
        live = self._open(user, session)
        interrupted = live.resumable
        if interrupted is None:
            return pack(live.masks.revision, ())
        edit = interrupted.edit
        known = {each["name"]: each["plane"] for each in live.state()["objects"]}
        if not isinstance(edit, StartEdit) and edit.name not in known:
            return pack(live.masks.revision, ())
        plane = edit.plane if isinstance(edit, StartEdit) else Plane(known[edit.name])
        slices = ((SliceKey(0, plane, each.index), each.mask) for each in interrupted.slice_masks)
        return pack(live.masks.revision, slices)

    def start_of(self, user: str, session: str, name: str) -> Future[dict[str, Any]]:
        """Return the prompt that started an object last, its plane, slice and bounds, as JSON values.

        Raises:
            NotFoundError: The object does not exist.
            SessionError: It was started from a mask of the whole object, or by hand.
        """
        live = self._open(user, session)
        self._require_object(live, name)

        def read() -> dict[str, Any]:
            edit = live.session.context.started(name)
            if not isinstance(edit, Segment):
                raise SessionError(f"{name!r} was started from a mask, not from a prompt on one slice.")
            grid = SliceGrid.of(live.session.volume.geometry, edit.plane)
            bounds = None if edit.bounds is None else [edit.bounds.low, edit.bounds.high]
            index = slice_index(edit.prompt, grid)
            return {
                "plane": edit.plane.value, "index": index, "prompt": prompt_to_json(edit.prompt), "bounds": bounds
            }  # fmt: skip

        return self._thread.call(read)

    def slice_to_review(
        self, user: str, session: str, name: str | None = None, after: str | None = None
    ) -> dict[str, Any]:
        """Return the slice with the lowest expected Dice.

        Args:
            user: The user.
            session: The session.
            name: The object; None means all objects.
            after: The cursor of the previous slice to review: that slice and those before it are left out.

        Raises:
            NotFoundError: There is no object, or no slice left.
            PromptError: The cursor is malformed.
        """
        live = self._open(user, session)
        if name is not None:
            self._require_object(live, name)
        slices = sorted(
            (score, int(index), each["name"], each["plane"])
            for each in live.state()["objects"]
            if name in (None, each["name"])
            for index, score in each["expected_dice"].items()
        )
        if after is not None:
            reviewed = _read_cursor(after)
            slices = [each for each in slices if each[:3] > reviewed]
        if not slices:
            raise NotFoundError("There is no slice left to review." if after is not None else "There is no object yet.")
        score, index, found, plane = slices[0]
        return {"plane": plane, "index": index, "name": found, "score": score, "cursor": f"{score}:{index}:{found}"}

    def export(
        self,
        user: str,
        session: str,
        file_format: str,
        objects: Sequence[str] | None,
        folder: Path,
        *,
        legend: bool = False,
    ) -> ExportedFile:
        """Export the label map, or the session, into a folder; `legend` puts a NIfTI file into a zip with its names.

        Raises:
            NotFoundError: The object does not exist.
            InputError: The format needs a DICOM series, and the volume is not one, or it takes no legend.
        """
        live = self._open(user, session)
        for name in objects or ():
            self._require_object(live, name)
        entry = self.volumes.entry(live.volume_id, user)
        return export_result(live, entry, file_format, objects, folder, legend=legend)

    def subscribe(
        self, user: str, session: str, wake: Callable[[], None], after: str | None = None
    ) -> tuple[Subscription, Callable[[], None]]:
        """Subscribe to the events of a session; return the subscription and a function that ends it."""
        live = self._open(user, session)
        with self._lock:
            if self._streams[user] >= self.limits.streams:
                raise TooManyError(
                    f"{self.limits.streams} event streams are open, the limit. Close a window of the page."
                )
            self._streams[user] += 1
        subscription = live.channel.subscribe(wake, live.state, after)
        if self._sessions.ending:
            subscription.close()

        def leave() -> None:
            live.channel.leave(subscription)
            live.touch()
            with self._lock:
                self._streams[user] -= 1

        return subscription, leave

    def _end(self, live: LiveSession) -> bool:
        """Cancel all edits of a session; return whether there were any."""
        jobs = self._edits.cancel(live)
        for job in jobs:
            _wait(job.future)
        return bool(jobs)

    def _open(self, user: str, session: str) -> LiveSession:
        return self._sessions.open(user, session)

    def _check(self, live: LiveSession, request: ObjectRequest, *, now: bool) -> None:
        """Refuse a request that does not fit the volume or, if no edit waits before it, the session."""
        request.check(live.session.volume.geometry)
        if now:
            if not (isinstance(request, SegmentRequest | StartFromMaskRequest) or _starts_by_hand(request)):
                self._require_object(live, request.name)
            request.to_edit(live.session.context)

    def _require_object(self, live: LiveSession, name: str) -> dict[str, Any]:
        objects = live.state()["objects"]
        found = next((each for each in objects if each["name"] == name), None)
        if found is None:
            known = ", ".join(each["name"] for each in objects) or "none yet"
            raise NotFoundError(f"There is no object {name!r} in this session; its objects: {known}.")
        return dict(found)

    def _require_room_for(self, live: LiveSession, name: str) -> None:
        names = {each["name"] for each in live.state()["objects"]} | {job.name for job in tuple(live.jobs)}
        if name not in names and len(names) >= self.limits.objects:
            raise TooManyError(
                f"This session has {self.limits.objects} objects already. Remove some, or start another."
            )


def _read_cursor(cursor: str) -> tuple[float, int, str]:
    score, _, rest = cursor.partition(":")
    index, _, name = rest.partition(":")
    try:
        return float(score), int(index), name
    except ValueError:
        raise PromptError(
            f"The cursor {cursor!r} is malformed: give the cursor of the previous response, such as 0.8482:16:liver."
        ) from None


def _wait(future: Future[Any]) -> None:
    """Wait until a future has a result or an error, at most a minute: a slice may take long."""
    with suppress(TimeoutError):
        future.exception(timeout=60)


def _starts_by_hand(request: ObjectRequest) -> bool:
    return isinstance(request, PaintRequest) and request.positive
