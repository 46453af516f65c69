"""How far the effort falls from the first cases of a simulation to the last ones, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from radsam.project.simulation_rows import ARMS, Arm, EffortRow

#: The first and the last cases that are compared.
_ENDS = 5
_RESAMPLES = 9_999

#: The mean of an object in the cases themselves, then in each draw of them.
Means = Float64[np.ndarray, " draws"]


@dataclass(frozen=True)
class Fall:
    """How far a mean falls, as a share of what it falls from.

    Args:
        before: The mean that it falls from.
        after: The other one.
        low: Lower end of the 95 % interval of the share, by bootstrap over cases; None with fewer than three.
        high: Upper end.
    """

    before: float
    after: float
    low: float | None
    high: float | None

    @property
    def share(self) -> float:
        """The share: 0.4 where the mean is 40 % lower."""
        return 1 - self.after / self.before if self.before else 0.0


@dataclass(frozen=True)
class Falls:
    """The falls of a simulation, for actions or seconds of an object.

    Args:
        cases: How many first and last cases are compared.
        learning: From the first to the last cases, with learning.
        without: The same without.
        last: On the last cases, from without learning to with it.
        against: From the first to the last cases with learning, after division by what happens without it: easier and
            harder cases cancel out.
    """

    cases: int
    learning: Fall
    without: Fall
    last: Fall
    against: Fall


Value = Callable[[EffortRow], float]


def falls(rows: Sequence[EffortRow], value: Value = lambda row: row.actions) -> Falls | None:
    """Compare the first with the last cases of both arms; None before there are two cases in both.

    Args:
        rows: The rows.
        value: What is compared, of a row.
    """
    done = {arm: {row.case for row in rows if row.arm == arm} for arm in ARMS}
    order = sorted({row.order: row.case for row in rows if row.case in done["learning"] & done["without"]}.items())
    count = min(_ENDS, len(order) // 2)
    if not count:
        return None
    ends = [case for _, case in order[:count]], [case for _, case in order[-count:]]
    # By end: a case in each row, both arms in columns, the sum over its objects and their number in layers.
    first, last = (
        np.array([[_sums(rows, case, arm, value) for arm in ("learning", "without")] for case in end]) for end in ends
    )
    rng = np.random.default_rng(0)
    one, two = (_means(each[_draws(count, rng)]).T for each in (first, last))
    return Falls(
        count,
        learning=_fall(one[0], two[0]),
        without=_fall(one[1], two[1]),
        last=_fall(two[1], two[0]),
        against=_fall(_over(one[0], one[1]), _over(two[0], two[1])),
    )


def _draws(count: int, rng: np.random.Generator) -> Int64[np.ndarray, "draws count"]:
    """Return which cases are in each draw; the first draw has all of them once."""
    return np.concatenate([np.arange(count)[None], rng.integers(count, size=(_RESAMPLES, count))])


def _sums(rows: Sequence[EffortRow], case: str, arm: Arm, value: Value) -> tuple[float, int]:
    """Return the sum over the objects of a case, and their number; an absent label is an object, too."""
    values = [value(row) for row in rows if row.case == case and row.arm == arm]
    return float(sum(values)), len(values)


def _means(sums: Float64[np.ndarray, "draws cases arms 2"]) -> Float64[np.ndarray, "draws arms"]:
    """Return the mean of an object, of the sums over the objects of cases, and their numbers."""
    total = sums.sum(axis=1)
    return np.asarray(total[..., 0] / total[..., 1])


def _over(one: Means, other: Means) -> Means:
    return np.asarray(one / np.maximum(other, 1e-9))


def _fall(before: Means, after: Means) -> Fall:
    low = high = None
    if before.std() > 0 or after.std() > 0:
        low, high = (float(each) for each in np.percentile(1 - _over(after, before)[1:], [2.5, 97.5]))
    return Fall(float(before[0]), float(after[0]), low, high)
