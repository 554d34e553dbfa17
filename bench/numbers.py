"""Numbers as a person reads them: scaled to a fitting unit, cut to the digits that the interval supports."""

import dataclasses
import math

from bench.statistics import Interval

TIMES = "\N{MULTIPLICATION SIGN}"

_UNKNOWN_DIGITS = 3
"""Digits of a figure whose spread is not known."""
_MIN_DIGITS, _MAX_DIGITS = 2, 4
"""Fewer look like a placeholder, more are never trusted: servers of one machine already differ by 0.8 %."""
_RATIO_DECIMALS = 2
"""Of a bound near 1, where 2 % decide."""
_WHOLE_PERCENT = 9.95
"""From here a share is shown without a decimal; it is where one decimal would round up to 10.0."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit that a figure is shown in."""

    name: str
    size: float
    """In base units."""


SECONDS = tuple(Unit(name=name, size=size) for name, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)))
BYTES = tuple(
    Unit(name=name, size=size)
    for name, size in (("TiB", 2.0**40), ("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0))
)


def fitting(units: tuple[Unit, ...], value: float) -> Unit:
    """Return the largest of *units* (largest first) in which *value* is at least 1; the smallest for 0."""
    return next((unit for unit in units if value >= unit.size), units[-1])


def digits(value: float, half_width_ratio: float | None = None) -> str:
    """Return *value* with as many digits as its interval's half-width supports: ``4.82`` for 4.8231 ± 2 %."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    kept = _UNKNOWN_DIGITS if half_width_ratio is None else _supported_digits(value, half_width_ratio)
    decimals = kept - 1 - _magnitude(value)
    return f"{round(value, decimals):,.{max(decimals, 0)}f}"


def _supported_digits(value: float, half_width_ratio: float) -> int:
    """Return how many digits lie above the noise, its own first digit included."""
    if half_width_ratio == 0:
        return _MAX_DIGITS
    if not math.isfinite(half_width_ratio):
        return _MIN_DIGITS
    supported = _magnitude(value) - _magnitude(value * half_width_ratio) + 1
    return min(max(supported, _MIN_DIGITS), _MAX_DIGITS)


def _magnitude(value: float) -> int:
    """Return the power of ten of the first digit."""
    return math.floor(math.log10(abs(value)))


def percent(half_width_ratio: float | None) -> str:
    """Return an interval's half-width, ``±1.9 %``; empty where there is none."""
    if half_width_ratio is None:
        return ""
    if half_width_ratio >= 1:
        return "±>100 %"
    points = half_width_ratio * 100
    return f"±{points:.0f} %" if points >= _WHOLE_PERCENT else f"±{points:.1f} %"


def share(ratio: float) -> str:
    """Return a share of a peak in percent."""
    if ratio < 0.001:  # noqa: PLR2004 (what would be shown as nothing)
        return "<0.1 %"
    return f"{100 * ratio:.{0 if ratio >= 0.1 else 1}f} %"  # noqa: PLR2004 (two digits)


def with_interval(interval: Interval, units: tuple[Unit, ...] = (), suffix: str = "") -> str:
    """Return a figure, its unit and its half-width: ``4.82 ms ±1.9 %``."""
    ratio = interval.half_width_ratio
    unit = fitting(units, interval.value) if units else Unit(name="", size=1.0)
    figure = digits(interval.value / unit.size, ratio) + suffix
    return " ".join(word for word in (figure, unit.name, percent(ratio)) if word)


def times_with_interval(interval: Interval) -> str:
    """Return a ratio and its half-width: ``1.84x ±1.9 %`` with the proper sign."""
    return with_interval(interval, suffix=TIMES)


def with_bounds(interval: Interval) -> tuple[str, str]:
    """Return a ratio and its bounds: ``("2.8", "2.74 to 2.88")``; one that excludes 1 must not be rounded to 1."""
    figure = digits(interval.value, interval.half_width_ratio)
    if interval.low is None or interval.high is None:
        return figure, ""
    decimals = max(len(figure.partition(".")[2]), _RATIO_DECIMALS if interval.value < 10 else 0)  # noqa: PLR2004 (a digit)
    return figure, f"{interval.low:,.{decimals}f} to {interval.high:,.{decimals}f}"


def percent_with_bounds(share: Interval) -> str:
    """Return a share and its bounds: ``80 % (78 to 83)``."""
    figure = f"{100 * share.value:.0f} %"
    return (
        figure
        if share.low is None or share.high is None
        else f"{figure} ({100 * share.low:.0f} to {100 * share.high:.0f})"
    )


def with_unit(value: float, units: tuple[Unit, ...]) -> str:
    """Return a figure whose spread is not known, in a fitting unit: ``1.42 ms``."""
    unit = fitting(units, value)
    return f"{digits(value / unit.size)} {unit.name}"


def size(value: float) -> str:
    """Return an amount of memory, ``123 MiB``."""
    unit = fitting(BYTES, value)
    scaled = value / unit.size
    # Memory is exact, so that 1,023 MiB must not become 1,020.
    return (
        f"{scaled:,.0f} {unit.name}"
        if _magnitude(max(scaled, 1.0)) + 1 >= _UNKNOWN_DIGITS
        else f"{digits(scaled)} {unit.name}"
    )
