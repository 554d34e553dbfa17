"""Two runs of one case at the same time, and whether their intervals cover what they differ by. Pure arithmetic."""

import dataclasses
import datetime
import math
import statistics
from collections.abc import Sequence

from bench.statistics import log_t_interval
from tests.peers.load import Load

FILE_NAME = "pairs.jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """A line of pairs.jsonl."""

    index: int
    pool: int
    """Which set of servers both runs had."""
    started_at: str
    """UTC, ISO 8601."""
    first_seconds: tuple[float, ...]
    """The step's time in each worker of one run, in the order of its rounds."""
    second_seconds: tuple[float, ...]
    """The same of the other run, which took turns with it."""
    load: Load


def covers(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether two runs differ by no more than their 95 % intervals together allow."""
    distance = abs(statistics.fmean(map(math.log, one)) - statistics.fmean(map(math.log, other)))
    return distance <= math.hypot(log_half_width(one), log_half_width(other))


def log_half_width(figures: Sequence[float]) -> float:
    """Return half of the 95 % interval over workers, on the logarithm."""
    interval = log_t_interval(figures)
    assert interval.low is not None, "a run has several rounds"
    assert interval.high is not None
    return math.log(interval.high / interval.low) / 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Apart:
    """Runs that did not take turns."""

    minutes: float
    """Median time between their starts."""
    covered: int
    comparisons: int


def apart(pairs: Sequence[Pair], lag: int) -> Apart | None:
    """Compare each run with the one on the same side *lag* pairs later; None where no two are so far apart."""
    later = list(zip(pairs, pairs[lag:], strict=False))
    if not later:
        return None
    outcomes = [
        covers(*sides)
        for one, other in later
        for sides in (
            (one.first_seconds, other.first_seconds),
            (one.second_seconds, other.second_seconds),
        )
    ]
    return Apart(
        minutes=statistics.median(_minutes_between(one, other) for one, other in later),
        covered=sum(outcomes),
        comparisons=len(outcomes),
    )


def _minutes_between(one: Pair, other: Pair) -> float:
    starts = [datetime.datetime.fromisoformat(pair.started_at) for pair in (one, other)]
    return (starts[1] - starts[0]).total_seconds() / 60
