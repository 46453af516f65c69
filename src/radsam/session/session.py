"""One user's work on one volume: prompts in, label map out, nothing lost.

A session is its history of edits. Everything else, the masks included, follows from it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from radsam.errors import PromptError, SessionError
from radsam.io.input_files import refuse_inputs
from radsam.predictor import SliceMask, SlicePredictor, SlicePrompt
from radsam.preprocess import Window
from radsam.propagate import Record, SliceDone, StopRule
from radsam.session.capability_warnings import CapabilityWarning, ModalityWarning, capability_warnings, not_followed
from radsam.session.covered_voxels import CoveredVoxels, OverlapWarning
from radsam.session.edit import (
    Change,
    CleanUp,
    Correct,
    Delete,
    Edit,
    Lock,
    ObjectEdit,
    Overlap,
    Remove,
    Segment,
    StartEdit,
)
from radsam.session.edit_outcome import EditOutcome
from radsam.session.edit_reach import reached_slices
from radsam.session.edit_request import CorrectionRequest, RequestContext, SegmentRequest, StartFromMaskRequest
from radsam.session.hand_edits import HandEdits
from radsam.session.history import (
    History,
    edits_of,
    locks_of,
    numbered_edits_of,
    object_names,
    present_objects,
    renamed,
    require_object,
)
from radsam.session.label_map import LabelMap, LabelMapComposer
from radsam.session.label_objects import LabelObjects, id_edits
from radsam.session.object_changes import ObjectChanges
from radsam.session.object_ids import object_ids, with_edit
from radsam.session.overlap_warnings import clicks_inside_others, overlap_warnings
from radsam.session.prompt_edits import PromptEdits
from radsam.session.replay import ObjectResult, Replayer
from radsam.session.requests import ObjectRequest, request_of
from radsam.session.segmented_object import PlacedPrompt, SegmentedObject, placed_edits, started_from
from radsam.session.session_file import SessionFile
from radsam.session.stopped import SIDE_OF
from radsam.session.stopped_edit import stopped_edit
from radsam.session.user_state import ObjectEdits, prompts_of
from radsam.volume import Bounds, LabelVolume, Mask, SliceGrid, SparseMask, Volume

Progress = Callable[[SliceDone], None]


class Session(PromptEdits, HandEdits, LabelObjects, ObjectChanges):
    """Segment and correct objects in one volume.

    Args:
        volume: The volume.
        predictor: The model.
        window: The window of the model's input, in the volume's unit; None takes the model's own for the modality.
        stop_rule: Ends propagation where an object has no bounds.

    Attributes:
        volume: As given.
        predictor: As given.
        window: The session's window: requests without a window of their own use it.
        precisions: What its masks were computed in, in the order of first use; see `radsam.runtime.Precision`.
        stop_rule: As given, or the default one.
        outcome: What the last edit did; None before the first one, and after undo and redo.
    """

    def __init__(
        self,
        volume: Volume,
        predictor: SlicePredictor,
        *,
        window: Window | None = None,
        stop_rule: StopRule | None = None,
    ) -> None:
        self.volume = volume
        self.predictor = predictor
        self.stop_rule = stop_rule or StopRule()
        self.window = window or predictor.spec.window_of(volume)
        self.precisions: tuple[str, ...] = ()
        self.outcome: EditOutcome | None = None
        self._history = History()
        self._replayer = Replayer(volume, predictor, self.stop_rule)
        self._composer = LabelMapComposer(volume.geometry, volume.source, self._replayer)
        self._composed: tuple[History, LabelMap] | None = None
        #: Hash of each session file, as this session read or wrote it last.
        self._files: dict[Path, str] = {}

    # State

    @property
    def history(self) -> History:
        """Every edit in order, and how many of them are in force; the rest were undone."""
        return self._history

    @property
    def labels(self) -> LabelVolume:
        """The label map (k, j, i) of all objects on the volume's grid; an object's id is its label, 0 is background.

        It has the objects whole, too, for files that can hold them, unless an overlap policy was chosen that gives
        each voxel to one object.
        """
        return self.label_map.labels

    @property
    def covered(self) -> tuple[CoveredVoxels, ...]:
        """The voxels that the label map gives to another object than the one that lost them, for each two objects."""
        return self.label_map.covered

    @property
    def label_map(self) -> LabelMap:
        """The label map as slices: an edit composes only the slices that it changes, and `labels` makes the array."""
        if self._composed is None or self._composed[0] is not self._history:
            self._composed = self._history, self._composer.compose(self._history.done)
        return self._composed[1]

    def mask(self, name: str, *, whole: bool = False) -> Bool[np.ndarray, "k j i"]:
        """Return the voxels (k, j, i) of object `name`.

        Args:
            name: The object.
            whole: Return all of its voxels, instead of those that it has in the label map.

        Raises:
            SessionError: The object does not exist.
        """
        require_object(self._history.done, name)
        if not whole:
            return self.label_map.mask(name)
        mask = np.zeros(self.volume.geometry.shape_kji, bool)
        result = self._replayer.result(edits_of(self._history.done, name))
        for index, slice_mask in result.slice_masks.items():
            result.grid.put(mask, index, slice_mask.mask.decode())
        return mask

    def overlap_warnings(self, before: Sequence[CoveredVoxels]) -> tuple[str, ...]:
        """Return the warnings of the last edit about voxels that two objects claim.

        There is one for each object that lost more voxels to another one than `before`, a former `covered`, and one
        for clicks of the edit inside another object that keeps its voxels.
        """
        label_map = self.label_map
        if not label_map.covered or label_map.chosen is Overlap.KEEP_BOTH:
            return ()  # with `KEEP_BOTH`, no object loses a voxel
        voxels = {name: each.whole_voxels for name, each in self.objects.items()}
        edit = self._history.done[-1] if self._history.done else None
        if not isinstance(edit, ObjectEdit):
            return overlap_warnings(before, label_map, voxels, None)
        return overlap_warnings(before, label_map, voxels, edit.name) + clicks_inside_others(edit, label_map)

    @property
    def objects(self) -> dict[str, SegmentedObject]:
        """The objects by name, in the order of their first prompts."""
        return {name: self._object(name) for name in present_objects(self._history.done)}

    def _object(self, name: str) -> SegmentedObject:
        edits = numbered_edits_of(self._history.done, name)
        result, state = self._replayer.result(tuple(edits.values())), self._replayer.state(tuple(edits.values()))
        first, started = next((number, edit) for number, edit in reversed(edits.items()) if isinstance(edit, StartEdit))
        since = {number: edit for number, edit in edits.items() if number >= first}
        return SegmentedObject(
            name=name,
            id=self._number(name),
            grid=result.grid,
            slices=dict(result.slice_masks),
            low_end=result.low_end,
            high_end=result.high_end,
            locked=name in locks_of(self._history.done),
            window=(started.window.low, started.window.high),
            placed_prompts=tuple(
                PlacedPrompt(number, index, prompt)
                for number, edit in since.items()
                for prompt in prompts_of(edit)
                for index in SlicePrompt.by_slice(prompt, result.grid)
            ),
            bounds=state.bounds,
            unfollowed=result.unfollowed,
            edits=placed_edits(edits, self.volume.geometry),
            confirmed=tuple(sorted(state.confirmed)),
            start=started.edit,
            started_from=started_from(started),
            unfinished={
                end: state.unfinished[side].requested for end, side in SIDE_OF.items() if side in state.unfinished
            },
        )

    def _number(self, name: str) -> int:
        require_object(self._history.done, name)
        return object_ids(self._history.done)[name]

    @property
    def context(self) -> RequestContext:
        """The context of a request: grid, window, model, and the edits in force."""
        edits = self._history.done

        def present(name: str) -> ObjectResult:
            of_object = edits_of(edits, name)
            return replace(self._replayer.result(of_object), state=self._replayer.state(of_object))

        volume, spec = self.volume, self.predictor.spec
        return RequestContext(volume.geometry, self.window, spec, edits, volume.values, present, volume.unit)

    # Edits

    def _do(self, request: ObjectRequest, progress: Progress | None = None) -> SegmentedObject:
        edit = self.to_edit(request)
        for message in capability_warnings(edit, self.predictor.spec):
            warnings.warn(message, CapabilityWarning, stacklevel=3)  # the caller of `segment` or `correct`
        if isinstance(edit, Segment) and self.volume.modality_doubt:
            warnings.warn(self.volume.modality_doubt, ModalityWarning, stacklevel=3)
        before = self.covered
        for record in self.run(edit):
            if progress and isinstance(record, SliceDone):
                progress(record)
        done = self._object(edit.name)
        if done.unfollowed:
            warnings.warn(not_followed(edit.name, done.unfollowed), CapabilityWarning, stacklevel=3)
        for message in self.overlap_warnings(before):
            warnings.warn(message, OverlapWarning, stacklevel=3)
        return done

    def start_objects(self, requests: Sequence[StartFromMaskRequest], *, progress: Progress | None = None) -> None:
        """Start several objects from masks, all of them or none; each is an edit of its own.

        Args:
            requests: Their requests.
            progress: Called after each slice that is refined, with the number of all slices.

        Raises:
            PromptError: A mask does not fit the volume.
            SessionError: An object is locked.
            BackendError: The engine failed; the session is as before.
        """
        edits = [self.to_edit(request) for request in requests]
        for message in dict.fromkeys(each for edit in edits for each in capability_warnings(edit, self.predictor.spec)):
            warnings.warn(message, CapabilityWarning, stacklevel=3)  # the caller of `add_objects`
        before = self.covered
        for record in self.start_all(requests):
            if progress and isinstance(record, SliceDone):
                progress(record)
        for message in self.overlap_warnings(before):
            warnings.warn(message, OverlapWarning, stacklevel=3)

    def to_edit(self, request: ObjectRequest | ObjectEdit) -> ObjectEdit:
        """Return the edit of a request, and refuse a request that is not possible in this session.

        Args:
            request: The request; or an edit that was not done, as a crash leaves one behind.

        Raises:
            PromptError: As for `segment` and `correct`; or the chosen alternative mask is empty.
            SessionError: The object to correct does not exist, or is locked.
            BackendError: The engine failed; only a request with an alternative needs it.
        """
        if isinstance(request, ObjectEdit):
            request = request_of(request)
        edit = request.to_edit(self.context)
        if not (isinstance(request, SegmentRequest) and isinstance(edit, Segment) and request.alternative):
            return edit
        masks = self._replayer.preview((edit,))
        if request.alternative >= len(masks) or not masks[request.alternative].mask.area:
            raise PromptError(f"The model's mask number {request.alternative} is empty here: choose another one.")
        chosen = masks[request.alternative]
        grid = SliceGrid.of(self.volume.geometry, edit.plane)
        return replace(edit, prompt=Mask.on(grid, chosen.index, chosen.mask.decode()))

    def preview(
        self,
        request: ObjectRequest | ObjectEdit,
        then: CorrectionRequest | Correct | None = None,
    ) -> tuple[SliceMask, ...]:
        """Predict the request's own slice alone, as `run` will begin; the session stays as it is.

        Args:
            request: The prompt or correction.
            then: A correction of the same slice that would follow a prompt.

        Returns:
            The mask, and after it, where a prompt starts an object, the model's three alternatives. An edit without a
            slice of its own returns each slice that it changes by itself.

        Raises:
            PromptError: As for `segment` and `correct`.
            SessionError: The object to correct does not exist, or is locked.
            BackendError: The engine failed.
        """
        edit = self.to_edit(request)
        if not isinstance(edit, StartEdit):
            return self._replayer.preview((*edits_of(self._history.done, edit.name), edit))
        if then is None:
            return self._replayer.preview((edit,))
        if isinstance(then, Correct):
            then = CorrectionRequest(name=then.name, points=then.prompts, reach=then.reach)
        return self._replayer.preview((edit, then.to_edit(self.context.after(edit))))

    def reach(self, request: ObjectRequest | ObjectEdit) -> Bounds | None:
        """Return the first and the last slice that a correction or a stroke would change at most.

        An object without bounds may grow beyond its present ends. None of an edit without a reach.

        Raises:
            PromptError: As for `correct`.
            SessionError: The object does not exist, or is locked.
        """
        edit = self.to_edit(request)
        if isinstance(edit, StartEdit):
            return None
        edits = edits_of(self._history.done, edit.name)
        return reached_slices(edit, self._replayer.state(edits), self._replayer.result(edits).slice_masks)

    def run(self, request: ObjectRequest | Edit, *, number: int | None = None) -> Generator[Record]:
        """Carry out a request, slice by slice: the generator behind every method that changes the session.

        The edit enters the history after the last record was taken; a caller that stops earlier leaves the session
        as it was, or hands the records to `keep`. No warning is given: see `radsam.session.capability_warnings`.

        Args:
            request: The request; or an edit: a deletion, a removal, a lock, an overlap policy, or as for `to_edit`.
            number: The value in the label map of an object that the request starts, which no object has; None for the
                next free one.

        Yields:
            `SliceDone` per slice and `SideDone` per side, for a prompt, a correction or a deletion.

        Raises:
            SessionError: The session was changed meanwhile, so the edit was dropped; or as for `to_edit`.
        """
        edit: Edit
        if isinstance(request, Change):
            self.context.check(request)
            edit = request
        else:
            edit = self.to_edit(request)
        yield from self._carry_out(edit, number)

    def keep(
        self, request: ObjectRequest | ObjectEdit, records: Iterable[Record], *, number: int | None = None
    ) -> Iterator[Record]:
        """Do an edit as far as a run of it came that was stopped, by `run`'s caller or by a crash.

        Its finished slices stay, and the edit holds where it was stopped: it can be undone, corrected and saved like
        any other, and a replay gives the same masks. `ContinueRequest` computes the rest of a propagation that started
        or extended an object. Of a correction, the slices that it had not reached stay as they were.

        Args:
            request: What was run.
            records: The records that the run has yielded.
            number: As for `run`.

        Yields:
            The same records again; they are not predicted anew while the predictor remembers them.

        Raises:
            SessionError: As for `run`.
        """
        edit = self.to_edit(request)
        before = edits_of(self._history.done, edit.name)
        known = None if isinstance(edit, StartEdit) else self._replayer.state(before)
        present = () if known is None else self._replayer.result(before).slice_masks
        yield from self._carry_out(stopped_edit(edit, records, self.volume.geometry, known, present), number)

    def _carry_out(self, edit: Edit, number: int | None) -> Iterator[Record]:
        before, covered = self._history, self.covered
        history = with_edit(before, edit, number)
        if isinstance(edit, ObjectEdit):
            yield from self._replayer.replay(edits_of(history.done, edit.name))
            if isinstance(edit, CleanUp) and not self._is_filled(history, edit.name):
                raise PromptError(
                    f"This clean-up leaves nothing of {edit.name!r}, so it was not done. Take a smaller value, or "
                    "remove the object."
                )
        elif isinstance(edit, Delete) and isinstance(deleted := before.done[edit.number], ObjectEdit):
            remaining = edits_of(history.done, deleted.name)
            # Edit by edit from the start: cached edits cost nothing, and a caller may do other things in between.
            for length in range(1, len(remaining) + 1):
                yield from self._replayer.replay(remaining[:length])
        if self._history is not before:
            raise SessionError("The session was changed while this edit ran, so the edit was dropped. Do it again.")
        if isinstance(edit, ObjectEdit | Delete):
            self._note_precision()
        self._history = history
        self.outcome = self._outcome(edit, before, covered)

    def _is_filled(self, history: History, name: str) -> bool:
        """Whether an object has a voxel."""
        masks = self._replayer.result(edits_of(history.done, name)).slice_masks.values()
        return any(each.mask.area for each in masks)

    def _note_precision(self) -> None:
        self.precisions = tuple(dict.fromkeys((*self.precisions, self.predictor.backend.precision)))

    def start_all(self, requests: Sequence[StartFromMaskRequest]) -> Iterator[Record]:
        """Start several objects as `run` starts one; all of them, each as an edit of its own, or none.

        The label map is composed once, after the last one. The records count the slices of all of them.

        Raises:
            SessionError: As for `run`.
        """
        before, context = self._history, self.context
        history, refined = before, 0
        for chosen in id_edits(before.done, requests):  # all of them first, so that each undo takes an object back
            history = history.push(chosen)
        axes = [SliceGrid.of(self.volume.geometry, each.plane).axis for each in requests]
        total = sum(len(each.mask.along(axis).slices) for each, axis in zip(requests, axes, strict=True) if each.refine)
        for request in requests:
            edit = request.to_edit(context)
            context, history = context.after(edit), history.push(edit)
            for record in self._replayer.replay(edits_of(history.done, edit.name)):
                if isinstance(record, SliceDone):
                    refined += 1
                    yield replace(record, done=refined, total=total)
        if self._history is not before:
            raise SessionError("The session was changed while this edit ran, so the edit was dropped. Do it again.")
        if refined:
            self._note_precision()
        self._history, self.outcome = history, None

    def _outcome(self, edit: Edit, before: History, covered: Sequence[CoveredVoxels]) -> EditOutcome | None:
        """Say what an edit did; None of an edit of no object."""
        if isinstance(edit, Delete):
            edit = before.done[edit.number]
        if not isinstance(edit, ObjectEdit | Remove | Lock):
            return None
        was, now = (edits_of(each.done, edit.name) for each in (before, self._history))
        after = self._replayer.result(now) if now else None
        return EditOutcome.of(
            edit.name,
            self._voxels(self._replayer.result(was)) if was else None,
            self._voxels(after) if after else None,
            (covered, self.covered),
            self.label_map.reason,
            after.unfollowed if after and isinstance(edit, Correct) else (),
        )

    def _voxels(self, result: ObjectResult) -> SparseMask:
        masks = {index: each.mask for index, each in result.slice_masks.items()}
        return SparseMask(result.grid.axis, self.volume.geometry.shape_kji, masks)

    def rename(self, name: str, new_name: str) -> None:
        """Give an object another name, in all of its history; this is not an edit, and undo does not take it back.

        Raises:
            SessionError: The object does not exist, or the new name is taken.
            PromptError: The new name is empty.
        """
        require_object(self._history.done, name)
        if new_name in object_names(self._history.edits):
            raise SessionError(f"The name {new_name!r} belongs to another object; choose another name.")
        known = {
            tuple(renamed(edit, name, new_name) for edit in edits): result
            for edits, result in self.known_results().items()
        }
        edits = tuple(renamed(edit, name, new_name) for edit in self._history.edits)
        self.restore(History(edits, self._history.cursor), known)

    def _change(self, edit: Change) -> None:
        before = self.covered
        for _ in self.run(edit):
            pass
        for message in self.overlap_warnings(before):
            warnings.warn(message, OverlapWarning, stacklevel=3)  # the caller of `delete`, `remove`, `lock`, `overlap`

    def undo(self) -> None:
        """Undo the last edit.

        Raises:
            SessionError: There is nothing to undo.
        """
        self._history, self.outcome = self._history.undo(), None

    def redo(self) -> None:
        """Redo the edit that was undone last.

        Raises:
            SessionError: There is nothing to redo.
        """
        self._history, self.outcome = self._history.redo(), None

    def save(self, path: str | Path) -> None:
        """Write the session to one file (see `radsam.session.session_file`), whole or not at all.

        The file that the session was opened from or saved to is replaced only if no other program has changed it
        since.

        Raises:
            OutputError: The file cannot be written, or is one that the volume was read from.
            SessionError: Another program has changed the file.
        """
        if self.volume.source:
            refuse_inputs([Path(path)], [Path(self.volume.source)])
        saved = SessionFile.of(
            self.volume,
            self.predictor,
            self.window,
            self.stop_rule,
            self._history,
            self.known_results(),
            self.precisions,
        )
        target = Path(path).resolve()
        self._files[target] = saved.write(target, self._files.get(target))

    def opened_from(self, saved: SessionFile) -> None:
        """Note that the session is the content of a session file: `save` then replaces this content only."""
        if saved.path is not None:
            self._files[saved.path] = saved.file_sha256

    def restore(self, history: History, known: dict[ObjectEdits, ObjectResult]) -> None:
        """Replace the history by a stored one, with the masks after its edits."""
        for edits, result in known.items():
            self._replayer.add_to_cache(edits, result)
        self._history, self.outcome = history, None

    def known_results(self) -> dict[ObjectEdits, ObjectResult]:
        """Return the masks after every edit of every object's history, undone edits included."""
        edits = self._history.edits
        known: dict[ObjectEdits, ObjectResult] = {}
        for length, last in enumerate(edits, start=1):  # in order: a file holds a result by what its last edit changed
            edit = edits[last.number] if isinstance(last, Delete) else last
            if isinstance(edit, ObjectEdit):
                of_object = edits_of(edits[:length], edit.name)
                if of_object in self._replayer.cache:
                    known[of_object] = self._replayer.cache[of_object]
        return known
