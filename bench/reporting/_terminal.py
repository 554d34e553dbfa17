"""Where tables are printed: how wide, and with which signs."""

import os
import sys

from rich.console import Console

from bench.reporting._numbers import TIMES

ASCII = str.maketrans({"±": "+/-", TIMES: "x", "µ": "u"})
"""For a terminal that cannot show them."""
_PIPE_WIDTH = 200
"""Of what is no terminal: a file or a pipe takes every column on one line."""


def stdout_console() -> Console:
    """Return standard output, in the width of the terminal or of COLUMNS, else wide enough for every column."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else _PIPE_WIDTH
    return Console(highlight=False, width=width)
