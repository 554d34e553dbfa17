"""Throughput of every case as bars with intervals (throughput.png)."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from bench.numbers import TIMES, times_with_interval, with_interval
from bench.reporting import _findings
from bench.reporting._bars import Bar, Panel, draw
from bench.reporting._pages import page, remarks
from bench.reporting._style import fills
from bench.results.frame import Run
from bench.results.once import once
from bench.results.rows import Row
from bench.results.side_by_side import RUN_RATIO, rows_of

_SUBTITLE = (
    "Whole training steps; longer is better. Whiskers and ±: 95 % interval over rounds. "
    f"{TIMES}: speed-up over the reference with the same workload and global batch."
)
_BESIDE = (
    "Whole training steps; longer is better. Whiskers and ±: 95 % interval over rounds. "
    f"{TIMES}: times the throughput of the same case in the first run."
)


NEEDS = "measured cases"
"""What a run must have for this figure."""


@once
def figure(*runs: Run) -> Figure:
    """Return the figure of one run, or of several side by side."""
    all_rows = rows_of(runs)
    shown = [row for row in all_rows if row.throughput]
    case_fills = fills(all_rows)

    def panel(title: str, members: Sequence[Row], labels: Sequence[str]) -> Panel:
        bars = [_bar(row, label, case_fills) for row, label in zip(members, labels, strict=True)]
        return Panel(title=title, axis_label="throughput (samples/s)", bars=tuple(bars))

    title = (
        _findings.throughput(all_rows, runs[0].plan.environment.devices)
        if len(runs) == 1
        else _findings.throughput_beside(all_rows)
    )
    return draw(page(runs, all_rows, shown, panel, title=title, subtitle=_SUBTITLE if len(runs) == 1 else _BESIDE))


def _bar(row: Row, label: str, case_fills: Mapping[tuple[str, str], tuple[str, str]]) -> Bar:
    throughput = row.throughput
    assert throughput is not None
    text = "   ".join(word for word in (with_interval(throughput), _gain(row), remarks(row)) if word)
    parts = ((throughput.value, *case_fills[row.key]),)
    return Bar(
        label=label,
        parts=parts,
        low=throughput.low,
        high=throughput.high,
        text=text,
        is_doubtful=row.is_doubtful,
    )


def _gain(row: Row) -> str:
    """Return the speed-up in the row's run, or the ratio to the first run where there are several."""
    if row.run_name:
        ratio = row.interval(RUN_RATIO)
        return times_with_interval(ratio) if ratio else ""
    if row.columns.get("reference_case_id") == row.case.id:
        return "reference"
    speedup = row.interval("speedup")
    return times_with_interval(speedup) if speedup and speedup.low is not None else ""
