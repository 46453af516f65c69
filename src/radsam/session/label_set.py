"""The label set of a project: the names that its objects have, with fixed values and colours, from a TOML file.

.. code-block:: toml

    name = "Abdomen"

    [[label]]
    name = "liver"
    value = 1
    color = "#dd8265"                # left out: that of the coded name, or of the value
    code = { value = "10200004", meaning = "Liver" }     # left out: the coded name's; scheme = "SCT" unless given
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from radsam.io.dicom.organ_codes import SCHEME, Code, OrganCode, category_code, organ_code
from radsam.session.edit import LARGEST_ID, Edit
from radsam.session.history import present_objects
from radsam.session.label_objects import LabelRequest
from radsam.session.object_ids import object_ids
from radsam.settings import STRICT, read_settings, require
from radsam.volume.object_colours import Colour, rgb_of

_Text = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f~^|\\]*\S[^\x00-\x1f\x7f~^|\\]*$")]


@dataclass(frozen=True, config=STRICT)
class LabelCode:
    """The code of a label.

    Args:
        value: Its code.
        meaning: Its meaning, in words.
        scheme: Whose code; "SCT" is SNOMED CT.
        category: The kind of thing.
    """

    value: Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[A-Za-z0-9._-]+$")]
    meaning: _Text
    scheme: Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[A-Za-z0-9._-]+$")] = SCHEME
    category: Literal["organ", "tissue", "finding"] = "organ"


@dataclass(frozen=True, config=STRICT)
class Label:
    """A name that objects may have.

    Args:
        name: The name.
        value: Its value in the label map.
        color: Its colour, "#rrggbb"; None for that of the coded name, or of the value.
        code: Its code; None for that of the coded name, if the name is one.
    """

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")]
    value: Annotated[int, Field(ge=1, le=LARGEST_ID)]
    color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    code: LabelCode | None = None

    @property
    def organ(self) -> OrganCode:
        """The code of an object of this name."""
        if self.code is None:
            return organ_code(self.name)
        code = Code(self.code.value, self.code.meaning, self.code.scheme)
        return OrganCode(category_code(self.code.category), code, rgb=organ_code(self.name).rgb)

    @property
    def rgb(self) -> Colour | None:
        """The colour of an object of this name; None for that of its value."""
        return self.organ.rgb if self.color is None else rgb_of(self.color)


@dataclass(frozen=True, config=STRICT)
class LabelSet:
    """The names of a project's objects.

    Args:
        label: The names, in the order in which they are offered.
        name: The name of the set.
    """

    label: Annotated[tuple[Label, ...], Field(min_length=1)]
    name: Annotated[str, Field(max_length=64)] = ""

    def __post_init__(self) -> None:
        names = _twice([each.name for each in self.label])
        values = _twice([str(each.value) for each in self.label])
        require(
            (not names, f"each label has a name of its own, and there are two called {', '.join(names)}"),
            (not values, f"each label has a value of its own, and two have {', '.join(values)}"),
        )

    @cached_property
    def colours(self) -> dict[str, Colour]:
        """The colours of objects by their names."""
        return {each.name: each.rgb for each in self.label if each.rgb is not None}

    @cached_property
    def codes(self) -> dict[str, OrganCode]:
        """The codes that the set states, by the objects' names."""
        return {each.name: each.organ for each in self.label if each.code is not None}

    def value_of(self, name: str, edits: Sequence[Edit]) -> int | None:
        """Return the value of a name that the set has, unless another object of a session has that; None otherwise."""
        found = next((each.value for each in self.label if each.name == name), None)
        ids = object_ids(edits)
        return None if found in {ids[each] for each in present_objects(edits) if each != name} else found

    def value_for(self, name: str, edits: Sequence[Edit]) -> int | None:
        """Return the value that a new object of a session gets: its own, or one that the set leaves free."""
        if (own := self.value_of(name, edits)) is not None:
            return own
        taken = {*object_ids(edits).values(), *(each.value for each in self.label)}
        return next((number for number in range(1, LARGEST_ID + 1) if number not in taken), None)


def with_set_values(
    requests: Sequence[LabelRequest], labels: LabelSet, edits: Sequence[Edit]
) -> tuple[LabelRequest, ...]:
    """Give the objects of a label map the values of the set, and the others values that the set leaves free."""
    given: dict[str, int] = {}
    free = {*range(1, LARGEST_ID + 1)} - {*object_ids(edits).values(), *(each.value for each in labels.label)}
    for each in sorted(requests, key=lambda one: one.label):
        own = labels.value_of(each.name, edits)
        if own is None:
            own = each.label if each.label in free else min(free)
            free.remove(own)
        given[each.name] = own
    return tuple(each.model_copy(update={"label": given[each.name]}) for each in requests)


def read_label_set(path: Path) -> LabelSet:
    """Read a label set.

    Raises:
        InputError: The file cannot be read, or values are wrong; the message lists all of them.
    """
    return read_settings(LabelSet, path)


def _twice(values: Sequence[str]) -> list[str]:
    return sorted({each for each in values if values.count(each) > 1})
