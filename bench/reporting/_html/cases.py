"""Every case in detail: its figures, its samples, its flags and notes, and how it failed."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from bench.explanations import Explanation, explain
from bench.flags import FLAGS
from bench.labels import variant
from bench.metrics import METRICS
from bench.numbers import SECONDS, digits, share, size, times_with_interval, with_interval
from bench.reporting._html.samples import Drawing, drawing
from bench.reporting._unmeasured import NEVER_RAN
from bench.result import CaseResult
from bench.results.frame import Run
from bench.results.rows import Row

MAX_DRAWINGS = 100
"""Of samples in one page, 3 KB each: a page of a thousand cases must still open at once."""
MAX_LOGS = 50
"""Of ranks in one page, for the same reason; each may have 40 lines."""
_ELSEWHERE = {
    *("case_id", "workload", "device", "strategy", "precision", "compile", "input", "loop", "status", "reason"),
    *("flags", "notes", "item", "speedup_low", "speedup_high", "step_seconds_low", "step_seconds_high"),
}
"""Columns that the name of a case, its other parts, or another figure say already."""
_SPECIAL: Mapping[str, Callable[[float], str]] = {
    "flops_per_second": lambda rate: f"{rate / 1e9:,.4g} GFLOP/s",
    "mfu_ratio": share,
    "memory_bandwidth_ratio": share,
}
_BY_UNIT: Sequence[tuple[str, Callable[[float], str]]] = (
    ("_bytes_per_second", lambda rate: f"{size(rate)}/s"),
    ("_per_second", lambda rate: f"{digits(rate)}/s"),
    ("_bytes", size),
    ("_ratio", lambda ratio: f"{ratio:.2g}"),
    ("_joules", lambda energy: f"{digits(energy)} J"),
    ("_watts", lambda power: f"{digits(power)} W"),
)
"""Ending of a column to how its figure is written; the first that fits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Doubt:
    """One flag."""

    name: str
    meaning: str
    """Empty: a newer version wrote it."""
    cure: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ending:
    """How one visit failed."""

    round_number: int
    """Counts from 1."""
    status: str
    reason: str
    explanation: Explanation | None
    logs: tuple[tuple[str, str], ...]
    """Rank and the last lines that it wrote."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Detail:
    """One case."""

    anchor: str
    name: str
    status: str
    reason: str
    is_failure: bool
    headline: str
    """Its step time, or empty."""
    figures: tuple[tuple[str, str], ...]
    doubts: tuple[Doubt, ...]
    notes: str
    endings: tuple[Ending, ...]
    drawing: Drawing | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Details:
    """All of them, and how many are without what the page has no room for."""

    cases: tuple[Detail, ...]
    num_undrawn: int
    num_logs_left_out: int


def anchor(case_id: str) -> str:
    """Return the name by which a case is linked to."""
    return f"case-{case_id}"


def details(run: Run, rows: Sequence[Row]) -> Details:
    """Return the details of every case, in the order of *rows*."""
    by_case: dict[str, list[CaseResult]] = {row.case.id: [] for row in rows}
    for result in run.results:
        by_case.setdefault(result.case.id, []).append(result)
    measured = [row.case.id for row in rows if any(result.figures for result in by_case[row.case.id])]
    drawn = set(measured[:MAX_DRAWINGS])
    logs = _Logs(MAX_LOGS)
    found = tuple(_detail(row, by_case[row.case.id], logs, is_drawn=row.case.id in drawn) for row in rows)
    return Details(cases=found, num_undrawn=len(measured) - len(drawn), num_logs_left_out=logs.num_left_out)


def glossary(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return what the figures of *rows* are, by the names that they have in the details."""
    present = {name for row in rows if row.is_measured for name in row.columns}
    return [(_label(metric.name), metric.summary) for metric in METRICS.values() if metric.name in present]


class _Logs:
    """Hands out the logs of failures until the page has enough of them."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self.num_left_out = 0

    def of(self, result: CaseResult) -> tuple[tuple[str, str], ...]:
        """Return the ranks' last lines."""
        tails = result.failure.log_tail if result.failure else {}
        found = [(rank, "\n".join(lines)) for rank, lines in tails.items() if lines]
        kept = found[: self._left]
        self._left -= len(kept)
        self.num_left_out += len(found) - len(kept)
        return tuple(kept)


def _detail(row: Row, results: Sequence[CaseResult], logs: _Logs, *, is_drawn: bool) -> Detail:
    step = row.interval("step_seconds") if row.is_measured else None
    return Detail(
        anchor=anchor(row.case.id),
        name=f"{row.case.workload} on {variant(row.case, with_batch=True)}",
        status=row.status,
        reason=row.reason,
        is_failure=row.status not in ("ok", *NEVER_RAN),
        headline=with_interval(step, SECONDS) if step else "",
        figures=_figures(row),
        doubts=tuple(doubt(name) for name in row.flags),
        notes=str(row.columns.get("notes", "")),
        endings=tuple(_ending(result, logs) for result in results if result.failure or result.status != "ok"),
        drawing=drawing(row, results) if is_drawn else None,
    )


def doubts(rows: Sequence[Row]) -> list[Doubt]:
    """Return what the flags of *rows* mean, each once."""
    return [doubt(name) for name in dict.fromkeys(flag for row in rows for flag in row.flags)]


def doubt(name: str) -> Doubt:
    """Return what the flag *name* means."""
    known = FLAGS.get(name)
    return Doubt(name=name, meaning=known.meaning if known else "", cure=known.cure if known else "")


def _ending(result: CaseResult, logs: _Logs) -> Ending:
    reason = result.why or ""
    return Ending(
        round_number=result.round + 1,
        status=result.status,
        reason=reason,
        explanation=None if result.status in NEVER_RAN else explain(reason),
        logs=logs.of(result),
    )


def _figures(row: Row) -> tuple[tuple[str, str], ...]:
    left_out = _ELSEWHERE | ({"throughput_items_per_second"} if row.columns.get("item") == "sample" else set())
    names = [name for name, value in row.columns.items() if name not in left_out and value != ""]
    return tuple((_label(name), _text(row, name)) for name in names)


def _label(column: str) -> str:
    """Return a column's name without its unit, which its figure brings along."""
    for ending in ("_per_second", "_seconds", "_bytes", "_ratio", "_joules", "_watts"):
        column = column.removesuffix(ending)
    return column.replace("_", " ")


def _text(row: Row, column: str) -> str:
    value = row.columns[column]
    if isinstance(value, str):
        return value
    if text := _as_sure_as_its_interval(row, column):
        return text
    by_unit = next((to_text for ending, to_text in _BY_UNIT if column.endswith(ending)), None)
    if to_text := _SPECIAL.get(column, by_unit):
        return to_text(float(value))
    return f"{value:,}" if isinstance(value, int) else digits(float(value))


def _as_sure_as_its_interval(row: Row, column: str) -> str:
    """Return a figure that may have an interval; empty: it is none of them."""
    interval = row.interval(column)
    if column.endswith("_seconds") and interval:
        return with_interval(interval, SECONDS)
    if column == "speedup" and interval:
        return times_with_interval(interval)
    if column.startswith("throughput_") and interval and row.throughput:
        return f"{digits(interval.value, row.throughput.half_width_ratio)}/s"
    return ""
