"""One page for a person: findings, table, figures, every case in detail (report.html)."""

from collections.abc import Sequence
from pathlib import Path

from bench.reporting._html import beside, page
from bench.results.frame import Run

FILE_NAME = "report.html"


def write(run: Run, directory: Path) -> list[Path]:
    """Write report.html."""
    return _save(page.render(run), directory)


def write_beside(runs: Sequence[Run], directory: Path) -> list[Path]:
    """Write report.html of several runs side by side."""
    return _save(beside.render(runs), directory)


def _save(text: str, directory: Path) -> list[Path]:
    path = directory / FILE_NAME
    # Without translation of line ends: the hashes of style and script are over exactly these bytes.
    path.write_text(text, encoding="utf-8", newline="")
    return [path]
