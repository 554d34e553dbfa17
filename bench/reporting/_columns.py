"""The columns of the table on the terminal, and which of them fit."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from rich.cells import cell_len

from bench.labels import cut_middle, strategy
from bench.numbers import SECONDS, digits, share, size, times_with_interval, with_interval
from bench.reporting._terminal import GAP
from bench.results.rows import Row

_WORKLOAD_LENGTHS = (32, 24, 16, 12)
"""How much of a workload's name is shown: as much as fits."""
_MIN_WORKLOAD_LENGTH = 8
_USUAL = {
    "compile": "eager",
    "input": "resident",
    "loop": "clean",
    "items/s": "",
    "flags": "",
    "memory": "",
    "of peak": "",
    "compiled in": "",
    "pays after": "",
}
"""A column in which every row has this value says nothing and is never shown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table."""

    header: str
    cells: tuple[str, ...]
    is_axis: bool = False
    """Whether it tells cases apart: it may go only where all rows agree, and then the legend says the value."""
    is_number: bool = False
    drop_order: int | None = None
    """The lowest goes first where the width does not do; None: it stays."""

    def is_in(self, others: Sequence["Column"]) -> bool:
        """Whether *others* show this column, perhaps in a shorter form."""
        return any(column.header == self.header for column in others)


def columns(measured: Sequence[Row], clean: Callable[[str], str]) -> list[Column]:
    """Return the columns that say something about these rows, their cells passed through *clean*."""

    def column(header: str, cell: Callable[[Row], str], drop_order: int | None = None) -> Column:
        cells = tuple(clean(cell(row)) for row in measured)
        return Column(header=header, cells=cells, is_number=True, drop_order=drop_order)

    def axis(header: str, cell: Callable[[Row], str]) -> Column:
        return dataclasses.replace(column(header, cell), is_axis=True, is_number=False)

    found = [
        axis("workload", lambda row: row.case.workload),
        axis("device", lambda row: row.case.device),
        axis("strategy", lambda row: strategy(row.case)),
        axis("precision", lambda row: row.case.precision),
        axis("compile", lambda row: row.case.compile),
        axis("input", lambda row: row.case.input),
        axis("loop", lambda row: row.case.loop),
        dataclasses.replace(axis("batch", lambda row: str(row.case.global_batch_size)), is_number=True),
        column("step", _step),
        column("samples/s", _samples, drop_order=6),
        column("items/s", _items, drop_order=2),
        column("memory", _memory, drop_order=4),
        column("of peak", _share_of_peak, drop_order=1),
        column("compiled in", _compiled_in, drop_order=1),
        column("pays after", _pays_after, drop_order=1),
        column("speed-up", _speedup),
        column("rounds", lambda row: str(row.columns["rounds"]), drop_order=3),
        dataclasses.replace(column("flags", lambda row: " ".join(row.flags), drop_order=5), is_number=False),
    ]
    return [column for column in found if set(column.cells) != {_USUAL.get(column.header)}]


def fitting(every: Sequence[Column], width: int) -> list[Column]:
    """Return the fullest selection of columns that fits into *width*, the barest where none does."""
    kept = list(every)
    for selection in _selections(every):
        kept = selection
        if _total_width(kept) <= width:
            break
    # A wide column may have gone after narrow ones that fit into its place.
    for column in sorted(every, key=lambda column: column.drop_order or 0, reverse=True):
        fuller = [other for other in every if other.is_in([*kept, column])]
        fuller = [next((same for same in kept if same.header == other.header), other) for other in fuller]
        kept = fuller if _total_width(fuller) <= width else kept
    return kept


def _selections(every: Sequence[Column]) -> Iterator[list[Column]]:
    """Yield ever barer selections: what all rows share goes first, then figures, letters of names, and the last ±."""
    kept = [_cut_workload(column, _WORKLOAD_LENGTHS[0]) for column in every]
    yield kept
    constant = [column for column in every[1:] if column.is_axis and len(set(column.cells)) == 1]
    optional = sorted((column for column in every if column.drop_order), key=lambda column: column.drop_order or 0)
    for dropped in (*constant, *optional):
        kept = [column for column in kept if column.header != dropped.header]
        yield kept
    for length in _WORKLOAD_LENGTHS[1:]:
        kept = [_cut_workload(column, length) for column in kept]
        yield kept
    kept = [_without_interval(_cut_workload(column, _MIN_WORKLOAD_LENGTH)) for column in kept]
    yield kept
    yield [column for column in kept if column.header != "speed-up"]


def _total_width(shown: Sequence[Column]) -> int:
    return sum(map(_width, shown)) + GAP * (len(shown) - 1)


def _width(column: Column) -> int:
    return max(cell_len(words) for words in (column.header, *column.cells))


def _cut_workload(column: Column, length: int) -> Column:
    if column.header != "workload":
        return column
    return dataclasses.replace(column, cells=tuple(cut_middle(cell, length) for cell in column.cells))


def _without_interval(column: Column) -> Column:
    """Return the speed-ups without their ±; the step time keeps its own."""
    if column.header != "speed-up":
        return column
    return dataclasses.replace(column, cells=tuple(cell.partition(" ")[0] for cell in column.cells))


def _step(row: Row) -> str:
    interval = row.interval("step_seconds")
    return with_interval(interval, SECONDS) if interval else ""


def _samples(row: Row) -> str:
    return digits(row.throughput.value, row.throughput.half_width_ratio) if row.throughput else ""


def _items(row: Row) -> str:
    value, item = row.number("throughput_items_per_second"), row.columns.get("item", "sample")
    if value is None or item == "sample":
        return ""
    ratio = row.throughput.half_width_ratio if row.throughput else None
    return f"{digits(value, ratio)} {item}/s"


def _memory(row: Row) -> str:
    value = row.number("peak_allocated_bytes")
    return "" if value is None else size(value)


def _share_of_peak(row: Row) -> str:
    ratio = row.number("mfu_ratio")
    return "" if ratio is None else share(ratio)


def _compiled_in(row: Row) -> str:
    value = row.number("compile_seconds")
    return "" if value is None or not row.case.is_compiled else f"{value:.3g} s"


def _pays_after(row: Row) -> str:
    value = row.number("break_even_steps")
    return "" if value is None else f"{digits(value)} steps"


def _speedup(row: Row) -> str:
    if row.columns.get("reference_case_id") == row.case.id:
        return "reference"
    ratio = row.interval("speedup")
    if ratio and ratio.low is None:
        return "one round"  # whatever it came to, it says nothing
    return times_with_interval(ratio) if ratio else ""
