"""What `report` does once its options are parsed."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import registry
from bench.commands._destination import reports_directory, timestamp
from bench.commands._formats import write_formats
from bench.commands._options import checked_formats
from bench.errors import UsageError
from bench.results import frame
from bench.results.frame import Run
from bench.running.journal import FILE_NAME, file_of

EXIT_WRITTEN, EXIT_FAILED = 0, 2


def run(options: argparse.Namespace) -> int:
    """Write the reports of one run, or one report of several side by side."""
    formats, figure_formats = checked_formats(options)
    runs = [frame.load(path) for path in options.runs]
    if len(runs) > 1:
        _refuse_the_same_run_twice(options.runs)
        formats = _beside(formats, was_asked_for=options.format is not None)
    target = options.out or _usual_target(runs)
    _make_usable(target, runs)
    written, failed = write_formats(runs, target, formats, figure_formats)
    for file in written:
        print(file)
    if not written and not failed:
        needs = "; ".join(f"{name} needs {registry.load('reporting', name).NEEDS}" for name in formats)
        print(f"nothing was written: {needs}", file=sys.stderr)
    return EXIT_FAILED if failed else EXIT_WRITTEN


def _refuse_the_same_run_twice(paths: Sequence[Path]) -> None:
    """
    Look for a path that leads where another one does.

    Raises:
        UsageError: If there is one.
    """
    seen: dict[Path, Path] = {}
    for path in paths:
        place = file_of(path).resolve()
        if place in seen:
            raise UsageError(f"'{path}' is the same run as '{seen[place]}'; name each run once")
        seen[place] = path


def _beside(formats: Sequence[str], *, was_asked_for: bool) -> tuple[str, ...]:
    """
    Return those of *formats* that can show several runs.

    Raises:
        UsageError: If one that cannot was asked for.
    """
    modules = {name: registry.load("reporting", name) for name in formats}
    able = tuple(name for name, module in modules.items() if {"figure", "write_beside"} & set(dir(module)))
    lacking = [name for name in formats if name not in able]
    if lacking and was_asked_for:
        raise UsageError(f"--format: '{lacking[0]}' is of one run; leave it out, or name a single run")
    return able


def _usual_target(runs: Sequence[Run]) -> Path:
    """Return where the reports go without --out: to the run, or to a new directory where there are several."""
    if len(runs) == 1 and runs[0].directory:
        return runs[0].directory
    return reports_directory() / f"{timestamp()}-side_by_side"


def _make_usable(target: Path, runs: Sequence[Run]) -> None:
    """
    Make *target* where it is not there.

    Raises:
        UsageError: If it cannot be written, or holds the journal of a run other than the one that is reported.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target):
            pass
    except OSError as error:
        raise UsageError(f"'{target}' cannot be written ({error.strerror}); name a directory with --out") from None
    own = runs[0].directory if len(runs) == 1 else None
    if (target / FILE_NAME).exists() and (own is None or not target.samefile(own)):
        raise UsageError(f"--out '{target}' holds another run; name another directory")
