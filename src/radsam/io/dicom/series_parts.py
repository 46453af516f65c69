"""The parts of a series that holds several images of each place: acquisitions, echoes, time points, b-values.

A part is chosen by what tells it from the others: ``3`` is an acquisition, ``echo=2`` an echo, and ``b=800#dir=2`` one
gradient direction of one b-value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from radsam.io.dicom.slice_header import SliceHeader

#: Positions closer than this are the same place; scanners write them to 1e-3 mm or finer.
SAME_POSITION_MM = 1e-3
#: A step between slices may differ from the usual one by this fraction: positions
#: rounded to 0.1 mm move a step of 1 mm by at most a tenth. A missing slice doubles it.
STEP_TOLERANCE = 0.11
#: Direction cosines that differ less are the same: some writers keep four digits.
SAME_DIRECTION = 1e-3
#: What the conditions mean, in words.
MEANINGS = {
    "": "acquisition number", "plane": "orientation", "time": "time point", "b": "b-value",
    "dir": "gradient direction", "type": "kind of image", "echo": "echo number", "te": "echo time",
    "ti": "inversion time", "flip": "flip angle", "trigger": "trigger time", "stack": "stack",
}  # fmt: skip
#: Kinds of image by the values of ImageType that mean them; "M_FFE" is a magnitude, too.
_KINDS = {
    "M": "MAGNITUDE", "MAGNITUDE": "MAGNITUDE", "P": "PHASE", "PHASE": "PHASE", "PHASE MAP": "PHASE", "R": "REAL",
    "REAL": "REAL", "I": "IMAGINARY", "IMAGINARY": "IMAGINARY", "W": "WATER", "WATER": "WATER", "F": "FAT",
    "FAT": "FAT", "IP": "IN_PHASE", "IN_PHASE": "IN_PHASE", "OP": "OUT_PHASE", "OUT_PHASE": "OUT_PHASE", "ADC": "ADC",
    "FA": "FA",
}  # fmt: skip

Conditions = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Part:
    """Images of a series that may make one volume.

    Args:
        conditions: Names and values that tell them from the others, each within what the ones before it leave; an
            acquisition number has an empty name.
        slices: Their headers.
        about: What else they have in common and the others have not, for people: "te 92".
    """

    conditions: Conditions
    slices: tuple[SliceHeader, ...]
    about: str = ""

    @property
    def selector(self) -> str:
        """How it is chosen, without its series: "3", "echo=2", "b=800#dir=2"."""
        return "#".join(f"{name}={value}" if name else value for name, value in self.conditions)


def split(slices: Sequence[SliceHeader]) -> tuple[Part, ...]:
    """Split images so that each part has one image of each place, as far as what they state tells them apart.

    Returns:
        The parts; one, without conditions, where no place has two images, or nothing tells them apart.
    """
    if not all(np.isfinite(each.position_lps + each.cosines).all() for each in slices):
        return (Part((), tuple(slices)),)
    parts = tuple(_split(tuple(slices), ()))
    if len(parts) == 1:
        return parts
    names = names_of(slices)
    at = {id(each): n for n, each in enumerate(slices)}
    if not any(each.traits.stated.get("time") for each in slices):
        names.pop("time", None)  # numbered here, and no statement of the images
    return tuple(Part(each.conditions, each.slices, _about(each, names, at)) for each in parts)


def chosen(slices: Sequence[SliceHeader], conditions: str) -> tuple[SliceHeader, ...]:
    """Return the images that fulfil conditions, written as in `Part.selector`; none if no image does."""
    found = tuple(slices)
    if any(each.acquisition == conditions for each in found):
        return tuple(each for each in found if each.acquisition == conditions)
    for condition in conditions.split("#"):
        if not found:
            break
        name, equals, value = condition.partition("=")
        name, value = (name.strip().lower(), value) if equals else ("", condition)
        values = names_of(found).get(name, [])
        found = tuple(each for each, its in zip(found, values, strict=False) if _same(its, value))
    return found


def names_of(slices: Sequence[SliceHeader]) -> dict[str, list[str]]:
    """Return what tells the images apart: names, the most telling first, each with the value of every image.

    Names whose value is the same for all images are left out.
    """
    acquisition = {"": [each.acquisition for each in slices]}
    kinds, types = _types(slices)
    stated = {name: [each.traits.stated.get(name, "none") for each in slices] for name in MEANINGS}
    # The time points of an image are numbered where it does not say them, by what orders images of one place in time.
    time = stated["time"] if len(set(stated["time"])) > 1 else _order_in_time(slices)
    dimensions = sorted({name for each in slices for name in each.traits.stated if name.startswith("dim")})
    named = {
        "plane": _planes(slices),
        **(acquisition if slices[0].modality == "CT" else {}),
        "time": stated["time"],
        "b": stated["b"],
        "dir": _directions(slices),
        **({"type": kinds} if len(set(kinds)) > 1 else {}),
        **{name: stated[name] for name in ("echo", "te", "ti", "flip", "stack")},
        **acquisition,
        "trigger": stated["trigger"],
        **({} if len(set(kinds)) > 1 else {"type": types}),
        **{name: [each.traits.stated.get(name, "none") for each in slices] for name in dimensions},
    }
    if time is not stated["time"]:
        del named["time"]
        named["time"] = time
    return {name: values for name, values in named.items() if len(set(values)) > 1}


def names_in(selector: str) -> list[str]:
    """Return the names of the conditions of a selector; that of an acquisition is empty."""
    return [name if equals else "" for name, equals, _ in (each.partition("=") for each in selector.split("#") if each)]


def acquisitions_of(slices: Sequence[SliceHeader]) -> dict[str, tuple[SliceHeader, ...]]:
    """Return the images by AcquisitionNumber, in numerical order; "none" is a missing number."""
    return _groups(slices, [each.acquisition for each in slices])


def range_mm(slices: Sequence[SliceHeader]) -> tuple[float, float]:
    """Return the first and the last position along the normal of the first image."""
    places = _distances_mm(slices)
    return min(places), max(places)


def _split(slices: tuple[SliceHeader, ...], conditions: Conditions) -> Iterator[Part]:
    for name, groups in _divisions(slices):
        for value, group in groups.items():
            yield from _split(group, (*conditions, (name, value)))
        return
    yield Part(conditions, slices)


def _divisions(slices: tuple[SliceHeader, ...]) -> Iterator[tuple[str, Mapping[str, tuple[SliceHeader, ...]]]]:
    """Yield the ways to divide images of which some lie at one place, the most telling first."""
    planes = _groups(slices, _planes(slices))
    if len(planes) > 1:
        if min(len(each) for each in planes.values()) > 1:
            yield "plane", planes
        return  # one image that lies across the others is a mistake
    most = _most_at_one_place(slices)
    acquisitions = acquisitions_of(slices)
    if _overlap(acquisitions) and (slices[0].modality == "CT" or (most == 1 and not _even(slices))):
        yield "", acquisitions
    if most == 1:
        return
    for name, values in names_of(slices).items():
        groups = _groups(slices, values)
        # What differs from slice to slice, too, as the time of each, tells no parts.
        if len(groups) <= most and max(_most_at_one_place(each) for each in groups.values()) < most:
            yield name, groups


def _groups(slices: Sequence[SliceHeader], values: Sequence[str]) -> dict[str, tuple[SliceHeader, ...]]:
    found: dict[str, list[SliceHeader]] = {}
    for each, value in zip(slices, values, strict=True):
        found.setdefault(value, []).append(each)
    return {value: tuple(found[value]) for value in sorted(found, key=_order)}


def _order(value: str) -> tuple[int, float, str]:
    try:
        return 0, float(value), value
    except ValueError:
        return 1, 0.0, value


def _distances_mm(slices: Sequence[SliceHeader]) -> list[float]:
    row, col = np.array(slices[0].cosines).reshape(2, 3)
    normal = np.cross(row, col)
    normal /= np.linalg.norm(normal) or 1.0
    return [float(each) for each in np.array([each.position_lps for each in slices]) @ normal]


def _places(slices: Sequence[SliceHeader]) -> list[int]:
    """Number the places of images along their normal; images closer than `SAME_POSITION_MM` share one."""
    distances_mm = np.array(_distances_mm(slices))
    order = np.argsort(distances_mm, kind="stable")
    places = np.empty(len(slices), np.int64)
    places[order] = np.cumsum(np.diff(distances_mm[order], prepend=-np.inf) >= SAME_POSITION_MM)
    return places.tolist()


def _most_at_one_place(slices: Sequence[SliceHeader]) -> int:
    return int(np.bincount(_places(slices)).max())


def _even(slices: Sequence[SliceHeader]) -> bool:
    """Whether the steps between the images are even, as of concatenations that share their places out in turn."""
    steps_mm = np.diff(np.sort(_distances_mm(slices)))
    usual_mm = float(np.median(steps_mm)) if steps_mm.size else 0.0
    return bool((np.abs(steps_mm - usual_mm) <= STEP_TOLERANCE * usual_mm).all())


def _overlap(groups: Mapping[str, Sequence[SliceHeader]]) -> bool:
    """Whether two groups cover the same place."""
    ranges = [range_mm(each) for each in groups.values()]
    return any(
        low_a <= high_b + SAME_POSITION_MM and low_b <= high_a + SAME_POSITION_MM
        for (low_a, high_a), (low_b, high_b) in combinations(ranges, 2)
    )


def _planes(slices: Sequence[SliceHeader]) -> list[str]:
    """Name the orientation of each image: after the plane it is closest to, with a number if there are several."""
    known: list[tuple[float, ...]] = []
    numbers: dict[tuple[float, ...], int] = {}
    for cosines in dict.fromkeys(each.cosines for each in slices):
        numbers[cosines] = next(
            (n for n, its in enumerate(known) if np.allclose(its, cosines, atol=SAME_DIRECTION)), len(known)
        )
        if numbers[cosines] == len(known):
            known.append(cosines)
    names: list[str] = []
    for cosines in known:
        normal = np.abs(np.cross(cosines[:3], cosines[3:]))
        plane = ("sagittal", "coronal", "axial")[int(np.argmax(normal))]
        count = sum(name.rstrip("0123456789") == plane for name in names)
        names.append(plane if not count else f"{plane}{count + 1}")
    return [names[numbers[each.cosines]] for each in slices]


def _types(slices: Sequence[SliceHeader]) -> tuple[list[str], list[str]]:
    """Name the kind of each image: "PHASE", and, where kinds are not known, by what differs in ImageType."""
    of_type: dict[tuple[str, ...], list[str]] = {each.traits.image_type: [] for each in slices}
    for image_type in of_type:
        words = (_KINDS.get(word, _KINDS.get(word.split("_")[0], word)) for word in image_type)
        of_type[image_type] = list(dict.fromkeys(words))
    common = set.intersection(*(set(meant) for meant in of_type.values()))
    kinds: dict[tuple[str, ...], str] = {}
    rest: dict[tuple[str, ...], str] = {}
    for image_type, meant in of_type.items():
        differing = [word for word in meant if word not in common]
        kinds[image_type] = "_".join(word for word in differing if word in _KINDS.values()) or "none"
        rest[image_type] = re.sub(r"[^\w.+-]", "_", "_".join(differing)) or "none"
    return [kinds[each.traits.image_type] for each in slices], [rest[each.traits.image_type] for each in slices]


def _directions(slices: Sequence[SliceHeader]) -> list[str]:
    """Number the directions of the diffusion gradient in the order of InstanceNumber."""
    known: dict[Hashable, str] = {(): "none"}
    for each in sorted(slices, key=lambda each: _order(each.instance)):
        known.setdefault(each.traits.direction, str(len(known)))
    return [known[each.traits.direction] for each in slices]


def _order_in_time(slices: Sequence[SliceHeader]) -> list[str]:
    """Number the images of each place in time; all "none" where not every place has as many, at different times."""
    places = _places(slices)
    by_place: dict[int, list[int]] = {}
    for n, place in enumerate(places):
        by_place.setdefault(place, []).append(n)
    nothing = ["none"] * len(slices)
    count = len(next(iter(by_place.values())))
    if count < 2 or any(len(each) != count for each in by_place.values()):
        return nothing
    for moment in zip(*(each.traits.moments for each in slices), strict=False):
        found = list(nothing)
        for images in by_place.values():
            times = {moment[n]: n for n in images if not math.isnan(moment[n])}
            for rank, time in enumerate(sorted(times), start=1):
                found[times[time]] = str(rank)
        if "none" not in found:
            return found
    return nothing


def _about(part: Part, names: Mapping[str, Sequence[str]], at: Mapping[int, int]) -> str:
    chosen_by = {name for name, _ in part.conditions}
    found = []
    for name, values in names.items():
        its = {values[at[id(each)]] for each in part.slices}
        if name not in chosen_by and not name.startswith("dim") and len(its) == 1 and its != {"none"}:
            found.append(f"{name or 'acquisition'} {its.pop()}")
    return ", ".join(found)


def _same(value: str, wanted: str) -> bool:
    return value.lower() == wanted.strip().lower() or _order(value)[:2] == _order(wanted)[:2] != (1, 0.0)
