"""Writes the reports that `run` and `report` were asked for."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench import registry
from bench.errors import BenchError
from bench.results.frame import Run
from bench.running.session import Interrupted


def write_formats(run: Run, directory: Path, formats: Sequence[str]) -> tuple[list[Path], bool]:
    """Return the files written, and whether a format failed; one that does must not cost the others."""
    written: list[Path] = []
    failed = False
    for name in formats:
        try:
            written += registry.load("reporting", name).write(run, directory)
        except Exception as error:  # noqa: BLE001 (see above)
            failed = True
            print(f"error: report '{name}': {told(error)}", file=sys.stderr)
    return written, failed


def told(error: BaseException) -> str:
    """Return *error* as one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, (BenchError, Interrupted)):
        return str(error)
    return f"{type(error).__name__}: {error}".partition("\n")[0]
