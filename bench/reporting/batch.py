"""Throughput over the batch size (batch.png)."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from bench.labels import variant
from bench.reporting import _choices, _findings
from bench.reporting._frame import Words
from bench.reporting._pages import notes, origin
from bench.reporting._plots import Plot, Series, draw
from bench.results.frame import Run
from bench.results.once import once
from bench.results.pairs import evidence_of
from bench.results.rows import Row
from bench.results.side_by_side import rows_of

_SUBTITLE = "Samples over all devices in one step, against samples per second. Whiskers: 95 % interval over rounds."


NEEDS = "cases that differ in their batch alone"
"""What a run must have for this figure."""


@once
def figure(*runs: Run) -> Figure:
    """Return the figure of one run, or of several side by side."""
    all_rows = rows_of(runs)
    groups = _groups(all_rows)
    lines = [line for lines in groups for line in lines]
    shown = [row for line in lines for row in line]
    words = Words(
        title=_findings.batch(lines, evidence_of(runs[0]))
        if len(runs) == 1
        else _findings.beside(all_rows, "Throughput over the batch size"),
        subtitle=(_SUBTITLE, *origin(runs)),
        notes=tuple(notes(runs, all_rows, shown, explains_unshown=False)),
    )
    colours = _choices.colours(all_rows)
    return draw(words, [_plot(lines, colours) for lines in groups])


def _groups(all_rows: Sequence[Row]) -> list[list[list[Row]]]:
    """Return for each workload and run the lines of rows that differ in their batch alone, smallest batch first."""
    lines: dict[tuple[str, str, str], list[Row]] = {}
    for row in all_rows:
        if row.throughput:
            lines.setdefault((row.run_name, row.case.workload, variant(row.case)), []).append(row)
    groups: dict[tuple[str, str], list[list[Row]]] = {}
    for (run_name, workload, _), line in lines.items():
        if len({row.case.global_batch_size for row in line}) > 1:
            ordered = sorted(line, key=lambda row: row.case.global_batch_size)
            groups.setdefault((run_name, workload), []).append(ordered)
    return list(groups.values())


def _plot(lines: Sequence[Sequence[Row]], colours: Mapping[tuple[str, str], str]) -> Plot:
    sizes = tuple(sorted({float(row.case.global_batch_size) for line in lines for row in line}))
    return Plot(
        title=_choices.name(lines[0][0]),
        x_label="global batch (samples)",
        y_label=_choices.THROUGHPUT,
        series=tuple(
            Series(
                label=variant(line[0].case),
                points=tuple(_choices.point(row, float(row.case.global_batch_size)) for row in line),
                colour=colours[line[0].key],
            )
            for line in lines
        ),
        x_ticks=sizes,
    )
