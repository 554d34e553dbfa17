"""What github-action-benchmark takes as `customSmallerIsBetter`: time of a step and peak memory of every case."""

import json
from typing import Any

from bench.exporting.pytest_benchmark import named
from bench.labels import variant
from bench.numbers import percent
from bench.results.frame import Run
from bench.results.rows import Row

ENDING = ".json"


def export(run: Run) -> bytes:
    """Return a list of figures of which less is better."""
    figures = [figure for name, row in named(run).items() for figure in _figures(row, name)]
    return (json.dumps(figures, indent=2) + "\n").encode()


def _figures(row: Row, name: str) -> list[dict[str, Any]]:
    step, memory = row.interval("step_seconds"), row.number("peak_allocated_bytes")
    assert step is not None
    extra = ", ".join((variant(row.case, with_batch=True), *row.flags))
    found = [_figure(f"{name} step", step.value, "s", extra)]
    if step.half_width_ratio is not None:
        found[0]["range"] = percent(step.half_width_ratio)
    if memory is not None:
        found.append(_figure(f"{name} peak memory", memory, "bytes", extra))
    return found


def _figure(name: str, value: float, unit: str, extra: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "extra": extra}
