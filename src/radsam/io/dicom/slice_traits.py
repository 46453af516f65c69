"""What tells images of one place apart: echo, time point, b-value, kind of image.

An MR or PET series may hold several images of every place. Each vendor says in its own elements which is which.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from radsam.io.dicom.element_values import numbers, private_text, text

#: Private elements, by creator and tag; archives keep their block, the first one, as scanners write it.
_SIEMENS, _GE, _PHILIPS = "SIEMENS MR HEADER", "GEMS_PARM_01", "Philips Imaging DD 001"
_SIEMENS_B, _SIEMENS_DIRECTION, _SIEMENS_MOSAIC = 0x0019100C, 0x0019100E, 0x0019100A
_GE_B, _GE_KIND, _PHILIPS_B = 0x00431039, 0x0043102F, 0x20011003
_KINDS_OF_GE = {"0": "M", "1": "P", "2": "R", "3": "I"}
#: GE adds 10^9 to some b-values.
_GE_B_LIMIT = 100_000

#: Tags of the elements that are read here.
TRAIT_TAGS = [Tag(each) for each in (
    "EchoNumbers", "EchoTime", "InversionTime", "FlipAngle", "TriggerTime", "TemporalPositionIdentifier",
    "TemporalPositionIndex", "DiffusionBValue", "DiffusionGradientOrientation", "ComplexImageComponent",
    "FrameReferenceTime", "AcquisitionTime", "ContentTime", "AcquisitionDate", "DimensionIndexSequence",
    0x00190010, 0x00430010, 0x20010010,
    _SIEMENS_B, _SIEMENS_DIRECTION, _SIEMENS_MOSAIC, _GE_B, _GE_KIND, _PHILIPS_B,
)]  # fmt: skip
#: Names of `SliceTraits.stated`, each with the element of a single image that states it.
_STATED = {
    "time": "TemporalPositionIdentifier",
    "echo": "EchoNumbers",
    "te": "EchoTime",
    "ti": "InversionTime",
    "flip": "FlipAngle",
    "trigger": "TriggerTime",
}
#: Elements that order the images of one place in time.
_MOMENTS = ("TriggerTime", "FrameReferenceTime", "AcquisitionTime", "ContentTime")


@dataclass(frozen=True)
class SliceTraits:
    """What one image states about itself, besides its place.

    Args:
        stated: Values by name: "echo", "te" (ms), "time" (time point), "b" (s/mm²), "ti" (ms), "flip" (degrees),
            "trigger" (ms), "stack", and "dim1", "dim2", … for the dimensions of an enhanced image.
        image_type: Values of ImageType, of an enhanced image of FrameType, and the complex component.
        direction: Direction of the diffusion gradient; empty if there is none.
        moments: Numbers that order the images of one place in time, some of them NaN.
        mosaic: Whether it holds all slices of a place side by side, as Siemens stores them.
    """

    stated: Mapping[str, str] = field(default_factory=dict, hash=False)
    image_type: tuple[str, ...] = ()
    direction: tuple[float, ...] = ()
    moments: tuple[float, ...] = ()
    mosaic: bool = False


def read_traits(dataset: Dataset) -> SliceTraits:
    """Read the traits of an image of one frame, or those that all frames of a file have."""
    stated = {name: _number(text(dataset, element, "")) for name, element in _STATED.items()}
    stated["b"] = _b_value(dataset)
    image_type = tuple(str(each).strip().upper() for each in dataset.get("ImageType") or ())
    kind = _KINDS_OF_GE.get(private_text(dataset, _GE, _GE_KIND), "")
    component = text(dataset, "ComplexImageComponent", kind).upper()
    return SliceTraits(
        {name: value for name, value in stated.items() if value},
        (*image_type, component) if component else image_type,
        _direction(
            numbers(dataset, "DiffusionGradientOrientation", 3), private_text(dataset, _SIEMENS, _SIEMENS_DIRECTION)
        ),
        tuple(_moment(text(dataset, element, "")) for element in _MOMENTS),
        "MOSAIC" in image_type or private_text(dataset, _SIEMENS, _SIEMENS_MOSAIC) not in ("", "0", "1"),
    )


def read_frame_traits(of_file: SliceTraits, groups: Sequence[Dataset]) -> SliceTraits:
    """Read the traits of a frame of an enhanced image (PS3.3 C.7.6.16, C.8.13.5).

    Args:
        of_file: The traits of its file.
        groups: Its functional groups, those of its own before those that all frames share.
    """

    def macro(name: str) -> Dataset:
        return next((found[0] for group in groups if (found := group.get(name))), Dataset())

    content, diffusion, modifier = (
        macro("FrameContentSequence"),
        macro("MRDiffusionSequence"),
        macro("MRModifierSequence"),
    )
    gradient = next(iter(diffusion.get("DiffusionGradientDirectionSequence") or []), Dataset())
    frame_type = next(
        (found for each in _FRAME_TYPES if (found := macro(each)).get("FrameType")), macro("MRImageFrameTypeSequence")
    )
    stated = {
        "time": text(content, "TemporalPositionIndex", ""),
        "stack": text(content, "StackID", ""),
        "te": _number(text(macro("MREchoSequence"), "EffectiveEchoTime", "")),
        "b": _number(text(diffusion, "DiffusionBValue", "")),
        "ti": _number(text(modifier, "InversionTimes", "")),
        "flip": _number(text(macro("MRTimingAndRelatedParametersSequence"), "FlipAngle", "")),
        "trigger": _number(text(macro("CardiacSynchronizationSequence"), "NominalCardiacTriggerDelayTime", "")),
    }
    dimensions = content.get("DimensionIndexValues")
    values = [dimensions] if isinstance(dimensions, int) else list(dimensions or [])
    stated |= {f"dim{number}": str(value) for number, value in enumerate(values, start=1)}
    image_type = tuple(str(each).strip().upper() for each in frame_type.get("FrameType") or of_file.image_type)
    component = text(frame_type, "ComplexImageComponent", "").upper()
    return SliceTraits(
        {**of_file.stated, **{name: value for name, value in stated.items() if value}},
        (*image_type, component) if component else image_type,
        _direction(numbers(gradient, "DiffusionGradientOrientation", 3), "") or of_file.direction,
        (_moment(text(content, "FrameReferenceDateTime", "")), _moment(text(content, "FrameAcquisitionDateTime", ""))),
        of_file.mosaic,
    )


_FRAME_TYPES = ("MRImageFrameTypeSequence", "PETFrameTypeSequence", "CTImageFrameTypeSequence")


def _b_value(dataset: Dataset) -> str:
    stated = text(dataset, "DiffusionBValue", "") or private_text(dataset, _SIEMENS, _SIEMENS_B)
    stated = stated or private_text(dataset, _PHILIPS, _PHILIPS_B)
    if stated:
        return _number(stated)
    of_ge = _moment(private_text(dataset, _GE, _GE_B).strip("[]").replace("\\", ",").split(",")[0])
    return "" if math.isnan(of_ge) else _number(str(of_ge % _GE_B_LIMIT))


def _direction(vector: tuple[float, ...], private: str) -> tuple[float, ...]:
    if not all(math.isfinite(each) for each in vector):
        given = [_moment(each) for each in private.strip("[]").split(",")]
        vector = tuple(given) if len(given) == 3 and all(math.isfinite(each) for each in given) else ()
    return tuple(round(each, 4) + 0.0 for each in vector) if any(vector) else ()


def _number(written: str) -> str:
    """Write a number without needless digits; other text as it is."""
    try:
        return f"{float(written):.6g}"
    except ValueError:
        return written


def _moment(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        return math.nan
