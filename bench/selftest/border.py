"""A look at the clock costs next to nothing."""

import statistics

from bench.measuring.clock import Clock
from bench.running.pool import Pool
from bench.selftest._check import Bar, Finding, Seen, decide
from bench.selftest._other_clock import now_ns
from bench.statistics import Interval

BAR = Bar(low=0.0, high=1e-6, text="at most 1 µs a border")
"""With four borders a step, 0.1 % of the shortest step that a built-in workload has (about 5 ms), and some room."""
PARTS, BORDERS = 11, 1000
"""In a block: about two milliseconds, and its figure is the median part, which no time-slice of another program moves.
A part takes about 0.2 ms, far above the resolution of any clock."""


def run(pool: Pool) -> Finding:
    """Mark borders until it is known."""
    return decide(pool, "bench.selftest.border:observe", judge)


def judge(seen: Seen) -> Finding:
    """Hold the cost of a border against the bar."""
    return BAR.judge_mean(seen, "border_seconds", _microseconds)


def observe(blocks: int) -> dict[str, list[float]]:
    """Return what a border of the CPU's clock costs in each of *blocks*, the loop around it included; in a worker."""
    from bench.measuring.device import CpuDevice  # noqa: PLC0415 (imports torch)

    clock = CpuDevice().clock()
    return {"border_seconds": [statistics.median(_cost(clock) for _ in range(PARTS)) for _ in range(blocks)]}


def _cost(clock: Clock) -> float:
    """Return the seconds of a border, in one part."""
    clock.begin()
    border = clock.border
    start_ns = now_ns()
    for _ in range(BORDERS):
        border()
    return (now_ns() - start_ns) / 1e9 / BORDERS


def _microseconds(cost: Interval) -> str:
    bounds = "" if cost.low is None or cost.high is None else f" [{1e6 * cost.low:.3f}, {1e6 * cost.high:.3f}]"
    return f"{1e6 * cost.value:.3f} µs{bounds}"
