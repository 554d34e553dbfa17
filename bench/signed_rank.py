"""
Wilcoxon's signed ranks: what pairs say of a ratio where some of them are far out.

Pairs of workers on a shared machine are: of 40 that took turns the standard deviation was 4.3 %, while the middle ones
lay within ±2.5 % (docs/method.md). Student's t takes the few for the spread of all; ranks do not.
"""

import functools
import math
import statistics
from collections.abc import Sequence

from bench.statistics import Interval, logs_of


def exceeding_p_value(ratios: Sequence[float], bound: float) -> float:
    """
    Return the exact p-value of the one-sided test that the true ratio is at most *bound*; small: it exceeds *bound*.

    Args:
        ratios: One a pair, independent of each other and as likely to lie above the true one as below it.
        bound: A ratio, such as 1.02; one that equals it counts as not above.

    Raises:
        ValueError: If *ratios* is empty or holds anything but positive finite numbers.

    Source: Wilcoxon, Individual comparisons by ranking methods (1945).
    """
    distances = [value - math.log(bound) for value in logs_of(ratios)]
    ranks = _ranks([abs(distance) for distance in distances])
    above = math.fsum(rank for rank, distance in zip(ranks, distances, strict=True) if distance > 0)
    return _chances(len(ratios))[math.floor(above)]  # ties have ranks with a half, which must not help


def interval(ratios: Sequence[float], confidence: float = 0.95) -> Interval:
    """
    Return the Hodges-Lehmann estimate of the true ratio, with the exact interval of the signed ranks.

    Fewer than six pairs have no interval of 95 %: all on one side is an accident in one of sixteen cases of five.

    Args:
        ratios: As in `exceeding_p_value`.
        confidence: The least share of such intervals that cover the true ratio.

    Raises:
        ValueError: If *ratios* is empty or holds anything but positive finite numbers.

    Source: Hodges and Lehmann, Estimates of location based on rank tests (1963).
    """
    logs = logs_of(ratios)
    means = sorted((one + other) / 2 for index, one in enumerate(logs) for other in logs[index:])
    value = math.exp(statistics.median(means))
    chances = _chances(len(logs))
    # By symmetry the chance of so many or fewer is that of as many less than all, or more.
    outside = sum(chances[len(means) - count] <= (1 - confidence) / 2 for count in range(len(means) // 2))
    if outside == 0:
        return Interval(value=value)
    return Interval(value=value, low=math.exp(means[outside - 1]), high=math.exp(means[-outside]))


def _ranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value from 1; equal ones share the mean of theirs."""
    ordered = sorted(values)
    first = {value: index for index, value in reversed(list(enumerate(ordered, start=1)))}
    return [first[value] + (ordered.count(value) - 1) / 2 for value in values]


@functools.cache
def _chances(number: int) -> list[float]:
    """Return, by sum of ranks, the chance that as much or more lies above, if each of *number* is as likely to."""
    import numpy as np  # noqa: PLC0415 (tables and words must answer at once)

    shares = np.ones(1)
    for rank in range(1, number + 1):
        shifted = np.concatenate([np.zeros(rank), shares])
        shares = (np.concatenate([shares, np.zeros(rank)]) + shifted) / 2
    chances: list[float] = np.cumsum(shares[::-1])[::-1].tolist()
    return chances
