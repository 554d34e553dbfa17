"""What puts runs into a history: `history add`, `import` and `rebuild`."""

import argparse
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.commands._progress import counted
from bench.errors import JournalError, UsageError
from bench.history.entries import DOCUMENT_SUFFIX, Entry, entry_of, entry_of_benchmarks, entry_of_run
from bench.history.store import Store
from bench.results import frame
from bench.running import journal

EXIT_DONE, EXIT_MISTAKE = 0, 2
WHY_IT_STAYED = "the journal is gone, or another run lies there; if it was moved: history add DIR"


def add(options: argparse.Namespace, store: Store) -> int:
    """Put runs of ours in."""
    if not options.names:
        raise UsageError("history add: no run is named; give the directories of runs, or their folder")
    return _put_in(store, options.names, _runs, lambda path: entry_of_run(frame.load(path)))


def import_documents(options: argparse.Namespace, store: Store) -> int:
    """Put in what pytest-benchmark wrote."""
    if not options.names:
        raise UsageError("history import: no file is named; give JSON files of pytest-benchmark, or their folder")
    return _put_in(store, options.names, _documents, entry_of_benchmarks)


def _put_in(
    store: Store, names: Sequence[str], found_at: Callable[[Path], Sequence[Path]], read: Callable[[Path], Entry]
) -> int:
    """Put all that is *found_at* each of *names* into the history; what cannot be read is told, the rest goes in."""
    status = EXIT_DONE
    for path in itertools.chain.from_iterable([found_at(Path(name)) for name in names]):
        try:
            entry = read(path)
        except JournalError as error:
            print(f"error: {error}", file=sys.stderr)
            status = EXIT_MISTAKE
        else:
            print(f"{path}: {store.add(entry)}")
    return status


def _runs(path: Path) -> list[Path]:
    """Return a run's directory or journal as it is, or the runs below a folder."""
    if path.suffix == DOCUMENT_SUFFIX:
        raise UsageError(f"history add: '{path}' is no run; what pytest-benchmark wrote goes in with: history import")
    is_folder = path.is_dir() and not (path / journal.FILE_NAME).is_file()
    below = sorted(found.parent for found in path.rglob(journal.FILE_NAME)) if is_folder else []
    return below or [path]


def _documents(path: Path) -> list[Path]:
    """Return the file, or those below a folder, such as the storage of pytest-benchmark."""
    if path.suffix == DOCUMENT_SUFFIX:
        return [path]
    found = sorted(path.rglob(f"*{DOCUMENT_SUFFIX}"))
    if not found:
        raise UsageError(f"history import: '{path}' is no {DOCUMENT_SUFFIX} file, and has none below it")
    return found


def rebuild(options: argparse.Namespace, store: Store) -> int:
    """Read every journal again that is still there."""
    if options.names:
        raise UsageError(f"history rebuild: '{options.names[0]}' is of no use; put runs in with: history add DIR")
    known = store.all_runs()
    found = {row["id"]: entry for row in known if (entry := _read_again(row))}
    store.renew(found)
    print(f"made anew from {counted(len(found), 'journal')}")
    if left := len(known) - len(found):
        print(f"{counted(left, 'run')} stayed as in the index: {WHY_IT_STAYED}")
    return EXIT_DONE


def _read_again(row: Mapping[str, Any]) -> Entry | None:
    """Return the entry of a run from its journal; None: that is not there any more."""
    try:
        entry = entry_of(Path(row["path"]))
    except JournalError:
        return None
    is_same = (entry.run["started_at"], entry.run["commit"]) == (row["started_at"], row["commit"])
    return entry if is_same else None
