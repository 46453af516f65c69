"""The methods of a session that change its objects without a propagation of their own: delete, lock, order, value."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from radsam.errors import SessionError
from radsam.session.edit import Change, Delete, Lock, Overlap, Remove, SetId, SetOrder, SetOverlap
from radsam.session.history import History, chosen_overlap


class ObjectChanges(ABC):
    """Changes that are edits of their own, and leave nothing open."""

    @property
    @abstractmethod
    def history(self) -> History:
        """Every edit in order, and how many of them are in force."""

    @abstractmethod
    def _change(self, edit: Change) -> None:
        """Carry out a change, with its warnings."""

    def delete(self, number: int) -> None:
        """Delete one edit of an object by its number, which `SegmentedObject.edits` has; the later ones are replayed.

        Numbers count all edits of the session from 0, and never change.

        Raises:
            SessionError: The edit does not exist, or its object is locked.
        """
        if not isinstance(number, int | np.integer):
            raise SessionError(f"The number of an edit is a whole number, not {number!r}.")
        self._change(Delete(int(number)))

    def remove(self, name: str) -> None:
        """Remove an object.

        Raises:
            SessionError: The object does not exist, or is locked.
        """
        self._change(Remove(name))

    def lock(self, name: str, locked: bool = True) -> None:
        """Lock an object, so that later edits cannot take voxels from it, or unlock it.

        Raises:
            SessionError: The object does not exist.
        """
        self._change(Lock(name, bool(locked)))

    def order(self, *names: str) -> None:
        """Choose the priority order: of two objects that claim a voxel, the one named first has it.

        Objects that are not named come after them, by the overlap policy. A locked object loses no voxel. Without a
        name, the overlap policy alone decides again.

        Raises:
            SessionError: An object does not exist, or is named twice.
        """
        self._change(SetOrder(names))

    def set_id(self, name: str, id: int) -> None:
        """Choose the value of an object in the label map; new objects then take values that no object has.

        Raises:
            SessionError: The object does not exist, another one has the value, or it is not from 1 to 65535.
        """
        self._change(SetId(name, id))

    @property
    def overlap(self) -> Overlap:
        """The rule for a voxel that two objects claim; set it to change it.

        Until it is set, the label map follows `LAST_WINS`, and files that can hold whole objects, such as DICOM SEG,
        hold them. Once it is `LAST_WINS` or `KEEP_FIRST`, no file gives a voxel to two objects.
        """
        return chosen_overlap(self.history.done) or Overlap.LAST_WINS

    @overlap.setter
    def overlap(self, overlap: Overlap | str) -> None:
        try:
            chosen = Overlap(overlap)
        except ValueError:
            raise SessionError(f"There is no overlap policy {overlap!r}; choose one of {', '.join(Overlap)}.") from None
        self._change(SetOverlap(chosen))
