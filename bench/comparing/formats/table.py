"""A table for the terminal."""

import io

from rich.console import Console

from bench.comparing.comparison import Comparison
from bench.comparing.formats import _words
from bench.reporting._terminal import ASCII, stdout_console, text_table

HEADERS = ("case", "base", "current", "change", "verdict", "not excluded", "exact changes", "flags", "remark")


def render(comparison: Comparison, failing: _words.Failing) -> str:
    """Return *comparison* in the width of standard output."""
    rows = [
        (
            row.label,
            _words.seconds(row.base_seconds),
            _words.seconds(row.current_seconds),
            _words.time(row),
            _words.verdict(row),
            _words.not_excluded(row),
            _words.exact(row),
            " ".join(row.flags),
            row.failure or row.why,
        )
        for row in comparison.rows
    ]
    kept = [index for index in range(len(HEADERS)) if any(row[index] for row in rows)]
    shown = stdout_console()
    text = io.StringIO()
    console = Console(file=text, width=shown.width, highlight=False)
    if rows:
        console.print(text_table([HEADERS[index] for index in kept], [[row[index] for index in kept] for row in rows]))
        console.print()
    for line in (_words.headline(comparison, failing), *_words.remarks(comparison)):
        console.print(line, markup=False, soft_wrap=True)
    for row, sentence in failing:
        console.print(f"FAILS: {row.label}: {sentence}", markup=False, soft_wrap=True)
    found = "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
    return found.translate(ASCII) if shown.options.ascii_only else found
