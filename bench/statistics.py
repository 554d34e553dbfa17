"""Intervals over workers: the process is the unit of replication, never the step."""

import dataclasses
import functools
import math
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and the bounds of its confidence interval; no bounds where one value says nothing of the spread."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def half_width_ratio(self) -> float | None:
        """Half of the interval's width as a share of the value; None without bounds."""
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / (2 * self.value)

    def excludes(self, value: float, margin_ratio: float = 0.0) -> bool:
        """Whether the whole interval is further than *margin_ratio* of *value* above or below *value*."""
        if self.low is None or self.high is None:
            return False
        return self.low > value * (1 + margin_ratio) or self.high < value * (1 - margin_ratio)


def log_t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """
    Return the geometric mean of *values* and Student's t interval, computed on their logarithms.

    Args:
        values: One figure a worker. Steps of one worker are correlated and would make the interval far too narrow.
        confidence: Share of such intervals that cover the true figure.

    Raises:
        ValueError: If *values* is empty or holds anything but positive finite numbers.

    Source: method.md, section 4.
    """
    if not values:
        raise ValueError("an interval needs at least one value, got none")
    wrong = [value for value in values if not (value > 0 and math.isfinite(value))]
    if wrong:
        raise ValueError(f"an interval on logarithms needs positive finite values, got {wrong[0]}")
    logs = [math.log(value) for value in values]
    mean = math.fsum(logs) / len(logs)
    if len(logs) == 1:
        return Interval(value=values[0])
    variance = math.fsum((log - mean) ** 2 for log in logs) / (len(logs) - 1)
    half_width = _t_quantile(len(logs) - 1, (1 + confidence) / 2) * math.sqrt(variance / len(logs))
    return Interval(value=math.exp(mean), low=_exp(mean - half_width), high=_exp(mean + half_width))


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float], confidence: float = 0.95) -> Interval:
    """
    Return the geometric mean of numerator / denominator over pairs, with Student's t interval on the log ratios.

    Args:
        numerators: One figure a worker.
        denominators: The same for the other side; equal positions were measured close in time, so that drift cancels.
        confidence: Share of such intervals that cover the true ratio.

    Raises:
        ValueError: If the lengths differ, there is no pair, or a value is not a positive finite number.
    """
    if len(numerators) != len(denominators):
        raise ValueError(f"pairs need equally many values, got {len(numerators)} and {len(denominators)}")
    wrong = [value for value in denominators if not value > 0]
    if wrong:
        raise ValueError(f"a ratio needs positive denominators, got {wrong[0]}")
    return log_t_interval([top / bottom for top, bottom in zip(numerators, denominators, strict=True)], confidence)


def geometric_mean(values: Sequence[float]) -> float:
    """
    Return the geometric mean of *values*, 0 where one of them is 0 (a phase shorter than the clock's tick).

    Raises:
        ValueError: If *values* is empty or holds a negative number.
    """
    if not values:
        raise ValueError("a mean needs at least one value, got none")
    if min(values) < 0:
        raise ValueError(f"a geometric mean needs values of at least 0, got {min(values)}")
    if min(values) == 0:
        return 0.0
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def _exp(value: float) -> float:
    """Return e to the power of *value*; infinity where two wild values make that larger than a float."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


@functools.cache
def _t_quantile(degrees_of_freedom: int, probability: float) -> float:
    # Imported late: scipy.special takes about 0.4 s (scipy.stats 1.5 s), and words and tables must answer at once.
    from scipy.special import stdtrit  # noqa: PLC0415

    return float(stdtrit(degrees_of_freedom, probability))
