"""Bencher Metric Format: latency in ns, throughput in samples/s and peak memory in bytes of every case."""

import json

from bench.exporting.pytest_benchmark import named
from bench.results.frame import Run
from bench.results.rows import Row
from bench.statistics import Interval

ENDING = ".json"
NANOSECONDS = 1e9
"""Of a second: Bencher's built-in measure `latency` counts them, `throughput` counts operations a second."""


def export(run: Run) -> bytes:
    """Return each measured case with its measures, and the ends of their intervals where they have any."""
    found = {name: _measures(row) for name, row in named(run).items()}
    return (json.dumps(found, indent=2) + "\n").encode()


def _measures(row: Row) -> dict[str, dict[str, float]]:
    measures = {}
    if step := row.interval("step_seconds"):
        measures["latency"] = _metric(step, NANOSECONDS)
    if row.throughput:
        measures["throughput"] = _metric(row.throughput)
    if memory := row.number("peak_allocated_bytes"):
        measures["peak-memory"] = {"value": memory}
    return measures


def _metric(interval: Interval, scale: float = 1.0) -> dict[str, float]:
    """Return a figure with its bounds; JSON knows no infinity, which two wild rounds may reach."""
    bounds = {"lower_value": interval.low, "upper_value": interval.high}
    known = {name: scale * bound for name, bound in bounds.items() if bound is not None and bound < float("inf")}
    return {"value": scale * interval.value, **known}
