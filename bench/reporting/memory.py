"""Peak memory of every case, allocated and reserved (memory.png)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.numbers import BYTES, Unit, fitting, size
from bench.reporting import _findings
from bench.reporting._bars import Bar, Panel, draw
from bench.reporting._pages import page
from bench.reporting._style import GREY, INK, fills, save
from bench.results.frame import Run
from bench.results.rows import Row, rows

_SUBTITLE = (
    "Peak of one training step on the fullest device, the largest over rounds (on the CPU: in the fullest process, in "
    "the first round); shorter is better."
)


def write(run: Run, directory: Path) -> list[Path]:
    """Write memory.png."""
    return save(figure(run), directory / "memory.png")


def figure(run: Run) -> Figure:
    """Return the figure that `write` saves."""
    all_rows = rows(run)
    shown = [row for row in all_rows if row.is_measured and row.number("peak_allocated_bytes") is not None]
    case_fills = fills(run.plan.cases)

    def panel(title: str, members: Sequence[Row], labels: Sequence[str]) -> Panel:
        unit = fitting(BYTES, max(_largest(row) for row in members))
        bars = [_bar(row, label, unit, case_fills) for row, label in zip(members, labels, strict=True)]
        return Panel(title=title, axis_label=f"peak memory per device ({unit.name})", bars=tuple(bars))

    has_reserved = any(row.number("peak_reserved_bytes") is not None for row in shown)
    legend = [
        Patch(facecolor=GREY, label="allocated: in tensors"),
        Patch(fill=False, edgecolor=INK, linestyle=(0, (3, 2)), label="reserved: held by the allocator"),
    ]
    title = _findings.memory(all_rows, run.plan.environment.devices)
    return draw(
        page(
            run,
            all_rows,
            shown,
            panel,
            title=title,
            subtitle=_SUBTITLE,
            legend=legend if has_reserved else (),
            are_times=False,
        )
    )


def _bar(row: Row, label: str, unit: Unit, case_fills: Mapping[str, tuple[str, str]]) -> Bar:
    allocated, reserved = row.number("peak_allocated_bytes") or 0.0, row.number("peak_reserved_bytes")
    held = "" if reserved is None else f"reserved {size(reserved)}"
    return Bar(
        label=label,
        parts=((allocated / unit.size, *case_fills[row.case.id]),),
        outline=None if reserved is None else reserved / unit.size,
        text="   ".join(word for word in (size(allocated), held) if word),
    )


def _largest(row: Row) -> float:
    return max(row.number("peak_allocated_bytes") or 0.0, row.number("peak_reserved_bytes") or 0.0)
