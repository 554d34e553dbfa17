"""A table for the terminal."""

import io
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bench.comparing.comparison import Comparison
from bench.comparing.formats import _words
from bench.comparing.formats._words import HEADERS
from bench.reporting._terminal import ASCII, FILE_WIDTH, GAP, stdout_console, text_table

DROP_ORDER = ("remark", "base", "current", "not excluded", "flags")
"""JSON has them all; what changed exactly is never left out."""
FILE_NAME = "comparison.txt"


def render(comparison: Comparison, failing: _words.Failing) -> str:
    """Return *comparison* in the width and the characters of standard output."""
    shown = stdout_console()
    found = _rendered(comparison, failing, shown.width)
    return found.translate(ASCII) if shown.options.ascii_only else found


def render_file(comparison: Comparison, failing: _words.Failing) -> str:
    """Return *comparison* for a file, which is as wide as no terminal need be."""
    return _rendered(comparison, failing, FILE_WIDTH)


def _rendered(comparison: Comparison, failing: _words.Failing, width: int) -> str:
    rows = [_words.cells(row) for row in comparison.rows]
    text = io.StringIO()
    console = Console(file=text, width=width, highlight=False, force_terminal=False, color_system=None)
    if rows:
        kept = _fitting(rows, width)
        table = text_table([HEADERS[index] for index in kept], [[row[index] for index in kept] for row in rows])
        for column in table.columns[1:]:
            column.no_wrap = column.header not in (Text("exact changes"), Text("remark"))
        console.print(table)
        console.print()
        dropped = [index for index in range(len(HEADERS)) if index not in kept and any(row[index] for row in rows)]
        if left_out := [HEADERS[index] for index in dropped if HEADERS[index] != "remark"]:
            console.print(f"left out for want of width: {', '.join(left_out)}", markup=False, soft_wrap=True)
        if HEADERS.index("remark") in dropped:  # why nothing can be said of a row must not be missing
            for row in comparison.rows:
                if remark := _words.remark(row):
                    console.print(f"{row.label}: {remark}", markup=False, soft_wrap=True)
    for line in (_words.headline(comparison, failing), *_words.remarks(comparison)):
        console.print(line, markup=False, soft_wrap=True)
    for row, sentence in failing:
        console.print(f"FAILS: {row.label}: {sentence}", markup=False, soft_wrap=True)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _fitting(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the columns that say something, less those that are needed least where *width* does not do."""
    kept = [index for index in range(len(HEADERS)) if any(row[index] for row in rows)]
    for header in DROP_ORDER:
        widths = [max(cell_len(row[index]) for row in [HEADERS, *rows]) for index in kept]
        if sum(widths) + GAP * (len(kept) - 1) <= width:
            break
        kept = [index for index in kept if HEADERS[index] != header]
    return kept
