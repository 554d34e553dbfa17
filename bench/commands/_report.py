"""The end of a run: every report from its journal, the table, and the exit status."""

import contextlib
import shlex
import sys
import time
from pathlib import Path

from bench.commands._destination import point_latest_at
from bench.commands._formats import told, write_formats
from bench.commands._request import Request
from bench.errors import BenchError, JournalError, UsageError
from bench.reporting import _conclusions, _console, _terminal
from bench.result import FAILURES, Sitting
from bench.results import frame, wall_time
from bench.results.frame import Run
from bench.running.journal import FILE_NAME, JournalWriter
from bench.running.session import Interrupted, interrupts_held

Ending = Interrupted | BenchError | OSError | None
"""What ended the measuring before its time, if anything did."""
EXIT_REPORT, EXIT_NOTHING, EXIT_FAILED = 2, 3, 4


def report(directory: Path, request: Request, ending: Ending, servers_seconds: float) -> int:
    """
    Write every report of the run in *directory* and return the exit status.

    Args:
        directory: Holds the journal, which alone is the truth.
        request: Which formats, and whether the directory was chosen by hand.
        ending: What ended the measuring before its time, if anything did.
        servers_seconds: What it took until the first worker could be started.
    """
    started = time.monotonic()
    with interrupts_held():
        if ending is not None:
            print(f"{told(ending)}; reporting what there is", file=sys.stderr)
        run = frame.load(directory)
        written, failed = write_formats([run], directory, request.formats, request.figure_formats)
        console = _terminal.stdout_console()
        _console.print_results(run, console)
        _conclusions.print_conclusions(run, console)
        print(f"\n{directory}/: {', '.join(path.name for path in (directory / FILE_NAME, *written))}")
        if request.history_url is not None:
            failed = not _add_to_history(run, request.history_url) or failed
        if request.resume is None and request.directory is None and "ok" in set(run.cases["status"]):
            point_latest_at(directory)
        now = time.monotonic()
        sitting = Sitting(
            servers_seconds=round(servers_seconds, 3),
            reporting_seconds=round(now - started, 3),
            total_seconds=round(now - request.started, 3),
        )
        _keep(sitting, directory)
        if request.verbose:
            _tell_wall_time(run, sitting)
        if ending is not None:
            print(f"continue with: {shlex.join([*_terminal.program(), '--resume', str(directory)])}", file=sys.stderr)
            return exit_status_of(ending) if isinstance(ending, Interrupted) else EXIT_REPORT
        return EXIT_REPORT if failed else _status_of(run)


def _add_to_history(run: Run, url: str) -> bool:
    """Put *run* into the history; return whether that worked, without which the run is as good as before."""
    from bench.commands._history import usual_url  # noqa: PLC0415 (SQLAlchemy, which few runs need)
    from bench.history.entries import entry_of_run  # noqa: PLC0415
    from bench.history.store import Store  # noqa: PLC0415

    try:
        with contextlib.closing(Store(url or usual_url())) as store:
            print(f"history: {store.add(entry_of_run(run))}")
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    return True


def exit_status_of(ending: Ending) -> int:
    """Return the exit status for what ended a run of which there is nothing to report; an error is raised again."""
    if isinstance(ending, Interrupted):
        return ending.exit_status
    if isinstance(ending, OSError):
        raise UsageError(told(ending)) from ending
    if ending is not None:
        raise ending
    return EXIT_NOTHING


def _keep(sitting: Sitting, directory: Path) -> None:
    # A full disk has been told of already, and the results are safe.
    with contextlib.suppress(JournalError), contextlib.closing(JournalWriter(directory / FILE_NAME)) as journal:
        journal.write_sitting(sitting)


def _tell_wall_time(run: Run, sitting: Sitting) -> None:
    parts = wall_time.split_seconds(run.results, (*run.sittings, sitting))
    total = sum(parts.values())
    print(f"\nwhere {total:.1f} s went:", file=sys.stderr)
    for name, seconds in parts.items():
        print(f"  {name:24}{seconds:8.1f} s {100 * seconds / total:5.1f} %", file=sys.stderr)


def _status_of(run: Run) -> int:
    statuses = set(run.cases["status"])
    if statuses & FAILURES:
        return EXIT_FAILED
    return 0 if "ok" in statuses else EXIT_NOTHING
