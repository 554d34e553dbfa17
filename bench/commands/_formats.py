"""Writes the reports that `run` and `report` were asked for."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench import registry
from bench.errors import BenchError
from bench.results.frame import Run
from bench.running.session import Interrupted


def write_formats(
    runs: Sequence[Run], directory: Path, formats: Sequence[str], figure_formats: Sequence[str]
) -> tuple[list[Path], bool]:
    """
    Return the files written, and whether a format failed; one that does must not cost the others.

    Args:
        runs: One, or several to be shown side by side.
        directory: Where the files go.
        formats: Names of output formats.
        figure_formats: What figures are saved as: "png", "svg".
    """
    written: list[Path] = []
    failed = False
    for name in formats:
        try:
            written += _write(name, runs, directory, figure_formats)
        except Exception as error:  # noqa: BLE001 (see above)
            failed = True
            print(f"error: report '{name}': {told(error)}", file=sys.stderr)
    return written, failed


def _write(name: str, runs: Sequence[Run], directory: Path, figure_formats: Sequence[str]) -> list[Path]:
    module = registry.load("reporting", name)
    if hasattr(module, "figure"):
        from bench.reporting import _style  # noqa: PLC0415 (matplotlib, which a table alone need not wait for)

        figure = module.figure(*runs)
        return _style.save(figure, directory / name, figure_formats) if figure.axes else []
    written: list[Path] = module.write(*runs, directory) if len(runs) == 1 else module.write_beside(runs, directory)
    return written


def told(error: BaseException) -> str:
    """Return *error* as one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, (BenchError, Interrupted)):
        return str(error)
    return f"{type(error).__name__}: {error}".partition("\n")[0]
