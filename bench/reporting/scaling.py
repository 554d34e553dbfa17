"""Throughput over the number of devices, against what they would do if none had to wait (scaling.png)."""

import dataclasses
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from bench.case import Case
from bench.labels import extras
from bench.reporting import _choices, _findings
from bench.reporting._frame import Words
from bench.reporting._pages import notes, origin
from bench.reporting._plots import Plot, Series, draw
from bench.results.frame import Run
from bench.results.once import once
from bench.results.pairs import evidence_of
from bench.results.rows import Row
from bench.results.side_by_side import rows_of

_SUBTITLE = (
    "The same global batch, split over more devices. Dashed: as many times the throughput of one as there are devices; "
    "on the CPU, where more processes have fewer threads each, the throughput of one. Whiskers: 95 % interval."
)


NEEDS = "cases on one device and on several, with one global batch"
"""What a run must have for this figure."""


@once
def figure(*runs: Run) -> Figure:
    """Return the figure of one run, or of several side by side."""
    all_rows = rows_of(runs)
    groups = _groups(all_rows)
    shown = list({row.key: row for group in groups for row in group}.values())
    words = Words(
        title=_findings.scaling(groups, evidence_of(runs[0]))
        if len(runs) == 1
        else _findings.beside(all_rows, "Scaling"),
        subtitle=(_SUBTITLE, *origin(runs)),
        notes=tuple(notes(runs, all_rows, shown, explains_unshown=False)),
    )
    colours = _choices.colours(all_rows)
    return draw(words, [_plot(group, colours) for group in groups])


def _groups(all_rows: Sequence[Row]) -> list[list[Row]]:
    """Return rows that differ in strategy and number of devices alone, first the one on a single device."""
    found: dict[tuple[str, Case], list[Row]] = {}
    for row in all_rows:
        case = row.case
        if row.throughput:
            alone = dataclasses.replace(case, strategy="single", num_devices=1, batch_size=case.global_batch_size)
            found.setdefault((row.run_name, alone), []).append(row)
    groups = [sorted(group, key=lambda row: row.case.num_devices) for group in found.values()]
    return [group for group in groups if group[0].case.num_devices == 1 and group[-1].case.num_devices > 1]


def _plot(group: Sequence[Row], colours: Mapping[tuple[str, str], str]) -> Plot:
    first, one = group[0].case, group[0].throughput
    assert one is not None
    on_cpu = first.device_type == "cpu"
    batch = f"global batch {first.global_batch_size}"
    counts = tuple(sorted({float(row.case.num_devices) for row in group}))
    strategies = dict.fromkeys(row.case.strategy for row in group if row.case.num_devices > 1)
    return Plot(
        title=", ".join((f"{_choices.name(group[0])} on {first.device}", first.precision, *extras(first), batch)),
        x_label="processes" if on_cpu else "devices",
        y_label=_choices.THROUGHPUT,
        series=tuple(_series(strategy, group, colours) for strategy in strategies),
        line=tuple((count, (1 if on_cpu else count) * one.value) for count in counts),
        line_label="as fast as one process" if on_cpu else "if none had to wait",
        x_ticks=counts,
    )


def _series(strategy: str, group: Sequence[Row], colours: Mapping[tuple[str, str], str]) -> Series:
    """Return the line of one strategy, from the single device on."""
    members = [row for row in group if row.case.num_devices == 1][:1]
    members += [row for row in group if row.case.strategy == strategy and row.case.num_devices > 1]
    points = tuple(_choices.point(row, float(row.case.num_devices)) for row in members)
    return Series(label=strategy, points=points, colour=colours[members[-1].key])
