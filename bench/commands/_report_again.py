"""What `report` does once its options are parsed."""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.commands._formats import write_formats
from bench.commands._options import checked_formats
from bench.errors import BenchError, UsageError
from bench.results import frame
from bench.running.journal import FILE_NAME

EXIT_WRITTEN, EXIT_FAILED = 0, 2


def run(options: argparse.Namespace) -> int:
    """Write the reports of every run; what is wrong with one is said and costs none of the others."""
    formats = checked_formats(options.format)
    targets = [_target(options.out, path, num_runs=len(options.runs)) for path in options.runs]
    _refuse_one_folder_for_two(targets)
    status = EXIT_WRITTEN
    for path, target in zip(options.runs, targets, strict=True):
        try:
            is_good = _report(path, target, formats)
        except BenchError as error:
            print(f"error: {error}", file=sys.stderr)
            is_good = False
        status = status if is_good else EXIT_FAILED
    return status


def _report(path: Path, target: Path, formats: Sequence[str]) -> bool:
    """Return whether every format could be written."""
    found = frame.load(path)
    _make_usable(target, found.directory)
    written, failed = write_formats(found, target, formats)
    for file in written:
        print(file)
    return not failed


def _target(out: Path | None, path: Path, num_runs: int) -> Path:
    """Return where the reports of the run at *path* go."""
    directory = path if path.is_dir() else path.parent
    if out is None:
        return directory
    return out if num_runs == 1 else out / directory.resolve().name


def _refuse_one_folder_for_two(targets: Sequence[Path]) -> None:
    target, number = Counter(targets).most_common(1)[0]
    if number > 1:
        raise UsageError(f"{number} runs would be written to '{target}'; report them one at a time")


def _make_usable(target: Path, source: Path | None) -> None:
    """
    Make *target* where it is not there.

    Raises:
        UsageError: If it cannot be written, or holds the journal of a run other than that in *source*.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target):
            pass
    except OSError as error:
        raise UsageError(f"'{target}' cannot be written ({error.strerror}); name a directory with --out") from None
    if (target / FILE_NAME).exists() and (source is None or not target.samefile(source)):
        raise UsageError(f"--out '{target}' holds another run; name another directory")
