"""Throughput over the batch size (batch.png)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.labels import variant
from bench.reporting import _choices, _findings
from bench.reporting._frame import Words
from bench.reporting._pages import notes, origin
from bench.reporting._plots import Plot, Series, draw
from bench.reporting._style import save
from bench.results.frame import Run
from bench.results.rows import Row, rows

_SUBTITLE = "Samples over all devices in one step, against samples per second. Whiskers: 95 % interval over rounds."


def write(run: Run, directory: Path) -> list[Path]:
    """Write batch.png, where a case was measured with several batch sizes."""
    return save(figure(run), directory / "batch.png") if _groups(rows(run)) else []


def figure(run: Run) -> Figure:
    """Return the figure that `write` saves."""
    all_rows = rows(run)
    groups = _groups(all_rows)
    shown = [row for lines in groups.values() for line in lines for row in line]
    words = Words(
        title=_findings.batch([line for lines in groups.values() for line in lines]),
        subtitle=(_SUBTITLE, *origin(run)),
        notes=tuple(notes(run, all_rows, shown, explains_unshown=False)),
    )
    return draw(words, [_plot(lines, _choices.colours(run)) for lines in groups.values()])


def _groups(all_rows: Sequence[Row]) -> dict[str, list[list[Row]]]:
    """Return by workload the lines of rows that differ in their batch alone, smallest batch first."""
    lines: dict[tuple[str, str], list[Row]] = {}
    for row in all_rows:
        if row.throughput:
            lines.setdefault((row.case.workload, variant(row.case)), []).append(row)
    groups: dict[str, list[list[Row]]] = {}
    for (workload, _), line in lines.items():
        if len({row.case.global_batch_size for row in line}) > 1:
            ordered = sorted(line, key=lambda row: row.case.global_batch_size)
            groups.setdefault(workload, []).append(ordered)
    return groups


def _plot(lines: Sequence[Sequence[Row]], colours: Mapping[str, str]) -> Plot:
    sizes = tuple(sorted({float(row.case.global_batch_size) for line in lines for row in line}))
    return Plot(
        title=_choices.name(lines[0][0].case),
        x_label="global batch (samples)",
        y_label=_choices.THROUGHPUT,
        series=tuple(
            Series(
                label=variant(line[0].case),
                points=tuple(_choices.point(row, float(row.case.global_batch_size)) for row in line),
                colour=colours[line[0].case.id],
            )
            for line in lines
        ),
        x_ticks=sizes,
    )
