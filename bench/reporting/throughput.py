"""Throughput of every case as bars with intervals (throughput.png)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.numbers import TIMES, times_with_interval, with_interval
from bench.reporting import _findings
from bench.reporting._bars import Bar, Panel, draw
from bench.reporting._pages import page, remarks
from bench.reporting._style import fills, save
from bench.results.frame import Run
from bench.results.rows import Row, rows

_SUBTITLE = (
    "Whole training steps; longer is better. Whiskers and ±: 95 % interval over rounds. "
    f"{TIMES}: speed-up over the reference with the same workload and global batch."
)


def write(run: Run, directory: Path) -> list[Path]:
    """Write throughput.png."""
    return save(figure(run), directory / "throughput.png")


def figure(run: Run) -> Figure:
    """Return the figure that `write` saves."""
    all_rows = rows(run)
    shown = [row for row in all_rows if row.throughput]
    case_fills = fills(run.plan.cases)

    def panel(title: str, members: Sequence[Row], labels: Sequence[str]) -> Panel:
        bars = [_bar(row, label, case_fills) for row, label in zip(members, labels, strict=True)]
        return Panel(title=title, axis_label="throughput (samples/s)", bars=tuple(bars))

    title = _findings.throughput(all_rows, run.plan.environment.devices)
    return draw(page(run, all_rows, shown, panel, title=title, subtitle=_SUBTITLE))


def _bar(row: Row, label: str, case_fills: Mapping[str, tuple[str, str]]) -> Bar:
    throughput, speedup = row.throughput, row.interval("speedup")
    assert throughput is not None
    is_reference = row.columns.get("reference_case_id") == row.case.id
    gain = "reference" if is_reference else times_with_interval(speedup) if speedup else ""
    text = "   ".join(word for word in (with_interval(throughput), gain, remarks(row)) if word)
    parts = ((throughput.value, *case_fills[row.case.id]),)
    return Bar(label=label, parts=parts, low=throughput.low, high=throughput.high, text=text)
