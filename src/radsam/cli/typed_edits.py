"""The edits of a command line, in the order in which they were typed, each with its settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from typer.core import TyperCommand

from radsam.cli.terminal import usage_error

_MASKS = ("fix_mask", "fix_not_mask")
#: Prompts: those typed one after another correct together.
CORRECTIONS = (
    *("fix", "fix_not", "fix_box", "fix_not_box", "scribble", "scribble_not", "lasso", "lasso_not"),
    *_MASKS,
)
_BY_HAND = ("paint", "erase")
_OF_HISTORY = ("undo", "redo", "delete")
EDITS = (
    *CORRECTIONS,
    *_BY_HAND,
    *("delete_slice", "trim", "extend", "confirm", "unconfirm"),
    *("keep_largest", "keep_at", "islands", "fill_holes", "smooth", "grow", "shrink", "interpolate", "copy_slice"),
    *_OF_HISTORY,
)
#: Settings, and the edits that they belong to.
SETTINGS = {
    "reach": (*CORRECTIONS, *_BY_HAND),
    "slice_": _MASKS,
    "roi": (*_MASKS, *_BY_HAND),
    "radius": _BY_HAND,
    "ball": _BY_HAND,
    "within": _BY_HAND,
    "alike": _BY_HAND,
    "in_slices": ("fill_holes",),
    "to": ("copy_slice",),
}
#: The options of the running command and their values, in order.
_typed: ContextVar[tuple[tuple[str, Any], ...]] = ContextVar("options as typed", default=())


class OrderedCommand(TyperCommand):
    """A command that remembers the order of its options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, and note which option came when."""
        rest: list[str] = super().parse_args(ctx, list(args))
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        _typed.set(tuple(_with_values([each.name for each in order], ctx.params)))
        return rest


@dataclass(frozen=True)
class TypedEdit:
    """One edit as typed.

    Args:
        option: Its option, by the name of the parameter: "fix_box".
        value: Its value.
        own: Settings typed after it.
        common: Settings typed before the first edit.
    """

    option: str
    value: Any
    own: dict[str, Any] = field(default_factory=dict)
    common: Mapping[str, Any] = field(default_factory=dict)

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return flag_of(self.option)

    @property
    def is_correction(self) -> bool:
        """Whether it is a prompt for the model."""
        return self.option in CORRECTIONS

    @property
    def of_object(self) -> bool:
        """Whether it changes one object; the others go back and forth in the history."""
        return self.option not in _OF_HISTORY

    @property
    def predicts(self) -> bool:
        """Whether the model predicts slices for it."""
        return self.is_correction or self.option == "extend" or self._propagates

    @property
    def _propagates(self) -> bool:
        return self.option in _BY_HAND and self.setting("reach") not in (None, "slice")

    def setting(self, name: str) -> Any:
        """Return one of its settings; None if it was not typed."""
        return self.own.get(name, self.common.get(name))


def flag_of(name: str) -> str:
    """Return the option of a parameter."""
    return f"--{name.strip('_').replace('_', '-')}"


def typed_edits() -> list[TypedEdit]:
    """Return the edits of the running command, whose class is `OrderedCommand`.

    Raises:
        BadParameter: A setting belongs to no edit, or was typed twice.
    """
    edits: list[TypedEdit] = []
    common: dict[str, Any] = {}
    for name, value in _typed.get():
        if name in EDITS:
            edits.append(TypedEdit(name, value, common=common))
        elif name in SETTINGS:
            owner = edits[-1] if edits else None
            if owner is not None and owner.option not in SETTINGS[name]:
                raise usage_error(
                    f"{flag_of(name)} does not belong to {owner.flag}, which was typed before it. Type it after "
                    f"{_flags(SETTINGS[name])}."
                )
            of = common if owner is None else owner.own
            if name in of:
                raise usage_error(f"{flag_of(name)} is given twice for one edit.")
            of[name] = value
    for name in common:
        if not any(each.option in SETTINGS[name] for each in edits):
            raise usage_error(f"{flag_of(name)} is a setting of {_flags(SETTINGS[name])}, and none was given.")
    return edits


def _with_values(names: Sequence[str], values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Return each typed option and its value; one that may be repeated comes once per value."""
    seen: Counter[str] = Counter()
    for name in names:
        value = values.get(name)
        yield name, value[seen[name]] if isinstance(value, list | tuple) else value
        seen[name] += 1


def _flags(names: tuple[str, ...]) -> str:
    *most, last = (flag_of(each) for each in names)
    return f"{', '.join(most)} or {last}" if most else last
