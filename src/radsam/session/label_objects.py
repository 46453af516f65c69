"""Objects from masks that others made: a mask of one object, and the objects of a label map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence

import numpy as np
import scipy
from jaxtyping import Bool, Shaped

from radsam.errors import PromptError, SessionError
from radsam.io.label_grid import require_same_grid
from radsam.preprocess import Window
from radsam.propagate import SliceDone
from radsam.session.edit import Edit, SetId
from radsam.session.edit_request import RequestContext, StartFromMaskRequest
from radsam.session.history import present_objects
from radsam.session.object_ids import free_id, object_ids
from radsam.session.segmented_object import SegmentedObject
from radsam.volume import Geometry, LabelVolume, Plane, RunMask, SliceGrid, SparseMask

Progress = Callable[[SliceDone], None]
#: A mask of one object in the whole volume.
WholeMask = SparseMask | LabelVolume | Bool[np.ndarray, "k j i"]

#: More objects than this are hardly anatomy: a picture or a map of distances that was taken for a label map.
MOST_OBJECTS = 255


class LabelRequest(StartFromMaskRequest):
    """Start an object from a label map; `label` is its value there, which it keeps if no object has it."""

    label: int


def id_edits(edits: Sequence[Edit], requests: Sequence[StartFromMaskRequest]) -> tuple[SetId, ...]:
    """Return the edits that give objects their labels as values, before they are started; none where they get them."""
    ids = object_ids(edits)
    chosen, numbered = [], True
    for each in requests:
        number = free_id(ids)
        if isinstance(each, LabelRequest) and each.name not in ids and each.label not in ids.values():
            chosen.append(SetId(each.name, each.label))
            numbered = numbered and each.label == number
            number = each.label
        ids.setdefault(each.name, number)
    return () if numbered else tuple(chosen)


class LabelObjects(ABC):
    """The method of a session that adds the objects of a label map."""

    @property
    @abstractmethod
    def context(self) -> RequestContext:
        """The context of a request."""

    @property
    @abstractmethod
    def objects(self) -> dict[str, SegmentedObject]:
        """The objects by name."""

    @abstractmethod
    def start_objects(self, requests: Sequence[StartFromMaskRequest], *, progress: Progress | None = None) -> None:
        """Start several objects, all of them or none, with their warnings."""

    def add_objects(
        self,
        labels: LabelVolume,
        *,
        names: Sequence[str | int] | None = None,
        refine: bool = False,
        plane: Plane | str = Plane.AXIAL,
        window: Window | tuple[float, float] | None = None,
        zoom: bool | None = None,
        progress: Progress | None = None,
    ) -> dict[str, SegmentedObject]:
        """Add the objects of a label map, to correct them: each becomes an object with the mask that it has there.

        Args:
            labels: The label map on the grid of the volume; `radsam.read_labels(path, on=volume, resample=True)`
                brings another one there. Objects that overlap stay whole.
            names: The objects to add, by name or number; None for all that have a voxel.
            refine: Whether the model predicts each slice, with the mask's own slice as the prompt, instead of
                taking the mask as it is, which needs no model.
            plane: The plane of later corrections and propagations.
            window: The window of the model's input, in the volume's unit; None takes the session's.
            zoom: Whether the model sees a crop around each object; None takes what it was trained for.
            progress: Called after each slice that is refined, with the number of all slices.

        Returns:
            The new objects by name; a label without a name is called "label 3". An object keeps its label as its
            value in the label map where no object has that; the start of each is one edit.

        Raises:
            GridMismatchError: The labels lie on another grid.
            PromptError: They have no object, none of a name, or more than 255.
            SessionError: An object of that name exists already.
            BackendError: The engine failed; the session is as before, as after all errors.
        """
        context = self.context
        requests = label_requests(
            labels,
            context.geometry,
            present_objects(context.edits),
            names=names,
            plane=plane,
            refine=refine,
            window=window,
            zoom=zoom,
        )
        self.start_objects(requests, progress=progress)
        objects = self.objects
        return {each.name: objects[each.name] for each in requests}


def whole_mask(given: WholeMask, geometry: Geometry, plane: Plane | str) -> SparseMask:
    """Return the mask of one object, as slices of a plane.

    Raises:
        GridMismatchError: A label map lies on another grid.
        PromptError: A label map has no object or several, or an array is not a mask of the volume.
    """
    axis = SliceGrid.of(geometry, plane).axis
    if isinstance(given, SparseMask):
        return given
    if isinstance(given, LabelVolume):
        require_same_grid(given, geometry, "The label map")
        if len(called := names_in(given)) != 1:
            raise PromptError(
                f"The label map has {len(called) or 'no'} objects, and one object is started here. Choose one "
                f"(labels.select([number])), or add them all (session.add_objects(labels))."
            )
        return _masks(given, axis, called).popitem()[1]
    mask = mask_of_array(given, axis)
    mask.check(geometry.shape_kji)
    return mask


def mask_of_array(given: Shaped[np.ndarray, "..."], axis: int) -> SparseMask:
    """Return the voxels of an array, as slices along a stored axis.

    Raises:
        PromptError: It is not a bool array (k, j, i).
    """
    if given.dtype != np.bool_ or given.ndim != 3:
        raise PromptError(
            f"A mask of an object is a bool array (k, j, i), not {given.dtype} with {given.ndim} axes. "
            "Of a label map, compare with the label: ids == 3."
        )
    return SparseMask.of(given, axis)


def label_requests(
    labels: LabelVolume,
    geometry: Geometry,
    taken: Collection[str],
    *,
    names: Sequence[str | int] | None = None,
    plane: Plane | str = Plane.AXIAL,
    refine: bool = False,
    window: Window | tuple[float, float] | None = None,
    zoom: bool | None = None,
    what: str = "The label map",
) -> tuple[LabelRequest, ...]:
    """Make a request of each object of a label map, whole, also where another one covers it.

    Args:
        labels: The objects.
        geometry: The grid of the volume.
        taken: Names that objects have already.
        names: The objects to take, by name or number; None for all that have a voxel.
        plane: The plane of later propagations.
        refine: Whether the model predicts each slice.
        window: The window of the model's input, in the volume's unit; None takes the session's.
        zoom: As for `StartFromMaskRequest`.
        what: A name for the labels, as the subject of a sentence ("The mask organ.nii.gz").

    Returns:
        The requests in the order of `names` or of the labels. A label without a name is called "label 3".

    Raises:
        GridMismatchError: The labels lie on another grid.
        PromptError: There is no object of a name, none at all, or there are more than `MOST_OBJECTS`.
        SessionError: A name is taken.
    """
    require_same_grid(labels, geometry, what)
    called = names_in(labels)
    if names is not None:
        called = {number: called[number] for number in _chosen(called, names, what)}
    if not called:
        raise PromptError(f"{what} is empty: it has no voxel above 0. Give one with at least one object.")
    if len(called) > MOST_OBJECTS:
        some = ", ".join(repr(name) for name in list(called.values())[:3])
        raise PromptError(
            f"{what} has {len(called)} objects; at most {MOST_OBJECTS} are opened at once. Choose some by name "
            f"or number (--roi NAME in a command, names=[…] in Python): {some}, …"
        )
    if double := [name for name in called.values() if name in taken]:
        raise SessionError(
            f"The session already has {', '.join(map(repr, double))}: an object's name is its own. Rename or remove "
            "it first, choose others (--roi NAME; names=[…]), or give the label another name."
        )
    given = {"plane": plane, "refine": refine, "window": window, "zoom": zoom}
    masks = _masks(labels, SliceGrid.of(geometry, plane).axis, called)
    return tuple(
        LabelRequest.model_validate({"name": name, "mask": masks[number], "label": number, **given})
        for number, name in called.items()
    )


def names_in(labels: LabelVolume) -> dict[int, str]:
    """Return a name of its own for each object that has a voxel."""
    called: dict[int, str] = {}
    for number in labels.present_ids:
        name = labels.names.get(number, "").strip() or f"label {number}"
        called[number] = f"{name} ({number})" if name in called.values() else name
    return called


def _chosen(called: dict[int, str], names: Sequence[str | int], what: str) -> list[int]:
    """Return the labels of these names or numbers, each once.

    Raises:
        PromptError: There is none of that name.
    """
    chosen: dict[int, None] = {}
    for name in names:
        found = next((number for number, each in called.items() if each == name), None)
        if found is None and str(name).isdecimal() and int(name) in called:
            found = int(name)
        if found is None:
            there = ", ".join(f"{number}: {each!r}" for number, each in called.items())
            raise PromptError(f"{what} has no object {name!r}. Choose by name or number: {there or 'none'}.")
        chosen[found] = None
    return list(chosen)


def _masks(labels: LabelVolume, axis: int, numbers: Collection[int]) -> dict[int, SparseMask]:
    """Return the voxels of objects as slices along a stored axis, in one pass over the labels."""
    slices: dict[int, dict[int, RunMask]] = {number: {} for number in numbers}
    for index, ids in enumerate(np.moveaxis(labels.ids, 2 - axis, 0)):
        for number, box in enumerate(scipy.ndimage.find_objects(ids), start=1):
            if box is None or number not in slices:
                continue
            rows, cols = (np.arange(each.start, each.stop) for each in box)
            slices[number][index] = RunMask.encode_part(ids[box] == number, rows, cols, ids.shape)
    masks = {number: SparseMask(axis, labels.geometry.shape_kji, each) for number, each in slices.items()}
    return masks | {number: SparseMask.of(labels.mask(number), axis) for number in labels.covered if number in slices}
