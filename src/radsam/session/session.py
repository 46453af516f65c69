"""One user's work on one volume: prompts in, label map out, nothing lost.

A session is its history of edits. Everything else, the masks included, follows from it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from radsam.errors import PromptError, SessionError
from radsam.predictor import SliceMask, SlicePredictor
from radsam.preprocess import Window
from radsam.propagate import POLICIES, Record, SliceDone, StopRule, default_policy
from radsam.session.capability_warnings import CapabilityWarning, capability_warnings, not_followed
from radsam.session.compose import compose, locked_objects, present_objects
from radsam.session.edit import Correct, Delete, Lock, Overlap, Remove, Segment, SetOverlap
from radsam.session.history import History, edits_of, numbered_edits_of, object_names, renamed
from radsam.session.replay import ObjectResult, Replayer
from radsam.session.segmented_object import PlacedPrompt, SegmentedObject
from radsam.volume import Bounds, LabelVolume, Plane, Point, Prompt, SliceGrid, Volume, slice_index

Progress = Callable[[SliceDone], None]


def require_window(volume: Volume, window: object | None) -> None:
    """Refuse a volume that is not a CT without a window of its own.

    Raises:
        PromptError: It is not a CT, and no window was given.
    """
    if window is None and volume.modality != "CT":
        raise PromptError(
            f"The modality of this volume is {volume.modality}: its values are not Hounsfield units, so the model's "
            "window does not fit. Give a window in the volume's own units that shows the object well (--window LO HI)."
        )


class Session:
    """Segment and correct objects in one volume.

    Args:
        volume: The CT.
        predictor: The model.
        window: What the model sees; None takes the model's own, which fits CT only.
        stop_rule: Ends walks without bounds.

    Raises:
        PromptError: The volume is not a CT and no window was given.
    """

    def __init__(
        self,
        volume: Volume,
        predictor: SlicePredictor,
        *,
        window: Window | None = None,
        stop_rule: StopRule | None = None,
    ) -> None:
        require_window(volume, window)
        self.volume = volume
        self.predictor = predictor
        self.stop_rule = stop_rule or StopRule()
        self.window = window or Window(*predictor.spec.window_hu)
        self._history = History()
        self._replayer = Replayer(volume, predictor, self.stop_rule)
        self._composed: tuple[History, LabelVolume] | None = None

    # What is there

    @property
    def history(self) -> History:
        """Every edit, and how many of them are in force."""
        return self._history

    @property
    def labels(self) -> LabelVolume:
        """The label map of all objects on the volume's grid."""
        if self._composed is None or self._composed[0] is not self._history:
            edits = self._history.done
            names = {object_names(edits).index(name) + 1: name for name in present_objects(edits)}
            ids = compose(edits, self.volume.geometry, self._replayer)
            self._composed = self._history, LabelVolume(ids, self.volume.geometry, names)
        return self._composed[1]

    def mask(self, name: str) -> Bool[np.ndarray, "k j i"]:
        """Return the voxels that object `name` owns in the label map.

        Raises:
            SessionError: There is no such object.
        """
        number = self._number(name)
        return np.asarray(self.labels.ids == number)

    @property
    def objects(self) -> dict[str, SegmentedObject]:
        """The objects by name, in order of their ids."""
        return {name: self._object(name) for name in present_objects(self._history.done)}

    def _object(self, name: str) -> SegmentedObject:
        edits = numbered_edits_of(self._history.done, name)
        result = self._replayer.result(tuple(edits.values()))
        first, started = next((number, edit) for number, edit in reversed(edits.items()) if isinstance(edit, Segment))
        return SegmentedObject(
            name=name,
            id=self._number(name),
            grid=result.grid,
            slices=dict(result.slice_masks),
            low_end=result.low_end,
            high_end=result.high_end,
            locked=name in locked_objects(self._history.done),
            window_hu=(started.window.low_hu, started.window.high_hu),
            placed_prompts=tuple(
                PlacedPrompt(number, slice_index(prompt, result.grid), prompt)
                for number, edit in edits.items()
                if number >= first
                for prompt in ((edit.prompt,) if isinstance(edit, Segment) else edit.points)
            ),
            bounds=started.bounds,
            painted=result.painted,
        )

    def _number(self, name: str) -> int:
        present = present_objects(self._history.done)
        if name not in present:
            known = ", ".join(present) or "none yet"
            raise SessionError(f"There is no object {name!r} in this session; its objects: {known}.")
        return object_names(self._history.done).index(name) + 1

    # What a user does

    def segment(
        self,
        prompt: Prompt,
        *,
        bounds: Bounds | tuple[int, int] | None = None,
        name: str = "object",
        plane: Plane | str = Plane.AXIAL,
        window: Window | tuple[float, float] | None = None,
        policy: str | None = None,
        zoom: bool | None = None,
        progress: Progress | None = None,
    ) -> SegmentedObject:
        """Segment an object from one prompt on one slice (paper 4.1).

        Args:
            prompt: Box, point or mask, in voxels of the volume as stored.
            bounds: First and last slice of the object; without them the stop rule finds its ends.
            name: The object; an existing one is started anew.
            plane: The plane to walk in.
            window: What the model sees, if other than the session's.
            policy: "mask", "box", "point" or "copy"; None takes what the model was trained for.
            zoom: Look at a crop around the object, which shows small ones better, instead of whole
                slices; None does where the model was trained for it.
            progress: Called after each slice.

        Returns:
            The object as it stands now.

        Raises:
            PromptError: The prompt or the bounds do not fit the volume, or the model found nothing.
            SessionError: The object is locked.
            BackendError: The engine failed; the session is as before.
        """
        edit = Segment(
            name=name,
            prompt=prompt,
            bounds=Bounds(*bounds) if isinstance(bounds, tuple) else bounds,
            plane=SliceGrid.of(self.volume.geometry, plane).plane,
            window=(Window(*window) if isinstance(window, tuple) else window) or self.window,
            policy=policy or default_policy(self.predictor.spec),
            zoom=self.predictor.spec.max_zoom > 1 if zoom is None else zoom,
        )
        return self._do(edit, progress)

    def correct(self, *points: Point, name: str = "object", progress: Progress | None = None) -> SegmentedObject:
        """Correct an object with points on one slice, and propagate from there (paper 4.2).

        Args:
            points: Positive or negative points, all on one slice.
            name: The object.
            progress: Called after each slice.

        Returns:
            The object as it stands now.

        Raises:
            PromptError: A point lies outside the volume or the object's bounds, or the points lie
                on several slices.
            SessionError: There is no such object, or it is locked.
            BackendError: The engine failed; the session is as before.
        """
        return self._do(Correct(name, points), progress)

    def _do(self, edit: Segment | Correct, progress: Progress | None) -> SegmentedObject:
        self.check(edit)
        for message in capability_warnings(edit, self.predictor.spec):
            warnings.warn(message, CapabilityWarning, stacklevel=3)  # whoever called `segment` or `correct`
        for record in self.run(edit):
            if progress and isinstance(record, SliceDone):
                progress(record)
        if isinstance(edit, Correct) and self._object(edit.name).painted:
            warnings.warn(not_followed(edit.name), CapabilityWarning, stacklevel=3)
        return self._object(edit.name)

    def preview(self, edit: Segment | Correct, then: Correct | None = None) -> tuple[SliceMask, ...]:
        """Answer an edit on its own slice alone, as `run` will begin; the session stays as it is.

        Args:
            edit: What would be done.
            then: Corrections on the same slice that would follow.

        Returns:
            The mask, and after it, where a prompt starts an object, the model's three alternatives.

        Raises:
            PromptError: As for `segment` and `correct`.
            SessionError: There is no such object to correct, or it is locked.
            BackendError: The engine failed.
        """
        self.check(edit)
        if isinstance(edit, Correct):
            return self._replayer.preview((*edits_of(self._history.done, edit.name), edit))
        if then is None:
            return self._replayer.preview((edit,))
        self._check_points(then, edit)
        return self._replayer.preview((edit, then))

    def run(self, edit: Segment | Correct) -> Iterator[Record]:
        """Do an edit slice by slice: the generator behind `segment` and `correct`.

        The edit enters the history when the last record has been taken; whoever stops
        earlier leaves the session as it was.

        It warns of nothing: see `radsam.session.capability_warnings`.

        Yields:
            `SliceDone` per slice and `SideDone` per side.
        """
        self.check(edit)
        before = self._history
        history = before.push(edit)
        yield from self._replayer.replay(edits_of(history.done, edit.name))
        if self._history is not before:
            raise SessionError("The session was changed while this edit ran, so the edit was dropped. Do it again.")
        self._history = history

    def delete(self, number: int) -> None:
        """Take back one prompt or correction by its number; the others are replayed.

        Raises:
            SessionError: There is no such prompt, or its object is locked.
        """
        for _ in self.run_delete(number):
            pass

    def run_delete(self, number: int) -> Iterator[Record]:
        """Take back one prompt slice by slice: the generator behind `delete`.

        The session changes after the last record, as in `run`.
        """
        done = self._history.done
        edit = done[number] if 0 <= number < len(done) else None
        if not isinstance(edit, Segment | Correct) or number not in numbered_edits_of(done, edit.name):
            raise SessionError(f"There is no prompt number {number} to delete.")
        self._refuse_locked(edit.name)
        before = self._history
        history = before.push(Delete(number))
        remaining = edits_of(history.done, edit.name)
        # Step by step from the start: what is known costs nothing, and a caller may do other things in between.
        for length in range(1, len(remaining) + 1):
            yield from self._replayer.replay(remaining[:length])
        if self._history is not before:
            raise SessionError("The session was changed while a prompt was deleted, so it was not. Do it again.")
        self._history = history

    def remove(self, name: str) -> None:
        """Remove an object.

        Raises:
            SessionError: There is no such object, or it is locked.
        """
        self._number(name)
        self._refuse_locked(name)
        self._history = self._history.push(Remove(name))

    def rename(self, name: str, new_name: str) -> None:
        """Give an object another name, in all of its history; this is no step to undo.

        Raises:
            SessionError: There is no such object, or the new name is taken.
            PromptError: The new name is empty.
        """
        self._number(name)
        if new_name in object_names(self._history.edits):
            raise SessionError(f"The name {new_name!r} is or was that of another object; choose another one.")
        known = {
            tuple(renamed(edit, name, new_name) for edit in edits): result
            for edits, result in self.known_results().items()
        }
        edits = tuple(renamed(edit, name, new_name) for edit in self._history.edits)
        self.restore(History(edits, self._history.cursor), known)

    def lock(self, name: str, locked: bool = True) -> None:
        """Lock an object, so that later edits cannot take voxels from it, or unlock it.

        Raises:
            SessionError: There is no such object.
        """
        self._number(name)
        self._history = self._history.push(Lock(name, locked))

    @property
    def overlap(self) -> Overlap:
        """Who owns a voxel that two objects claim; set it to change it."""
        chosen = [edit.overlap for edit in self._history.done if isinstance(edit, SetOverlap)]
        return chosen[-1] if chosen else Overlap.LAST_WINS

    @overlap.setter
    def overlap(self, overlap: Overlap | str) -> None:
        try:
            chosen = Overlap(overlap)
        except ValueError:
            raise SessionError(f"There is no overlap {overlap!r}; choose one of {', '.join(Overlap)}.") from None
        self._history = self._history.push(SetOverlap(chosen))

    def undo(self) -> None:
        """Step back in the history.

        Raises:
            SessionError: There is nothing to undo.
        """
        self._history = self._history.undo()

    def redo(self) -> None:
        """Step forward again.

        Raises:
            SessionError: There is nothing to redo.
        """
        self._history = self._history.redo()

    def save(self, path: str | Path) -> None:
        """Write the session to one file, whole or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        from radsam.session.file import save_session

        save_session(self, Path(path))

    def restore(self, history: History, known: dict[tuple[Segment | Correct, ...], ObjectResult]) -> None:
        """Take over a stored history and the masks that belong to its steps."""
        for edits, result in known.items():
            self._replayer.remember(edits, result)
        self._history = history

    def known_results(self) -> dict[tuple[Segment | Correct, ...], ObjectResult]:
        """Return the masks after every step of every object's history, undone steps included."""
        edits = self._history.edits
        steps = {edits_of(edits[:length], name) for length in range(1, len(edits) + 1) for name in object_names(edits)}
        return {step: self._replayer.known[step] for step in steps if step in self._replayer.known}

    # What is refused

    def check(self, edit: Segment | Correct) -> None:
        """Refuse an edit that cannot be done as the session stands.

        Raises:
            PromptError: As for `segment` and `correct`.
            SessionError: There is no such object to correct, or it is locked.
        """
        self._refuse_locked(edit.name)
        if isinstance(edit, Segment):
            self._check_segment(edit)
        else:
            self._check_correct(edit)

    def _check_segment(self, edit: Segment) -> None:
        if edit.policy not in POLICIES:
            raise PromptError(f"There is no policy {edit.policy!r}; choose one of {', '.join(POLICIES)}.")
        grid = SliceGrid.of(self.volume.geometry, edit.plane)
        edit.prompt.check(grid)
        if isinstance(edit.prompt, Point) and not edit.prompt.positive:
            raise PromptError("An object starts with a positive point; negative ones correct it afterwards.")
        if edit.bounds is not None:
            edit.bounds.check(grid, slice_index(edit.prompt, grid))

    def _check_correct(self, edit: Correct) -> None:
        self._number(edit.name)
        started = next(e for e in reversed(edits_of(self._history.done, edit.name)) if isinstance(e, Segment))
        self._check_points(edit, started)

    def _check_points(self, edit: Correct, started: Segment) -> None:
        grid = SliceGrid.of(self.volume.geometry, started.plane)
        for point in edit.points:
            point.check(grid)
        indices = {slice_index(point, grid) for point in edit.points}
        if len(indices) > 1:
            raise PromptError(
                f"The points lie on the {grid.plane} slices {', '.join(map(str, sorted(indices)))}; "
                "a correction starts from one slice. Correct them one after the other."
            )
        (index,) = indices
        if started.bounds is not None and index not in started.bounds:
            raise PromptError(
                f"The point lies on slice {index}, outside the bounds {started.bounds.low} to {started.bounds.high} "
                f"of {edit.name!r}. Segment it again with wider bounds to let it grow there."
            )

    def _refuse_locked(self, name: str) -> None:
        if name in locked_objects(self._history.done):
            raise SessionError(f"{name!r} is locked. Unlock it to change it.")
