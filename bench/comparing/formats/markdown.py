"""For a step summary or a comment: worst rows first, at most 64 kB."""

from collections.abc import Iterable, Sequence

from bench.comparing.comparison import Comparison, Row
from bench.comparing.formats import _words
from bench.labels import in_markdown

MAX_BYTES = 64_000
"""GitHub refuses a comment of more than 65 536 characters."""
MIN_ROOM_BYTES = 1000
"""Of the folded part; in less than that there is nothing to unfold."""
FILE_NAME = "comparison.md"


def render(comparison: Comparison, failing: _words.Failing) -> str:
    """Return the headline, the rows that need a look, and all rows folded away."""
    failed = {row.case_id for row, _ in failing}
    worst = [
        row for row in comparison.rows if row.case_id in failed or row.verdict == "slower" or row.changes or row.gap
    ]
    head = [f"### stepbench: {_words.headline(comparison, failing)}", ""]
    head += [f"- **{in_markdown(row.label)}**: {in_markdown(sentence)}" for row, sentence in failing]
    remarks = ["", *(f"{in_markdown(line)}\n" for line in _words.remarks(comparison))]
    parts = [*head, "", *_table(worst), *remarks] if worst else [*head, *remarks]
    if len(worst) == len(comparison.rows):
        return "\n".join(_cut(parts, MAX_BYTES)) + "\n"
    folded = ["", "<details><summary>All cases</summary>", "", *_table(comparison.rows)]
    shown = _cut(parts, MAX_BYTES - MIN_ROOM_BYTES)
    room = MAX_BYTES - sum(len(line.encode()) + 1 for line in shown)
    if room < MIN_ROOM_BYTES:
        return "\n".join(shown) + "\n"
    return "\n".join([*shown, *_cut(folded, room), "", "</details>"]) + "\n"


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [_line(_words.HEADERS), "| --- | ---: | ---: | ---: | --- | ---: | --- | --- | --- |"]
    return lines + [_line(map(in_markdown, _words.cells(row))) for row in rows]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cut(lines: Sequence[str], room_bytes: int) -> list[str]:
    """Return the lines that fit, and how many do not."""
    sizes = [len(line.encode()) + 1 for line in lines]
    if sum(sizes) <= room_bytes:
        return list(lines)
    room_bytes -= len(_more(len(lines)).encode()) + 2
    kept = 0
    while sum(sizes[: kept + 1]) <= room_bytes:
        kept += 1
    return [*lines[:kept], "", _more(len(lines) - kept)]


def _more(number: int) -> str:
    return f"... and {number} more lines; see the JSON"
