"""Where the level of a series changed, by PELT on logarithms, with a penalty that grows with the series' own noise."""

import dataclasses
import itertools
import math
import statistics
from collections.abc import Sequence

import numpy as np
import ruptures

from bench.statistics import MARGIN_RATIO

MIN_POINTS = 4
"""Of a level: below that one cannot tell a new level from a few bad days."""
PENALTY = 3.0
"""
Times the noise and the logarithm of the number of points: what one more change must explain.

Set by tests/studies/change_points.py, whose rates are in docs/history.md.
"""
MAX_POINTS = 250
"""The newest that are looked at: the time grows with the square of their number."""
_MIN_NOISE = 1e-4
"""Counters do not vary at all, and a penalty of nothing would find changes in rounding errors."""
_MAD_TO_DEVIATION = 1.4826
"""Of a normal distribution: its standard deviation over its median absolute deviation."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChangePoint:
    """One change of level."""

    index: int
    """Of the first point of the new level."""
    before: float
    """Median of the level before, in the series' unit."""
    after: float


def change_points(values: Sequence[float]) -> list[ChangePoint]:
    """
    Return the changes of level of *values*, oldest first; a level has at least `MIN_POINTS`.

    Args:
        values: One a run, oldest first, none below 0; of more than `MAX_POINTS` the newest are looked at.

    Source: Killick, Fearnhead and Eckley, Optimal detection of changepoints with a linear computational cost (2012);
    the cost is that of absolute deviations from a median, which a spike does not move.
    """
    skipped = max(0, len(values) - MAX_POINTS)
    recent = values[skipped:]
    if len(recent) < 2 * MIN_POINTS:
        return []
    to_log, from_log = (math.log1p, math.expm1) if min(recent) <= 0 else (math.log, math.exp)  # counts may be 0
    logs = [to_log(value) for value in recent]
    penalty = PENALTY * noise_of(logs) * math.log(len(recent))
    search = ruptures.Pelt(model="l1", min_size=MIN_POINTS, jump=1).fit(np.asarray(logs))
    borders = [0, *search.predict(pen=penalty)]
    levels = [statistics.median(logs[start:end]) for start, end in itertools.pairwise(borders)]
    found = []
    before = levels[0]
    for (border, end), after in zip(itertools.pairwise(borders[1:]), levels[1:], strict=True):
        is_large = abs(after - before) >= math.log1p(MARGIN_RATIO)
        if is_large and _nearer(logs[border:end], after, before) >= MIN_POINTS:
            found.append(ChangePoint(index=skipped + border, before=from_log(before), after=from_log(after)))
            before = after
    return found


def _nearer(logs: Sequence[float], after: float, before: float) -> int:
    """Return how many of *logs* are nearer to the new level; the search fills a short one up with old points."""
    return sum(abs(value - after) < abs(value - before) for value in logs)


def noise_of(logs: Sequence[float]) -> float:
    """
    Return the standard deviation of what varies from one point to the next, of logarithms.

    By the differences of neighbours, which a level that changes a few times leaves alone, and their median, which a
    spike does.
    """
    steps = [later - earlier for earlier, later in itertools.pairwise(logs)]
    middle = statistics.median(steps)
    deviation = _MAD_TO_DEVIATION * statistics.median(abs(step - middle) for step in steps)
    return max(deviation / math.sqrt(2), _MIN_NOISE)
