"""One row of a manifest: an object to segment and its prompt.

The row's `coordinates` give the unit of its numbers: ``ijk``, voxels of the file as stored, counted from
0, both ends included; or ``lps``, millimetres. Nothing is guessed from their size.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from radsam.errors import ManifestError, PromptError, VolumeError
from radsam.io.volume_read import known_modality
from radsam.preprocess import Window
from radsam.volume import Plane

Numbers = tuple[float, ...]

#: Characters that some systems refuse in file names, or that lead out of a folder.
_FORBIDDEN = re.compile(r'[/\\:*?"<>|\x00-\x1f\ud800-\udfff]')
#: File names have at most 255 bytes; a suffix and a temporary name need some of them.
_MAX_ID_BYTES = 120
#: Number of numbers of a prompt with a column `slice`, and without.
NUMBERS = {"box": (4, 6), "point": (2, 3), "recist": (4, 6)}
#: The bounds of a row that takes those of its mask prompt.
FROM_MASK = "mask"
#: The name of the object of a row without one.
DEFAULT_OBJECT = "object"


class Space(StrEnum):
    """The unit of a row's numbers."""

    IJK = "ijk"
    LPS = "lps"


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """One object of one volume, with exactly one prompt.

    Args:
        id: Names the row and its files; unique in the manifest.
        volume: Path of a file, DICOM folder or zip, relative to the manifest's folder, or the URL of a
            series in a PACS.
        object: Name of the object, written into the mask if its format allows.
        coordinates: "ijk" or "lps"; needed where a coordinate is given.
        plane: The plane of the propagation.
        slice: The prompted slice, if the prompt's numbers do not give it.
        box: Four numbers on a slice (I0 J0 I1 J1), or six (I0 J0 K0 I1 J1 K1): a box in space, whose
            middle slice gets the prompt and whose ends are the bounds.
        point: Two numbers on a slice, or three.
        recist: Both ends of a diameter: four numbers on a slice, or six.
        mask: A file with a rough mask; without `slice`, the slice with its largest area gets the prompt.
        mask_roi: The object's name in a DICOM mask, its value in a label map.
        bounds: First and last slice; "mask" takes those of the mask; None leaves them to the stop rule.
        window: The window, in the volume's unit; None takes the run's.
        series: Which series of a DICOM folder.
        modality: What the volume is, "ct", "mr", "pet" or "other"; None takes the run's.
        truth: A file with the true mask, for Dice.
        truth_roi: As `mask_roi`.

    Raises:
        ManifestError: A value is missing, contradicts another one or cannot be used.
    """

    id: str
    volume: str
    object: str = DEFAULT_OBJECT
    coordinates: str | None = None
    plane: str = "axial"
    slice: float | None = None
    box: Numbers | None = None
    point: Numbers | None = None
    recist: Numbers | None = None
    mask: str | None = None
    mask_roi: str | None = None
    bounds: Numbers | str | None = None
    window: Numbers | None = None
    series: str | None = None
    modality: str | None = None
    truth: str | None = None
    truth_roi: str | None = None

    def __post_init__(self) -> None:
        self._check_names()
        self._check_prompt()
        self._check_numbers()

    @property
    def kind(self) -> str:
        """Which prompt it has: "box", "point", "recist" or "mask"."""
        return next(name for name in ("box", "point", "recist", "mask") if getattr(self, name) is not None)

    @property
    def in_space(self) -> bool:
        """Whether the prompt's own numbers give its slice."""
        return self.slice is None

    def fingerprint(self, settings: str) -> str:
        """Return the hash of all that the mask depends on.

        Args:
            settings: The model and the run's settings; see `BatchSettings.identity`.
        """
        content = json.dumps([asdict(self), settings], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def _check_names(self) -> None:
        if not self.id or self.id != self.id.strip() or self.id.startswith(".") or _FORBIDDEN.search(self.id):
            raise ManifestError(
                f"The id {self.id!r} cannot name a file: it may not be empty, start with a dot or hold one of "
                '/ \\ : * ? " < > |, or what is not UTF-8.'
            )
        if len(self.id.encode()) > _MAX_ID_BYTES:
            raise ManifestError(
                f"The id {self.id[:20]!r}... is too long for a file name: {_MAX_ID_BYTES} bytes at most."
            )
        if not self.volume:
            raise ManifestError("The row has no volume.")
        if not self.object.strip():
            raise ManifestError("The name of the object is empty; leave the column out for 'object'.")
        if self.plane not in tuple(Plane):
            raise ManifestError(f"{self.plane!r} is not a plane; choose one of {', '.join(Plane)}.")
        if self.modality is not None:
            try:
                object.__setattr__(self, "modality", known_modality(self.modality).value)
            except VolumeError as error:
                raise ManifestError(str(error)) from None
        if self.truth_roi is not None and self.truth is None:
            raise ManifestError("truth_roi chooses an object of the file in truth, which is empty.")

    def _check_prompt(self) -> None:
        given = [name for name in ("box", "point", "recist", "mask") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ManifestError(
                f"A row has exactly one prompt, box, point, recist or mask; it has {' and '.join(given) or 'none'}."
            )
        if self.mask_roi is not None and self.mask is None:
            raise ManifestError("mask_roi chooses an object of the file in mask, which is empty.")
        if self.bounds is not None and isinstance(self.bounds, str) and (self.bounds != FROM_MASK or self.mask is None):
            raise ManifestError(
                f"bounds are two slices, or the word {FROM_MASK!r} in a row with a mask prompt; given: {self.bounds!r}."
            )
        kind = self.kind
        if kind == "mask":
            return
        count = len(getattr(self, kind))
        on_slice, without = NUMBERS[kind]
        needed = without if self.slice is None else on_slice
        if count != needed:
            raise ManifestError(
                f"{kind} has {count} numbers; it takes {on_slice} with a column slice, and {without} "
                f"without one. This row {'has no' if self.slice is None else 'has a'} slice."
            )
        if kind == "box" and self.in_space and self.bounds is not None:
            raise ManifestError("A box of six numbers includes the bounds; leave bounds empty, or give a slice.")

    def _check_numbers(self) -> None:
        bounds = None if isinstance(self.bounds, str) else self.bounds
        for name, numbers in (("bounds", bounds), ("window", self.window)):
            if numbers is not None and len(numbers) != 2:
                raise ManifestError(f"{name} are two numbers, not {len(numbers)}.")
        if self.window is not None:
            try:
                Window(*self.window)
            except PromptError as error:
                raise ManifestError(str(error)) from error
        coordinates: list[Sequence[float] | None] = [self.box, self.point, self.recist, bounds]
        typed = [each for numbers in coordinates if numbers is not None for each in numbers]
        typed += [] if self.slice is None else [self.slice]
        if not all(math.isfinite(each) for each in typed):
            raise ManifestError("A coordinate is not a finite number.")
        if self.coordinates is not None and self.coordinates not in tuple(Space):
            raise ManifestError(
                f"coordinates are 'ijk' (voxels as stored, from 0) or 'lps' (millimetres), not {self.coordinates!r}."
            )
        if typed and self.coordinates is None:
            raise ManifestError(
                "The row has coordinates but no unit: write ijk (voxels as stored, from 0) or lps (millimetres) into "
                "its column coordinates."
            )
        if self.coordinates == Space.IJK and not all(float(each).is_integer() for each in typed):
            raise ManifestError("Voxels (coordinates = ijk) are whole numbers. For millimetres write lps.")
