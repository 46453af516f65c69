"""Carries out the edits of a command line on a session, one after another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from radsam.cli.edit_report import StepDone, spans
from radsam.cli.point_arguments import (
    parse_ends,
    parse_lasso,
    parse_numbers,
    parse_path,
    parse_slices,
    parse_triples,
)
from radsam.cli.session_inputs import apply_corrections
from radsam.cli.terminal import progress_bar, usage_error
from radsam.cli.typed_edits import TypedEdit
from radsam.errors import PromptError, SessionError

if TYPE_CHECKING:
    from radsam.session import Session
    from radsam.session.edit import Reach
    from radsam.volume import Prompt, SliceGrid, SparseMask
    from radsam.volume.clean_up import CleanUpStep
    from radsam.volume.coordinates import Coordinates
    from radsam.volume.hand_shape import HandShape

#: "0.5ml", "500 mm3", and the same without a unit, in ml.
_VOLUME = re.compile(r"\s*([-+.\deE]+)\s*(ml|mm3|mm³)?\s*")
#: The name of a file: reading it says best what is wrong with it.
_FILE_NAME = re.compile(r".*\.[A-Za-z]\w*")
_DEFAULT_NAME = "object"


@dataclass(frozen=True)
class EditSteps:
    """Carries out typed edits.

    Args:
        session: The session.
        name: The object that they change, as typed; None takes the only one.
        mm: Whether positions are LPS millimetres.
        quiet: Show no progress.
    """

    session: Session
    name: str | None
    mm: bool
    quiet: bool

    def run(self, typed: Sequence[TypedEdit]) -> Iterator[StepDone]:
        """Carry them out in their order.

        Yields:
            What each of them did.

        Raises:
            RadsamError: One is not possible; those before it are done.
        """
        rest = list(typed)
        while rest:
            if rest[0].is_correction:
                group = _one_correction(rest)
                del rest[: len(group)]
                yield from self._correct(group)
                continue
            edit = rest.pop(0)
            if edit.of_object:
                self._change(edit)
                yield self._done(edit)
            else:
                yield self._back_or_forth(edit)

    def target(self, *, starts: bool = False) -> str:
        """Return the object that is changed; with `starts`, it may be a new one."""
        name = target_object(self.name, list(self.session.objects), starts=starts)
        if name is None:
            raise SessionError(
                "The session is empty: there is no object to correct. Start one with radsam segment --session."
            )
        return name

    def _typed_on(self, name: str, axis: str | None = None) -> Coordinates:
        """Return how positions are typed: in the plane of the object, or across a named axis."""
        from radsam.volume import Plane, SliceGrid
        from radsam.volume.coordinates import Coordinates

        geometry, objects = self.session.volume.geometry, self.session.objects
        if axis is not None:
            grid = SliceGrid.across(geometry, "ijk".index(axis))
        else:
            grid = objects[name].grid if name in objects else SliceGrid.of(geometry, Plane.AXIAL)
        return Coordinates(geometry, grid, self.mm)

    def _done(self, edit: TypedEdit) -> StepDone:
        return StepDone(edit.flag, self.session.history.cursor - 1, self.session.outcome)

    # History

    def _back_or_forth(self, edit: TypedEdit) -> StepDone:
        if edit.option == "delete":
            self.session.delete(edit.value)
            return self._done(edit)
        for _ in range(edit.value):
            if edit.option == "undo":
                self.session.undo()
            else:
                self.session.redo()
        return StepDone(edit.flag, None, None)

    # Corrections

    def _correct(self, group: Sequence[TypedEdit]) -> Iterator[StepDone]:
        from radsam.session.edit_request import CorrectionRequest
        from radsam.volume.coordinates import group_by_slice

        name = self.target()
        typed = self._typed_on(name)
        prompts = [self._prompt(each, name, typed) for each in group]
        reach = _reach(group[-1].setting("reach")) or "next"
        requests = [
            CorrectionRequest(name=name, points=each, reach=reach) for each in group_by_slice(prompts, typed.grid)
        ]
        options = " ".join(dict.fromkeys(each.flag for each in group))
        for _ in apply_corrections(self.session, requests, quiet=self.quiet):
            yield StepDone(options, self.session.history.cursor - 1, self.session.outcome)

    def _prompt(self, edit: TypedEdit, name: str, typed: Coordinates) -> Prompt:
        from radsam.volume import Mask, Scribble

        positive = "not" not in edit.option
        match edit.option:
            case "fix" | "fix_not":
                return typed.point(parse_triples([edit.value], edit.flag)[0], positive)
            case "fix_box" | "fix_not_box":
                across, *box = parse_numbers(edit.value, edit.flag, "K I0 J0 I1 J1")
                return replace(typed.box(across, box), positive=positive)
            case "scribble" | "scribble_not":
                path = parse_path(edit.value)
                if path is None:
                    raise usage_error(
                        f"{edit.flag} takes a line, 'I J K, I J K, ...', of voxels with three numbers each; given: "
                        f"{edit.value!r}."
                    )
                return Scribble(voxels_ijk=typed.voxels(path), positive=positive)
            case "lasso" | "lasso_not":
                polygon = parse_lasso(edit.value)
                if polygon is None:
                    raise usage_error(
                        f"{edit.flag} takes a slice and corners, 'K: I J, I J, I J'; given: {edit.value!r}."
                    )
                axis, across, corners = polygon
                return self._typed_on(name, axis).lasso(across, corners, positive)
        slices = self._read_mask(edit, typed.grid.axis).slices
        given = edit.setting("slice_")
        if given is None and len(slices) != 1:
            raise usage_error(
                f"{edit.flag} is the mask of one slice, and {edit.value} has {len(slices)} with voxels: choose one "
                "with --slice after it."
            )
        index = next(iter(slices)) if given is None else typed.index(given)
        if index not in slices:
            raise PromptError(
                f"{edit.value} is empty on slice {typed.grid.axis_name}={index}; it has voxels on the slices "
                f"{spans(list(slices)) or 'of none'}."
            )
        return Mask.on(typed.grid, index, slices[index].decode(), positive)

    def _read_mask(self, edit: TypedEdit, axis: int) -> SparseMask:
        """Read the voxels of a mask file on the grid of the volume, as slices along an axis."""
        from radsam.io.label_grid import require_same_grid
        from radsam.io.volume_read import read_labels
        from radsam.volume import SparseMask

        roi, volume = edit.setting("roi"), self.session.volume
        labels = read_labels(Path(edit.value), on=volume, names=None if roi is None else [roi])
        require_same_grid(labels, volume.geometry, f"The mask {edit.value}")
        return SparseMask.of(labels.ids > 0, axis)

    # Edits that ask no model first

    def _change(self, edit: TypedEdit) -> None:
        name = self.target(starts=edit.option == "paint")
        typed, session = self._typed_on(name), self.session
        match edit.option:
            case "paint" | "erase":
                self._paint(edit, name)
            case "delete_slice":
                session.delete_slice(*_indices(edit, typed), name=name)
            case "trim":
                session.trim(*typed.ends(*parse_ends(edit.value, edit.flag)), name=name)
            case "extend":
                low, high = typed.ends(*parse_ends(edit.value, edit.flag))
                with progress_bar(f"Extending {name}", quiet=self.quiet) as update:
                    session.extend(low, high, name=name, progress=lambda record: update(record.done, record.total))
            case "confirm" | "unconfirm":
                session.confirm(*_indices(edit, typed), name=name, confirmed=edit.option == "confirm")
            case _:
                session.clean_up(_clean_up_step(edit, typed), name=name)

    def _paint(self, edit: TypedEdit, name: str) -> None:
        within, alike = edit.setting("within"), edit.setting("alike")
        limits = None if within is None else parse_numbers(within, "--within", "LO HI")
        shape = self._shape(edit, name)
        with progress_bar("Painting", quiet=self.quiet) as update:
            self.session.paint(
                shape,
                name=name,
                positive=edit.option == "paint",
                reach=_reach(edit.setting("reach")) or "slice",
                within=None if limits is None else (limits[0], limits[1]),
                alike=alike,
                progress=lambda record: update(record.done, record.total),
            )

    def _shape(self, edit: TypedEdit, name: str) -> HandShape:
        """Return what `--paint` and `--erase` set: a stroke, a polygon, or the voxels of a file."""
        from radsam.volume.hand_shape import Brush

        polygon, path = parse_lasso(edit.value), parse_path(edit.value)
        if path is not None:
            radius = edit.setting("radius")
            if radius is None:
                raise usage_error(f"A brush stroke needs a radius in mm: type --radius MM after {edit.flag}.")
            typed = self._typed_on(name)
            voxels = typed.voxels(path)
            plane = _plane_of(voxels, typed).plane
            return Brush(path_ijk=voxels, radius_mm=radius, ball=bool(edit.setting("ball")), plane=plane)
        for each in ("radius", "ball"):
            if each in edit.own:
                raise usage_error(f"--{each} is a setting of a brush stroke, 'I J K, I J K', not of {edit.value!r}.")
        if polygon is not None:
            axis, across, corners = polygon
            return self._typed_on(name, axis).lasso(across, corners, positive=True)
        exists = bool(edit.value.strip()) and Path(edit.value).exists()
        if not (exists or _FILE_NAME.fullmatch(edit.value)):
            raise usage_error(
                f"{edit.flag} takes a mask file, a brush stroke 'I J K, I J K', or a polygon 'K: I J, I J, I J'; "
                f"{edit.value!r} is none of them."
            )
        return self._read_mask(edit, self._typed_on(name).grid.axis)


def target_object(name: str | None, objects: Sequence[str], *, starts: bool = False) -> str | None:
    """Choose the object: the named one, or the only one; None where the session is empty.

    Args:
        name: As typed.
        objects: Those of the session.
        starts: Whether it may be a new one.
    """
    if starts and (name is not None or not objects):
        return name or _DEFAULT_NAME
    if name is not None and name not in objects:
        raise SessionError(f"There is no object {name!r} in this session; its objects: {', '.join(objects) or 'none'}.")
    if name is None and len(objects) > 1:
        raise usage_error(f"The session has several objects; choose one with --name: {', '.join(objects)}.")
    return name or (objects[0] if objects else None)


def mask_files(typed: Iterable[TypedEdit]) -> list[Path]:
    """Return the files that edits read, so that no output replaces one."""
    return [
        Path(each.value)
        for each in typed
        if each.option in ("fix_mask", "fix_not_mask")
        or (each.option in ("paint", "erase") and parse_path(each.value) is None and parse_lasso(each.value) is None)
    ]


def _one_correction(typed: Sequence[TypedEdit]) -> list[TypedEdit]:
    """Return the prompts at the beginning that correct together: up to one with a reach of its own."""
    group: list[TypedEdit] = []
    for each in typed:
        if not each.is_correction:
            break
        group.append(each)
        if "reach" in each.own:
            break
    return group


def _reach(given: str | None) -> Reach | None:
    if given is None:
        return None
    match given:
        case "slice":
            return "slice"
        case "next":
            return "next"
        case "ends":
            return "ends"
    if given.isdecimal():
        return int(given)
    raise usage_error(f"--reach is slice, next, ends or a number of slices; given: {given!r}.")


def _indices(edit: TypedEdit, typed: Coordinates, given: str | None = None) -> list[int]:
    """Return the slices of a list of slices and ranges, in their order."""
    found: list[int] = []
    for first, last in parse_slices(edit.value if given is None else given, edit.flag):
        low, high = typed.index(first), typed.index(last)
        if low > high and not typed.mm:
            raise usage_error(f"{edit.flag}: the range {first:g}-{last:g} is reversed. Give its lower slice first.")
        found += range(min(low, high), max(low, high) + 1)
    return list(dict.fromkeys(found))


def _plane_of(voxels: Sequence[tuple[int, int, int]], typed: Coordinates) -> SliceGrid:
    """Return the plane that a stroke was drawn in: the object's, if the stroke lies on one slice of it."""
    from radsam.volume import SliceGrid

    grids = [typed.grid, *(SliceGrid.across(typed.geometry, axis) for axis in (2, 1, 0))]
    return next((each for each in grids if len({voxel[each.axis] for voxel in voxels}) == 1), typed.grid)


def _clean_up_step(edit: TypedEdit, typed: Coordinates) -> CleanUpStep:
    from radsam.volume import clean_up as steps

    axis = typed.grid.axis
    match edit.option:
        case "keep_largest":
            return steps.KeepLargest()
        case "keep_at":
            return steps.KeepAt(typed.point(parse_triples([edit.value], edit.flag)[0], positive=True).index_ijk)
        case "islands":
            return steps.RemoveIslands(_parse_ml(edit))
        case "fill_holes":
            return steps.FillHoles(bool(edit.setting("in_slices")), axis)
        case "smooth":
            return steps.Smooth(edit.value, axis)
        case "grow":
            return steps.Grow(edit.value)
        case "shrink":
            return steps.Grow(-edit.value)
        case "interpolate":
            return steps.Interpolate(tuple(_indices(edit, typed)), axis)
        case _:
            to = edit.setting("to")
            if to is None:
                raise usage_error(f"{edit.flag} needs the slices that it replaces: type --to K,K after it.")
            return steps.CopySlice(typed.index(edit.value), tuple(_indices(edit, typed, to)), axis)


def _parse_ml(edit: TypedEdit) -> float:
    parts = _VOLUME.fullmatch(edit.value)
    try:
        volume = float(parts[1]) if parts else None
    except ValueError:
        volume = None
    if parts is None or volume is None:
        raise usage_error(f"{edit.flag} takes a volume, such as 0.5ml or 500mm3; given: {edit.value!r}.")
    return volume if parts[2] in (None, "ml") else volume / 1000
