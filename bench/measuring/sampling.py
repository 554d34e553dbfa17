"""How many steps a worker times, and how a window's intervals become samples."""

import math
from collections.abc import Sequence

from bench.measuring.clock import Window

MIN_STEPS, MAX_STEPS = 8, 300
"""Measured for steps of 1 ms to 1 s: with 8 a figure is known to ±2.5 % 8 to 19 % sooner than with 15, and more than 30
only cost time. Fewer than 8 would leave too little for the phases' medians (reports/evidence/steps_per_worker)."""
DEADLINE_SHARE = 0.6
"""Share of the time that is left which the window may take, so that a slow case ends as a figure, not a timeout."""


def steps_per_worker(startup_seconds: float, step_seconds: float, remaining_seconds: float) -> int:
    """
    Return how many steps to time.

    More steps in one worker hardly narrow the interval, since workers differ by more than steps do; so their number
    follows the price of a worker.

    Args:
        startup_seconds: What this worker cost before its window: start, build, warm-up.
        step_seconds: Of a warm step.
        remaining_seconds: Until the worker's deadline.

    Source: Kalibera & Jones, Rigorous Benchmarking in Reasonable Time (2013), with the variances in docs/method.md.
    """
    wanted = 3 * math.sqrt(startup_seconds / step_seconds)
    affordable = DEADLINE_SHARE * remaining_seconds / step_seconds
    return max(1, int(min(max(wanted, MIN_STEPS), MAX_STEPS, affordable)))


def samples_of(window: Window, phases: Sequence[str]) -> dict[str, list[float]]:
    """Return the seconds of each phase, and of the whole `step`, of each step of *window*."""
    width = len(phases)
    intervals = window.interval_seconds
    steps = [intervals[start : start + width] for start in range(0, len(intervals), width)]
    samples = {phase: [step[index] for step in steps] for index, phase in enumerate(phases)}
    samples["step"] = [math.fsum(step) for step in steps]
    return samples
