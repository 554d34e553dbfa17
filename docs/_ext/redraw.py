"""
Writes the tables of the pages from those of the code, into the files, so that they can be read where these lie.

    python -m docs._ext.redraw

A table stands between two comments: ``<!-- drawn: flags -->`` and ``<!-- end -->``.
"""

import re
from collections.abc import Callable
from pathlib import Path

from docs._ext import tables

DOCS = Path(__file__).parents[1]
TABLES: dict[str, Callable[[], str]] = {
    "columns": tables.columns,
    "flags": tables.flags,
    "axes": tables.axes,
    "suites": tables.suites,
    "suite-keys": tables.suite_keys,
    "workload-fields": tables.workload_fields,
}
"""Name to the function that returns it as Markdown."""
_BLOCK = re.compile(r"(<!-- drawn: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def redrawn(text: str) -> str:
    """Return a page's *text* with its tables as they should be."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found['name']]()}\n\n{found[3]}", text)


def names_in(text: str) -> list[str]:
    """Return the names of the tables in *text*."""
    return [found["name"] for found in _BLOCK.finditer(text)]


def main() -> None:
    """Write every page anew."""
    for path in sorted(DOCS.glob("*.md")):
        path.write_text(redrawn(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
