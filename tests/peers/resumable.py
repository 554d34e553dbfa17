"""A long measurement of many pieces, each a line of a file, that can be stopped and continued."""

import argparse
import contextlib
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.record import to_plain
from bench.running.session import Interrupted, interrupts_raised
from tests.peers import lines, machine


def parser_of(tools: Collection[str]) -> argparse.ArgumentParser:
    """Return a parser for where to, how often, and which of *tools*."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--tools", default=",".join(tools), help="comma-separated, of: " + ", ".join(tools))
    return parser


def measure_missing(
    path: Path, kind: str, order: Sequence[tuple[Any, ...]], done: Collection[tuple[Any, ...]],
    observe: Callable[..., Any],
) -> int:  # fmt: skip
    """
    Append a line to *path* for each piece that is missing, and return the exit status; Ctrl-C loses at most one piece.

    Args:
        path: JSON lines; made where it is not there.
        kind: What a line is called.
        order: The pieces, as arguments for *observe*.
        done: Those of them that are not measured again.
        observe: Returns the record of a piece.
    """
    missing = [key for key in order if key not in done]
    try:
        with interrupts_raised():
            lines.continued(path)
            if missing:
                lines.append(path, {"kind": "sitting", **machine.sitting()})
            for number, key in enumerate(missing, 1):
                print(f"[{number}/{len(missing)}] {' '.join(map(str, key))}", file=sys.stderr, flush=True)
                lines.append(path, {"kind": kind, **to_plain(observe(*key))})
    except Interrupted as interrupted:
        print(f"{interrupted}: run the same command to continue", file=sys.stderr)
        return interrupted.exit_status
    return 0


@contextlib.contextmanager
def empty_folder(folder: Path) -> Iterator[Path]:
    """Give *folder*, which is empty before and gone afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
