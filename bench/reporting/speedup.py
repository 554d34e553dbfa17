"""How many times as fast as its reference every case trains, with intervals (speedup.png)."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from bench.numbers import TIMES, times_with_interval
from bench.reporting import _findings
from bench.reporting._bars import Bar, Panel, draw
from bench.reporting._pages import page, remarks
from bench.reporting._style import fills
from bench.results.frame import Run
from bench.results.once import once
from bench.results.rows import Row
from bench.results.side_by_side import rows_of

_SUBTITLE = (
    "Whole training steps, over the reference with the same workload and global batch; the mean ratio over the rounds "
    "that both have. The upright line is the reference's own speed: what ends left of it is slower. Whiskers and ±: "
    "95 % interval."
)


NEEDS = "cases beside their reference"
"""What a run must have for this figure."""


@once
def figure(*runs: Run) -> Figure:
    """Return the figure of one run, or of several side by side."""
    all_rows = rows_of(runs)
    case_fills = fills(all_rows)

    def panel(title: str, members: Sequence[Row], labels: Sequence[str]) -> Panel:
        bars = [_bar(row, label, case_fills) for row, label in zip(members, labels, strict=True)]
        return Panel(title=title, axis_label=f"speed-up ({TIMES})", bars=tuple(bars), line=1.0)

    title = (
        _findings.speedup(all_rows)
        if len(runs) == 1
        else _findings.beside(all_rows, "Speed-up over each run's own reference")
    )
    return draw(page(runs, all_rows, _shown(all_rows), panel, title=title, subtitle=_SUBTITLE, explains_unshown=False))


def _shown(all_rows: Sequence[Row]) -> list[Row]:
    """Return the rows that have a reference besides themselves."""
    return [
        row
        for row in all_rows
        if row.is_measured and row.interval("speedup") and row.columns.get("reference_case_id") != row.case.id
    ]


def _bar(row: Row, label: str, case_fills: Mapping[tuple[str, str], tuple[str, str]]) -> Bar:
    speedup = row.interval("speedup")
    assert speedup is not None
    text = "   ".join(word for word in (times_with_interval(speedup), remarks(row)) if word)
    parts = ((speedup.value, *case_fills[row.key]),)
    return Bar(label=label, parts=parts, low=speedup.low, high=speedup.high, text=text, is_doubtful=row.is_doubtful)
