"""One page for a person: findings, table, figures, every case in detail (report.html)."""

from pathlib import Path

from bench.reporting._html.page import render
from bench.results.frame import Run


def write(run: Run, directory: Path) -> list[Path]:
    """Write report.html."""
    path = directory / "report.html"
    # Without translation of line ends: the hashes of style and script are over exactly these bytes.
    path.write_text(render(run), encoding="utf-8", newline="")
    return [path]
