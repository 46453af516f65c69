"""Are types and array shapes checked in every test, wherever they are annotated?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from jaxtyping import Bool, Float, TypeCheckError

from radsam.metrics import dice
from radsam.volume import Box, Geometry
from signature_checks import checked

REFUSED = TypeCheckError


def check(decorated):
    import beartype

    return checked(typechecker=beartype.beartype)(decorated)


def test_the_package_is_checked() -> None:
    with pytest.raises(REFUSED):
        dice(np.zeros((2, 3), bool), "mask")
    with pytest.raises(REFUSED):
        Box(k="forty-one", i0=1, j0=1, i1=2, j1=2)
    with pytest.raises(REFUSED):
        Geometry((3, 3, 3), np.zeros((3, 4)))


@check
def joined(one: Float[np.ndarray, "n m"], other: Float[np.ndarray, "m"]) -> Float[np.ndarray, "n"]:
    return np.zeros(len(one) + (len(other) == 3))


def test_an_axis_has_one_length_in_a_call() -> None:
    assert joined(np.zeros((2, 4)), np.zeros(4)).shape == (2,)
    assert joined(np.zeros((5, 2)), np.zeros(2)).shape == (5,), "another call, another length"
    with pytest.raises(REFUSED):
        joined(np.zeros((2, 4)), np.zeros(3))
    with pytest.raises(REFUSED):
        joined(np.zeros((2, 4)), np.zeros(4, bool))
    with pytest.raises(REFUSED):
        joined(np.zeros((2, 3)), np.zeros(3))  # its result is one longer


def test_a_call_inside_another_has_lengths_of_its_own() -> None:
    @check
    def outer(one: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        joined(np.zeros((len(one) + 1, 2)), np.zeros(2))
        return one

    assert outer(np.zeros(7)).shape == (7,)


@check
@dataclass(frozen=True)
class Pair:
    mask: Bool[np.ndarray, "v u"]
    names: list[str]
    weights: Float[np.ndarray, "u"] | None = None


def test_the_values_of_a_dataclass() -> None:
    Pair(np.zeros((2, 3), bool), ["a"], np.zeros(3))
    for wrong in (
        (np.zeros((2, 3)), ["a"]),
        (np.zeros((2, 3), bool), [1]),
        (np.zeros((2, 3), bool), ["a"], np.zeros(2)),
    ):
        with pytest.raises(REFUSED):
            Pair(*wrong)


class Plain:
    @classmethod
    @check
    def counted(cls, number: int) -> int:
        return number

    @check
    def later(self, rows: Float[np.ndarray, "n"], cols: Float[np.ndarray, "n"]) -> Iterator[int]:
        yield from range(len(rows) + len(cols))

    @property
    @check
    def wrong(self) -> int:
        return "text"  # type: ignore[return-value]


def test_methods_generators_and_results() -> None:
    assert Plain.counted(3) == 3
    assert len([*Plain().later(np.zeros(2), np.zeros(2))]) == 4
    with pytest.raises(REFUSED):
        Plain.counted("3")
    with pytest.raises(REFUSED):
        [*Plain().later(np.zeros(2), np.zeros(3))]
    with pytest.raises(REFUSED):
        Plain().wrong  # noqa: B018
