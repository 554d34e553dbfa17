"""The step times of one case as points of a small drawing: the first round step by step, then every round's figure."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

from bench.metrics import step_seconds
from bench.numbers import SECONDS, digits, fitting
from bench.result import CaseResult, Measurement
from bench.results.rows import Row

# In the units of the drawing, which are CSS pixels where it has its full width.
WIDTH, HEIGHT = 720, 170
TOP, BOTTOM = 24, 140
STEPS_LEFT, STEPS_RIGHT = 84, 520
ROUNDS_LEFT, ROUNDS_RIGHT = 556, 700

MAX_WARMUP_POINTS, MAX_TIMED_POINTS = 100, 200
"""Together one for each and a half pixel; more would only make the page larger."""
_SHOWN_SHARE = 0.98
"""Of the timed steps; a few wild ones must not press all others onto a line."""
_LEAST_SPAN = 0.04
"""Of the middle, so that a quiet case looks quiet."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tick:
    """A line across with its value."""

    y: float
    text: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing:
    """What the template draws; all lengths in its units."""

    warmup: str
    """Points of a line, ``x,y x,y``."""
    timed: str
    warmup_end: float
    """Where the timed steps begin."""
    num_warmup: int
    num_timed: int
    ticks: tuple[Tick, ...]
    rounds: tuple[tuple[float, float], ...]
    """A dot each."""
    band: tuple[float, float] | None
    """Upper edge and height of the interval."""
    figure_y: float | None
    """Height of the case's figure."""
    title: str


def drawing(row: Row, results: Sequence[CaseResult]) -> Drawing | None:
    """Return the drawing of one case from all its visits; None where no step was timed."""
    measured = [found for result in results if (found := result.figures)]
    first = next((found for found in measured if found.samples_seconds.get("step")), None)
    if first is None:
        return None
    warmup, timed = list(first.warmup_seconds.get("step", ())), list(first.samples_seconds["step"])
    rounds = [step_seconds(found) for found in measured]
    interval = row.interval("step_seconds")
    low, high = _range(timed, rounds)
    y = _scale(low, high, BOTTOM, TOP)
    x = _scale(0, max(len(warmup) + len(timed) - 1, 1), STEPS_LEFT, STEPS_RIGHT)
    has_band = interval is not None and interval.low is not None and interval.high is not None
    return Drawing(
        warmup=_points(warmup, MAX_WARMUP_POINTS, 0, x, y),
        timed=_points(timed, MAX_TIMED_POINTS, len(warmup), x, y),
        warmup_end=_rounded(x(len(warmup) - 0.5)) if warmup else STEPS_LEFT,
        num_warmup=first.warmup_steps,
        num_timed=len(timed),
        ticks=_ticks(low, high, y),
        rounds=_dots(rounds, y),
        band=_band(y(interval.low or 0.0), y(interval.high or 0.0)) if has_band and interval else None,
        figure_y=_rounded(y(interval.value)) if interval else None,
        title=_title(first, timed, rounds),
    )


def _range(timed: Sequence[float], rounds: Sequence[float]) -> tuple[float, float]:
    """Return the least and the largest time that is inside the frame."""
    inside = sorted(timed)[: max(math.ceil(len(timed) * _SHOWN_SHARE), 1)]
    low, high = min(*inside, *rounds), max(*inside, *rounds)
    margin = max((high - low) * 0.05, (low + high) / 2 * _LEAST_SPAN / 2 - (high - low) / 2)
    return low - margin, high + margin or 1.0


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Return what maps *low* to *high* onto *start* to *end*, and what lies outside onto the nearer one."""

    def scaled(value: float) -> float:
        position = (min(max(value, low), high) - low) / (high - low)
        return start + (end - start) * position

    return scaled


def _points(
    values: Sequence[float], limit: int, offset: int, x: Callable[[float], float], y: Callable[[float], float]
) -> str:
    kept = [(x(offset + index), y(value)) for index, value in _thinned(values, limit)]
    if len(kept) == 1:  # a line of one point is not to be seen
        kept.append((kept[0][0] + 2, kept[0][1]))
    return " ".join(f"{_rounded(left):g},{_rounded(top):g}" for left, top in kept)


def _thinned(values: Sequence[float], limit: int) -> list[tuple[int, float]]:
    """Return at most *limit* values with their positions: the least and the largest of every stretch."""
    if len(values) <= limit:
        return list(enumerate(values))
    edges = [len(values) * number // (limit // 2) for number in range(limit // 2 + 1)]
    kept = []
    for start, end in itertools.pairwise(edges):
        positions = sorted(range(start, end), key=lambda index: values[index])
        kept += sorted({positions[0], positions[-1]})
    return [(index, values[index]) for index in kept]


def _ticks(low: float, high: float, y: Callable[[float], float]) -> tuple[Tick, ...]:
    unit = fitting(SECONDS, high)
    margin = (high - low) * 0.05
    values = (low + margin, (low + high) / 2, high - margin)
    spread = (high - low) / (low + high)  # digits enough to tell the ticks apart
    return tuple(
        Tick(y=_rounded(y(value)), text=f"{digits(value / unit.size, spread)} {unit.name}") for value in values
    )


def _dots(rounds: Sequence[float], y: Callable[[float], float]) -> tuple[tuple[float, float], ...]:
    x = _scale(-0.5, len(rounds) - 0.5, ROUNDS_LEFT, ROUNDS_RIGHT)
    return tuple((_rounded(x(number)), _rounded(y(value))) for number, value in enumerate(rounds))


def _band(low_y: float, high_y: float) -> tuple[float, float]:
    return _rounded(high_y), _rounded(max(low_y - high_y, 0.5))


def _rounded(length: float) -> float:
    return round(length, 1)


def _title(first: Measurement, timed: Sequence[float], rounds: Sequence[float]) -> str:
    """Return what the drawing shows, for those who do not see it."""
    unit = fitting(SECONDS, max(timed))
    least, largest = (f"{digits(value / unit.size)} {unit.name}" for value in (min(timed), max(timed)))
    steps = f"{first.warmup_steps} warm-up steps, then {len(timed)} timed ones of {least} to {largest}"
    low, high = (f"{digits(value / unit.size)} {unit.name}" for value in (min(rounds), max(rounds)))
    return f"Step times. First round: {steps}. All {len(rounds)} rounds: {low} to {high}."
