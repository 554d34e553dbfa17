"""The table of all cases: what each cell says, and by what it sorts and filters."""

import dataclasses
from collections.abc import Callable, Sequence

from bench.labels import strategy
from bench.numbers import SECONDS, digits, share, size, times_with_interval, with_interval
from bench.results.rows import Row
from bench.statistics import Interval

_USUAL = {"compile": "eager", "input": "resident", "loop": "clean"}
"""A column in which every row has this value, or none has one, says nothing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """One figure or word."""

    text: str
    value: str = ""
    """What a figure sorts by, in base units; empty: there is none, or the text sorts."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """A column, its cells in the order of the rows."""

    key: str
    """In the page's address: ``#sort=step``."""
    header: str
    cells: tuple[Cell, ...]
    is_number: bool = False
    filters: bool = False
    """Whether it may be filtered by its values."""

    @property
    def choices(self) -> list[str]:
        """The different values; empty where there is nothing to choose."""
        found = list(dict.fromkeys(cell.text for cell in self.cells))
        return found if self.filters and len(found) > 1 else []


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """The columns that say something."""

    columns: tuple[Column, ...]

    @property
    def num_rows(self) -> int:
        """How many cases it has."""
        return len(self.columns[0].cells) if self.columns else 0

    @property
    def keys(self) -> set[str]:
        """Which columns those are."""
        return {column.key for column in self.columns}

    @property
    def filters(self) -> list[Column]:
        """The columns with something to choose from."""
        return [column for column in self.columns if column.choices]


def table(rows: Sequence[Row]) -> Table:
    """Return the table of *rows*, measured or not."""
    return of_columns([*axes(rows), _statuses(rows), *_figures(rows)])


def of_columns(found: Sequence[Column]) -> Table:
    """Return the table of those columns that say something."""
    return Table(columns=tuple(column for column in found if _says_something(column)))


def axes(rows: Sequence[Row]) -> list[Column]:
    """Return a column for each axis of a case."""

    def axis(key: str, cell: Callable[[Row], str]) -> Column:
        return Column(key=key, header=key, cells=tuple(Cell(text=cell(row)) for row in rows), filters=True)

    batches = tuple(_count(row.case.global_batch_size) for row in rows)
    return [
        axis("workload", lambda row: row.case.workload),
        axis("device", lambda row: row.case.device),
        axis("strategy", lambda row: strategy(row.case)),
        axis("precision", lambda row: row.case.precision),
        axis("compile", lambda row: row.case.compile),
        axis("input", lambda row: row.case.input),
        axis("loop", lambda row: row.case.loop),
        Column(key="batch", header="batch", cells=batches, is_number=True, filters=True),
    ]


def _statuses(rows: Sequence[Row]) -> Column:
    return Column(key="status", header="status", cells=tuple(Cell(text=row.status) for row in rows), filters=True)


def _figures(rows: Sequence[Row]) -> list[Column]:
    def figure(key: str, cell: Callable[[Row], Cell], header: str = "") -> Column:
        # A case that failed in a later round has figures too, which the console does not show either.
        cells = tuple(cell(row) if row.is_measured else Cell(text="") for row in rows)
        return Column(key=key, header=header or key, cells=cells, is_number=True)

    rounds = tuple(_count(int(row.number("rounds") or 0)) for row in rows)
    flags = tuple(Cell(text=" ".join(row.flags)) for row in rows)
    return [
        figure("step", _step),
        figure("speedup", _speedup, "speed-up"),
        Column(key="flags", header="flags", cells=flags),
        figure("samples", _samples, "samples/s"),
        figure("items", _items, "items/s"),
        figure("memory", lambda row: cell_of(row, "peak_allocated_bytes", size)),
        figure("peak", lambda row: cell_of(row, "mfu_ratio", share), "of peak"),
        figure("compiled", _compiled, "compiled in"),
        figure("pays", _pays_after, "pays after"),
        Column(key="rounds", header="rounds", cells=rounds, is_number=True),
    ]


def _says_something(column: Column) -> bool:
    return {cell.text for cell in column.cells} != {_USUAL.get(column.key, "")}


def _count(value: int) -> Cell:
    return Cell(text=f"{value:,}", value=str(value))


def _cell(text: str, value: float) -> Cell:
    return Cell(text=text, value=f"{value:.9g}")


def cell_of(row: Row, column: str, to_text: Callable[[float], str]) -> Cell:
    """Return a column of *row* as a cell, an empty one where it has no such figure."""
    value = row.number(column)
    return Cell(text="") if value is None else _cell(to_text(value), value)


def interval_cell(interval: Interval | None, to_text: Callable[[Interval], str]) -> Cell:
    """Return a figure with its bounds as a cell, an empty one where there is none."""
    return Cell(text="") if interval is None else _cell(to_text(interval), interval.value)


def _step(row: Row) -> Cell:
    return interval_cell(row.interval("step_seconds"), lambda step: with_interval(step, SECONDS))


def _samples(row: Row) -> Cell:
    return interval_cell(row.throughput, lambda rate: digits(rate.value, rate.half_width_ratio))


def _items(row: Row) -> Cell:
    item = str(row.columns.get("item", "sample"))
    ratio = row.throughput.half_width_ratio if row.throughput else None
    if item == "sample":
        return Cell(text="")
    return cell_of(row, "throughput_items_per_second", lambda rate: f"{digits(rate, ratio)} {item}/s")


def _compiled(row: Row) -> Cell:
    if not row.case.is_compiled:
        return Cell(text="")
    return cell_of(row, "compile_seconds", lambda seconds: f"{seconds:.3g} s")


def _pays_after(row: Row) -> Cell:
    return cell_of(row, "break_even_steps", lambda steps: f"{digits(steps)} steps")


def _speedup(row: Row) -> Cell:
    if row.columns.get("reference_case_id") == row.case.id:
        return _cell("reference", 1.0)
    ratio = row.interval("speedup")
    if ratio and ratio.low is None:
        return Cell(text="one round")  # as on the terminal: whatever it came to, it says nothing
    return interval_cell(ratio, times_with_interval)
