"""The results as a table for the terminal, fitted to its width."""

from collections.abc import Callable, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.flags import FLAGS
from bench.labels import variant, varied_batches
from bench.reporting import _unmeasured
from bench.reporting._columns import Column, columns, fitting
from bench.reporting._terminal import ASCII, GAP, borderless_table, program
from bench.results.frame import Run
from bench.results.rows import Row, rows

_PEAKS = {
    "data sheet": "the step's arithmetic as a share of the dense rate in the devices' data sheets (MFU)",
    "given": "the step's arithmetic as a share of the rate that --peak-tflops gives",
    "measured": "the step's arithmetic as a share of what large matrix products attained on this CPU before the run",
}
"""Source of a peak to what the column says."""

MakeText = Callable[..., Text]


def print_results(run: Run, console: Console) -> None:
    """Print the table of *run* in the width of *console*."""
    console.print(table(run, console.width, ascii_only=console.options.ascii_only))


def table(run: Run, console_width: int, *, ascii_only: bool = False) -> RenderableType:
    """
    Return the results as a table, the cases without a figure in one line a reason, and a legend.

    Args:
        run: What is shown.
        console_width: In letters; the least needed columns are left out until the table fits.
        ascii_only: Whether the terminal cannot show signs such as ±.
    """
    signs = ASCII if ascii_only else {}

    def text(words: str, style: str = "") -> Text:
        # A Text is never searched for markup: brackets in a reason or a file name stay what they are.
        return Text(words.translate(signs), style=style)

    all_rows = rows(run)
    measured = _by_workload([row for row in all_rows if row.is_measured])
    parts: list[RenderableType] = []
    legend: list[str] = []
    if measured:
        every = columns(measured, lambda words: words.translate(signs))
        kept = fitting(every, console_width)
        parts.append(_table(kept, measured, text))
        legend = _legend(run, measured, [column for column in every if not column.is_in(kept)])
    else:
        parts.append(text("Nothing was measured."))
    if len(measured) < len(all_rows):
        parts += [text(""), _missing(all_rows, text)]
    if legend:
        parts.append(text(""))
    return Group(*parts, *(text(line, "dim") for line in legend))


def _table(kept: Sequence[Column], measured: Sequence[Row], text: MakeText) -> Table:
    found = borderless_table()
    for column in kept:
        found.add_column(text(column.header), justify="right" if column.is_number else "left", overflow="fold")
    best = _fastest(measured)
    for number, row in enumerate(measured):
        style = "bold green" if row.case.id in best else ""
        found.add_row(*(text(column.cells[number], style if column.header == "step" else "") for column in kept))
    return found


def _by_workload(measured: Sequence[Row]) -> list[Row]:
    """Return the rows with those of one workload together, else in the order of the plan."""
    order = list(dict.fromkeys(row.case.workload for row in measured))
    return sorted(measured, key=lambda row: order.index(row.case.workload))


def _fastest(measured: Sequence[Row]) -> set[str]:
    """Return the ids of the fastest case of each workload and batch that has several, unless it is in doubt."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in measured:
        groups.setdefault((row.case.workload, row.case.global_batch_size), []).append(row)
    several = [group for group in groups.values() if len(group) > 1]
    fastest = (min(group, key=lambda row: row.number("step_seconds") or 0.0) for group in several)
    return {row.case.id for row in fastest if not row.is_doubtful}


def _missing(all_rows: Sequence[Row], text: MakeText) -> Table:
    """Return one line a reason: what is not in the table and why."""
    found = Table.grid(padding=(0, GAP, 0, 0))
    found.add_column(no_wrap=True)
    found.add_column(overflow="fold")
    groups = _unmeasured.groups(all_rows)
    for group in groups:
        line = f"{group.count}: {group.reason or 'no reason given'} ({group.names})"
        found.add_row(text(group.status, "bold red" if group.is_failure else "yellow"), text(line))
        if group.explanation:
            explained = f"what that means: {' '.join(program())} doctor --explain {group.explanation.name}"
            found.add_row(text(""), text(explained, "dim"))
    if any(group.is_failure for group in groups):
        where = "the last lines that each rank wrote are in results.jsonl, under failure.log_tail"
        found.add_row(text(""), text(where, "dim"))
    return found


def _legend(run: Run, measured: Sequence[Row], dropped: Sequence[Column]) -> list[str]:
    """Return what the table leaves out or cannot explain itself."""
    shared = [f"{column.header} {column.cells[0]}" for column in dropped if column.is_axis]
    lines = [f"every row: {', '.join(shared)}"] if shared else []
    ids = {row.columns.get("reference_case_id") for row in measured}
    references = dict.fromkeys(variant(case) for case in run.plan.cases if case.id in ids)
    over = f"speed-up over {' or '.join(references)} with the same workload and global batch, in the rounds of both"
    has_speedup = all(column.header != "speed-up" for column in dropped)
    lines.append("±: 95 % interval over rounds" + (f"; {over}" if has_speedup else ""))
    if not any(column.header == "of peak" for column in dropped):
        lines += _peak_lines(measured)
    hidden = [column.header for column in dropped if not column.is_axis]
    if hidden:
        lines.append(f"left out for want of width: {', '.join(hidden)}; results.csv has every column")
    flags = dict.fromkeys(flag for row in measured for flag in row.flags)
    if flags:
        with_rows = any(column.header == "flags" for column in dropped)
        lines += [_flag(flag, measured, with_rows=with_rows) for flag in flags]
    notes = dict.fromkeys(str(row.columns["notes"]) for row in measured if row.columns.get("notes"))
    for note in notes:
        lines.append(f"note on {_names([row for row in measured if row.columns.get('notes') == note])}: {note}")
    return lines


def _peak_lines(measured: Sequence[Row]) -> list[str]:
    sources = dict.fromkeys(str(row.columns["peak_source"]) for row in measured if row.columns.get("peak_source"))
    return [f"of peak: {_PEAKS[source]}" for source in sources]


def _flag(flag: str, measured: Sequence[Row], *, with_rows: bool) -> str:
    """Return what *flag* means, and where its column is left out also which rows have it."""
    words = f"{flag}: {FLAGS[flag].meaning}; {FLAGS[flag].cure}" if flag in FLAGS else flag
    if not with_rows:
        return words
    flagged = [row for row in measured if flag in row.flags]
    return f"{words} ({'all rows' if len(flagged) == len(measured) else _names(flagged)})"


def _names(rows: Sequence[Row]) -> str:
    return _unmeasured.names(rows, varied_batches(row.case for row in rows))
