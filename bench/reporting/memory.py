"""Peak memory of every case, allocated and reserved (memory.png)."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.flags import DOUBTS_OF_MEMORY
from bench.numbers import BYTES, Unit, fitting, size
from bench.reporting import _findings
from bench.reporting._bars import Bar, Panel, draw
from bench.reporting._pages import page
from bench.reporting._style import GREY, INK, fills
from bench.results.frame import Run
from bench.results.once import once
from bench.results.rows import Row
from bench.results.side_by_side import rows_of

_SUBTITLE = (
    "Peak of one training step on the fullest device, the largest over rounds (on the CPU: in the fullest process, in "
    "the first round); shorter is better."
)


NEEDS = "measured cases whose memory is known"
"""What a run must have for this figure."""


@once
def figure(*runs: Run) -> Figure:
    """Return the figure of one run, or of several side by side."""
    all_rows = rows_of(runs)
    shown = [row for row in all_rows if row.is_measured and row.number("peak_allocated_bytes") is not None]
    case_fills = fills(all_rows)

    def panel(title: str, members: Sequence[Row], labels: Sequence[str]) -> Panel:
        unit = fitting(BYTES, max(_largest(row) for row in members))
        bars = [_bar(row, label, unit, case_fills) for row, label in zip(members, labels, strict=True)]
        return Panel(title=title, axis_label=f"peak memory per device ({unit.name})", bars=tuple(bars))

    has_reserved = any(row.number("peak_reserved_bytes") is not None for row in shown)
    legend = [
        Patch(facecolor=GREY, label="allocated: in tensors"),
        Patch(fill=False, edgecolor=INK, linestyle=(0, (3, 2)), label="reserved: held by the allocator"),
    ]
    title = (
        _findings.memory(all_rows, runs[0].plan.environment.devices)
        if len(runs) == 1
        else _findings.memory_beside(all_rows)
    )
    return draw(
        page(
            runs,
            all_rows,
            shown,
            panel,
            title=title,
            subtitle=_SUBTITLE,
            legend=legend if has_reserved else (),
            doubts=DOUBTS_OF_MEMORY,
        )
    )


def _bar(row: Row, label: str, unit: Unit, case_fills: Mapping[tuple[str, str], tuple[str, str]]) -> Bar:
    allocated, reserved = row.number("peak_allocated_bytes") or 0.0, row.number("peak_reserved_bytes")
    held = "" if reserved is None else f"reserved {size(reserved)}"
    return Bar(
        label=label,
        parts=((allocated / unit.size, *case_fills[row.key]),),
        outline=None if reserved is None else reserved / unit.size,
        text="   ".join(word for word in (size(allocated), held, _doubts(row)) if word),
        is_doubtful=bool(_doubts(row)),
    )


def _largest(row: Row) -> float:
    return max(row.number("peak_allocated_bytes") or 0.0, row.number("peak_reserved_bytes") or 0.0)


def _doubts(row: Row) -> str:
    return " ".join(flag for flag in row.flags if flag in DOUBTS_OF_MEMORY)
