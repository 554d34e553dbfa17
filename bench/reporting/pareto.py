"""Throughput against memory of every case, with the cases that no other one beats in both (pareto.png)."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from bench.labels import variant
from bench.numbers import BYTES, fitting
from bench.reporting import _choices, _findings
from bench.reporting._frame import Words
from bench.reporting._pages import notes, origin
from bench.reporting._plots import Plot, Series, draw
from bench.results.frame import Run
from bench.results.once import once
from bench.results.pairs import evidence_of
from bench.results.recommendation import front, is_eligible
from bench.results.rows import Row
from bench.results.side_by_side import by_name, rows_of

_SUBTITLE = (
    "Up is faster, left needs less memory. Through the dashed line go the cases of which each is certainly faster than "
    "the next leaner one on it; the others are faint. Whiskers: 95 % interval over rounds."
)


NEEDS = "cases of one workload and global batch to choose between, with their memory"
"""What a run must have for this figure."""


@once
def figure(*runs: Run) -> Figure:
    """Return the figure of one run, or of several side by side."""
    all_rows = rows_of(runs)
    groups = _groups(all_rows)
    shown = [row for group in groups for row in group]
    evidence = {name: evidence_of(run) for name, run in by_name(runs).items()}
    fronts = [front([row for row in group if is_eligible(row)], evidence[group[0].run_name]) for group in groups]
    words = Words(
        title=_findings.pareto(fronts)
        if len(runs) == 1
        else _findings.beside(all_rows, "Throughput against peak memory"),
        subtitle=(_SUBTITLE, *origin(runs)),
        notes=tuple(notes(runs, all_rows, shown)),
    )
    colours = _choices.colours(all_rows)
    return draw(words, [_plot(group, best, colours) for group, best in zip(groups, fronts, strict=True)])


def _groups(all_rows: Sequence[Row]) -> list[list[Row]]:
    """Return what can be chosen between: two or more rows of one workload, global batch, device type and run."""
    found: dict[tuple[str, str, int, str], list[Row]] = {}
    for row in all_rows:
        if row.throughput and row.number("peak_allocated_bytes"):
            key = (row.run_name, row.case.workload, row.case.global_batch_size, row.case.device_type)
            found.setdefault(key, []).append(row)
    return [group for group in found.values() if len(group) > 1]


def _plot(group: Sequence[Row], best: Sequence[Row], colours: Mapping[tuple[str, str], str]) -> Plot:
    unit = fitting(BYTES, max(map(_bytes, group)))
    first = group[0].case
    return Plot(
        title=f"{_choices.name(group[0])} on {first.device_type}, global batch {first.global_batch_size}",
        x_label=f"peak memory per device ({unit.name})",
        y_label=_choices.THROUGHPUT,
        series=tuple(
            Series(
                label=variant(row.case),
                points=(_choices.point(row, _bytes(row) / unit.size),),
                colour=colours[row.key],
                is_faint=row not in best,
            )
            for row in group
        ),
        line=tuple((_bytes(row) / unit.size, _samples(row)) for row in best),
        line_label="each certainly faster than the next leaner one on this line",
    )


def _bytes(row: Row) -> float:
    return row.number("peak_allocated_bytes") or 0.0


def _samples(row: Row) -> float:
    return row.throughput.value if row.throughput else 0.0
