"""What to train with: of each workload the fastest case, the leanest, and those between which one has to choose."""

import dataclasses
from collections.abc import Sequence

from bench.labels import variant
from bench.numbers import SECONDS, TIMES, digits, size, with_interval
from bench.reference import comparable_groups
from bench.results.frame import Run
from bench.results.once import once
from bench.results.pairs import Evidence, evidence_of
from bench.results.rows import Row
from bench.results.sentences import workload


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recommendation:
    """
    Among the cases that do the same work on one type of device, the one that is quickest, with rows in no doubt.

    Memory is that of the fullest device, so that what a CPU holds is not weighed against what a GPU holds.
    """

    workload: str
    global_batch_size: int
    fastest_id: str
    """The fastest of `front_ids`."""
    leanest_id: str
    front_ids: tuple[str, ...]
    """From the fastest to the leanest: each is certainly faster than the next leaner one among them."""
    sentence: str


@once
def recommendations_of(run: Run) -> list[Recommendation]:
    """Return one for each workload and global batch that has two cases or more to choose between."""
    evidence = evidence_of(run)
    groups = comparable_groups(case for case, row in evidence.rows.items() if is_eligible(row))
    on_best_device = [_of_quickest_device([evidence.rows[case] for case in group]) for group in groups]
    return [_of_group(rows, evidence) for rows in on_best_device if len(rows) > 1]


def front(rows: Sequence[Row], evidence: Evidence) -> list[Row]:
    """Return from the leanest row on each that is certainly faster than the last one returned, the fastest first."""
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: (_bytes(row), _seconds(row))):
        if not kept or _is_slower(kept[0], row, evidence):
            kept.insert(0, row)
    return kept


def is_eligible(row: Row) -> bool:
    """Whether somebody may choose it: nobody reads the loss at every step to be faster."""
    is_known = row.is_measured and row.columns.get("memory_source") == "allocator" and _bytes(row) > 0
    return is_known and row.case.loop == "clean" and not row.is_doubtful


def _of_quickest_device(rows: Sequence[Row]) -> list[Row]:
    quickest = min(rows, key=_seconds)
    return [row for row in rows if row.case.device_type == quickest.case.device_type]


def _of_group(rows: Sequence[Row], evidence: Evidence) -> Recommendation:
    best = front(rows, evidence)
    fastest, leanest = best[0], best[-1]
    return Recommendation(
        workload=fastest.case.workload,
        global_batch_size=fastest.case.global_batch_size,
        fastest_id=fastest.case.id,
        leanest_id=leanest.case.id,
        front_ids=tuple(row.case.id for row in best),
        sentence=f"{workload(fastest.case, evidence)}: {_advice(best, rows, evidence)}",
    )


def _advice(best: Sequence[Row], rows: Sequence[Row], evidence: Evidence) -> str:
    fastest, leanest = best[0], best[-1]
    is_sure = all(_is_slower(row, fastest, evidence) for row in rows if row is not fastest)
    if fastest is leanest:
        speed = "and the fastest" if is_sure else "and none is certainly faster"
        return f"{variant(leanest.case)} is the leanest ({_size(leanest)}) {speed} ({_time(leanest)})"
    name = variant(fastest.case)
    fast = f"{name} is the fastest" if is_sure else f"none is certainly faster than {name}"
    pair = evidence.pair(leanest.case, fastest.case)
    speed = f", {digits(pair.speed.value, pair.speed.half_width_ratio)}{TIMES} the speed" if pair else ""
    lean = f"the leanest is {variant(leanest.case)} ({_size(leanest)}{speed})"
    between = f"; between them: {', '.join(variant(row.case) for row in best[1:-1])}" if best[1:-1] else ""
    return f"{fast} ({_time(fastest)}, {_size(fastest)}); {lean}{between}"


def _is_slower(row: Row, other: Row, evidence: Evidence) -> bool:
    """Whether it is certain that *row* is slower than the *other*."""
    pair = evidence.pair(row.case, other.case)
    return pair is not None and pair.speed.excludes(1.0) and pair.speed.value < 1


def _time(row: Row) -> str:
    step = row.interval("step_seconds")
    assert step is not None
    return f"{with_interval(step, SECONDS)} a step"


def _size(row: Row) -> str:
    return size(_bytes(row))


def _seconds(row: Row) -> float:
    return row.number("step_seconds") or 0.0


def _bytes(row: Row) -> float:
    return row.number("peak_allocated_bytes") or 0.0
