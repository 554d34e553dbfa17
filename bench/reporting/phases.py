"""Where the time of a step goes: forward, backward, optimizer, copy (phases.png)."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.numbers import SECONDS, Unit, fitting, with_interval
from bench.reporting import _findings
from bench.reporting._bars import Bar, Panel, draw
from bench.reporting._pages import page, remarks
from bench.reporting._style import BLUE, GREEN, INK, ORANGE, PURPLE
from bench.result import PHASES
from bench.results.frame import Run
from bench.results.once import once
from bench.results.rows import Row
from bench.results.side_by_side import rows_of

_FILLS = {"h2d": (PURPLE, "xxxx"), "forward": (BLUE, ""), "backward": (ORANGE, ""), "optimizer": (GREEN, "....")}
_NAMES = {"h2d": "copy to the device (h2d)", "forward": "forward and loss"}
_SUBTITLE = (
    "Median of each phase in the order in which they run; shorter is better. Phases need not add up to the step: "
    "the step is timed as a whole. Whiskers and ±: 95 % interval of the step over rounds."
)


NEEDS = "measured cases"
"""What a run must have for this figure."""


@once
def figure(*runs: Run) -> Figure:
    """Return the figure of one run, or of several side by side."""
    all_rows = rows_of(runs)
    shown = [row for row in all_rows if row.is_measured]

    def panel(title: str, members: Sequence[Row], labels: Sequence[str]) -> Panel:
        unit = fitting(SECONDS, max(row.number("step_seconds") or 0.0 for row in members))
        bars = [_bar(row, label, unit) for row, label in zip(members, labels, strict=True)]
        return Panel(title=title, axis_label=f"time of one step ({unit.name})", bars=tuple(bars))

    used = [phase for phase in PHASES if any(row.number(f"{phase}_seconds") is not None for row in shown)]
    legend = [
        *(
            Patch(
                facecolor=_FILLS[phase][0], hatch=_FILLS[phase][1], edgecolor="white", linewidth=0, label=_name(phase)
            )
            for phase in used
        ),
        Line2D([], [], color=INK, linestyle="none", marker="|", markersize=11, markeredgewidth=1.4, label="whole step"),
    ]
    title = _findings.phases(all_rows) if len(runs) == 1 else _findings.beside(all_rows, "Time of each phase of a step")
    return draw(page(runs, all_rows, shown, panel, title=title, subtitle=_SUBTITLE, legend=legend, by_device=True))


def _bar(row: Row, label: str, unit: Unit) -> Bar:
    step = row.interval("step_seconds")
    assert step is not None
    parts = [(row.number(f"{phase}_seconds"), *_FILLS[phase]) for phase in PHASES]
    return Bar(
        label=label,
        parts=tuple((seconds / unit.size, colour, hatch) for seconds, colour, hatch in parts if seconds is not None),
        marker=step.value / unit.size,
        low=None if step.low is None else step.low / unit.size,
        high=None if step.high is None else step.high / unit.size,
        text="   ".join(word for word in (with_interval(step, SECONDS), remarks(row)) if word),
        is_doubtful=row.is_doubtful,
    )


def _name(phase: str) -> str:
    return _NAMES.get(phase, phase)
