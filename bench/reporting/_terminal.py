"""Where tables are printed: how wide, and with which signs."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.numbers import TIMES

ASCII = str.maketrans({"±": "+/-", TIMES: "x", "µ": "u"})
"""For a terminal that cannot show them."""
GAP = 2
"""Letters between columns."""
FILE_WIDTH = 200
"""Of what is no terminal: a file or a pipe takes every column on one line."""


def program() -> list[str]:
    """Return the words that start this program here: ``python run_bench.py``, or the installed command."""
    return ["python", sys.argv[0]] if sys.argv[0].endswith(".py") else [Path(sys.argv[0]).name]


def stdout_console() -> Console:
    """Return standard output, in the width of the terminal or of COLUMNS, else wide enough for every column."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else FILE_WIDTH
    return Console(highlight=False, width=width)


def borderless_table() -> Table:
    """Return a table without lines, its columns GAP apart."""
    return Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")


def text_table(headers: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Return a borderless table of words; a Text is never searched for markup, so that brackets stay what they are."""
    table = borderless_table()
    for header in headers:
        table.add_column(Text(header), overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return table
