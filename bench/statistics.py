"""Intervals over workers: the process is the unit of replication, never the step."""

import dataclasses
import functools
import math
import statistics
from collections.abc import Sequence
from typing import Literal

MARGIN_RATIO = 0.02
"""The smallest change that matters (docs/method.md): below it machines differ from themselves."""

Verdict = Literal["faster", "slower", "same", "inconclusive"]
"""What an interval says of a candidate's time against a baseline's."""


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

    def lies_within(self, value: float, margin_ratio: float) -> bool:
        """Whether the whole interval is at most *margin_ratio* of *value* away from *value*."""
        if self.low is None or self.high is None:
            return False
        return value * (1 - margin_ratio) <= self.low and self.high <= value * (1 + margin_ratio)


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
    logs = logs_of(values)
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


def unpaired_ratio(numerators: Sequence[float], denominators: Sequence[float], confidence: float = 0.95) -> Interval:
    """
    Return the ratio of two geometric means, with Welch's t interval on the logarithms.

    For runs apart in time, whose rounds have nothing in common; where there are pairs, `paired_ratio` is narrower.

    Args:
        numerators: One figure a worker.
        denominators: The same for the other side; as many as there are.
        confidence: Share of such intervals that cover the true ratio, if both sides are normal on logarithms.

    Raises:
        ValueError: If a side is empty or holds anything but positive finite numbers.

    Source: Welch, The generalization of 'Student's' problem when several different population variances are involved
    (1947).
    """
    tops, bottoms = logs_of(numerators), logs_of(denominators)
    distance = math.fsum(tops) / len(tops) - math.fsum(bottoms) / len(bottoms)
    if min(len(tops), len(bottoms)) == 1:
        return Interval(value=_exp(distance))
    errors = [statistics.variance(logs) / len(logs) for logs in (tops, bottoms)]
    error = math.sqrt(sum(errors))
    if error == 0:
        return Interval(value=math.exp(distance), low=math.exp(distance), high=math.exp(distance))
    parts = (squared**2 / (len(logs) - 1) for squared, logs in zip(errors, (tops, bottoms), strict=True))
    half_width = _t_quantile(sum(errors) ** 2 / math.fsum(parts), (1 + confidence) / 2) * error
    return Interval(value=math.exp(distance), low=_exp(distance - half_width), high=_exp(distance + half_width))


def verdict_of(time_ratio: Interval, margin_ratio: float = MARGIN_RATIO) -> Verdict:
    """
    Return what *time_ratio*, candidate over baseline, says: a change only where the whole interval is past the margin.

    `same` needs the whole interval inside the margin; an interval that is too wide to say either is `inconclusive`.
    """
    if time_ratio.excludes(1.0, margin_ratio):
        return "slower" if time_ratio.value > 1 else "faster"
    return "same" if time_ratio.lies_within(1.0, margin_ratio) else "inconclusive"


def rounds_needed(rounds: int, ratio: Interval, margin_ratio: float) -> int | None:
    """
    Return about how many rounds would decide.

    None: no number of them, as the value is at the margin itself, or nothing is known of the spread.
    """
    half_width = ratio.half_width_ratio
    distance = abs(margin_ratio - abs(ratio.value - 1))
    if half_width is None or not math.isfinite(half_width) or distance < margin_ratio / 20:  # 400 times as many
        return None
    return max(rounds + 1, math.ceil(round(rounds * (half_width / distance) ** 2, 6)))


def holm(p_values: Sequence[float], alpha: float = 0.05) -> list[bool]:
    """
    Return which hypotheses Holm's step-down procedure rejects, in the order of *p_values*.

    The chance that any true hypothesis is among the rejected is at most *alpha*, however they depend on each other.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure (1979).
    """
    rejected = [False] * len(p_values)
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for step, index in enumerate(order):
        if p_values[index] > alpha / (len(p_values) - step):
            break
        rejected[index] = True
    return rejected


def rate_interval(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """
    Return the bounds of the rate at which *hits* of *trials* came about, never narrower than it should be.

    Raises:
        ValueError: If there is no trial, or more hits than trials.

    Source: Clopper and Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial
    (1934).
    """
    if not 0 <= hits <= trials or trials == 0:
        raise ValueError(f"a rate needs at least one trial and at most as many hits, got {hits} of {trials}")
    from scipy.special import betaincinv  # noqa: PLC0415 (as below)

    tail = (1 - confidence) / 2
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return low, high


def log_median(values: Sequence[float]) -> float:
    """
    Return the median of the logarithms of *values*: one worker's figure, which a few slow steps do not move.

    Raises:
        ValueError: If *values* is empty or holds anything but positive finite numbers.
    """
    return statistics.median(logs_of(values))


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


def logs_of(values: Sequence[float]) -> list[float]:
    """
    Return the natural logarithm of each value.

    Raises:
        ValueError: If there is none, or one is no positive finite number.
    """
    if not values:
        raise ValueError("an interval needs at least one value, got none")
    wrong = [value for value in values if not (value > 0 and math.isfinite(value))]
    if wrong:
        raise ValueError(f"an interval on logarithms needs positive finite values, got {wrong[0]}")
    return [math.log(value) for value in values]


def _exp(value: float) -> float:
    """Return e to the power of *value*; infinity where two wild values make that larger than a float."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


@functools.cache
def _t_quantile(degrees_of_freedom: float, probability: float) -> float:
    # Imported late: scipy.special takes about 0.4 s (scipy.stats 1.5 s), and words and tables must answer at once.
    from scipy.special import stdtrit  # noqa: PLC0415

    return float(stdtrit(degrees_of_freedom, probability))
