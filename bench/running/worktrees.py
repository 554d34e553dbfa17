"""Worktrees for a while: added in a folder of their own, and gone afterwards, also after a run that was killed."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from bench.errors import BenchError
from bench.running.git import ask, git

PREFIX = "stepbench-ab-"
"""Of the folders for worktrees; what lies in one is ours to remove."""
_PATH_OF_OURS = re.compile(rf".*/{PREFIX}[0-9a-f]{{8}}-\w{{8}}/\d+/[^/]+", re.DOTALL)
"""Of a worktree in such a folder: strict, since what it fits may be removed."""
_LOCK_FILE = "lock"
"""In that folder. Its owner holds it while it lives: the system lets go of it however a process ends."""
_YOUNG_SECONDS = 60.0
"""Until then a folder without a lock may be that of a run which is just about to take it."""
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Wait until the folders are gone: an impatient person's second Ctrl-C comes while the first one tidies up."""
_UNFINISHED = "locked initializing"
"""How git itself locks a worktree while it adds it; any other lock is a person's."""


@contextlib.contextmanager
def folder_for_worktrees(repository: Path) -> Iterator[Path]:
    """
    Give a new folder, outside of which nothing is written, and remove it and its worktrees of *repository*.

    Raises:
        BenchError: If there is no place for temporary files.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = Path(tempfile.mkdtemp(prefix=_prefix_here())).resolve()
            stack.callback(_remove_tree, folder)
            lock = stack.enter_context((folder / _LOCK_FILE).open("wb"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            where = f" in {tempfile.tempdir}" if tempfile.tempdir else ""
            raise BenchError(
                f"no folder for worktrees can be made{where} ({error.strerror}); set TMPDIR to another place"
            ) from None
        stack.callback(_remove_worktrees, repository, folder)
        yield folder


def add_worktree(repository: Path, path: Path, commit: str) -> None:
    """
    Check all files of *commit* out at *path*, whatever part of them the user's sparse checkout leaves out.

    Two calls, since the second process that `git worktree add` starts for the files would outlive a killed first.
    """
    git(repository, "worktree", "add", "--detach", "--no-checkout", str(path), commit)
    git(path, "-c", "core.sparseCheckout=false", "read-tree", "--reset", "-u", commit)


def remove_abandoned(repository: Path) -> None:
    """Remove the worktrees of *repository* that a killed run left behind; those of one that still runs are kept."""
    worktrees = _worktrees_of_ours(repository)
    locked = {path.parents[1] for path, lock in worktrees.items() if lock}
    for folder in {path.parents[1] for path in worktrees} - locked:
        with contextlib.ExitStack() as stack:
            if _is_abandoned(folder, stack):
                _remove_worktrees(repository, folder)
    for folder in Path(tempfile.gettempdir()).glob(f"{_prefix_here()}*"):  # killed before its first worktree
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            is_old = time.time() - folder.stat().st_mtime > _YOUNG_SECONDS
            if is_old and (folder / _LOCK_FILE).exists() and _is_abandoned(folder, stack):
                _remove_tree(folder)


def _prefix_here() -> str:
    """Return the prefix with a mark of this machine: a shared repository may have a run's folder on another's disk."""
    return f"{PREFIX}{zlib.crc32(socket.gethostname().encode()):08x}-"


def _is_abandoned(folder: Path, stack: contextlib.ExitStack) -> bool:
    """Tell whether the owner of *folder* is dead; then its lock is ours until *stack* is left."""
    try:
        lock = stack.enter_context((folder / _LOCK_FILE).open("rb"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (
        FileNotFoundError
    ):  # the lock file is the last to go: removed by hand, or half of it by a run that was killed
        return folder.exists() or folder.name.startswith(_prefix_here())
    except OSError:  # it is held, or of another user
        return False
    return True


def _worktrees_of_ours(repository: Path) -> dict[Path, str]:
    """Return each worktree that lies as ours do, with the lock that a person put on it; empty: none."""
    found = {}
    listed = ask(repository, "worktree", "list", "--porcelain") or ""
    for record in listed.split("\n\n")[1:]:  # the first is the repository itself
        first, *others = record.split("\n")
        path = first.removeprefix("worktree ")
        if _PATH_OF_OURS.fullmatch(path):
            locks = [line for line in others if line.startswith("locked") and line != _UNFINISHED]
            found[Path(path)] = "".join(locks)
    return found


def _remove_worktrees(repository: Path, folder: Path) -> None:
    """Remove *folder* and the worktrees in it; the lock file goes last."""
    with _interrupts_delayed():
        for path in _worktrees_of_ours(repository):
            if path.parents[1] == folder:
                _remove_tree(path)
                if not path.exists():  # else the next run tries again
                    ask(repository, "worktree", "remove", "--force", "--force", str(path))  # twice, if it is unfinished
        _remove_tree(folder)


@contextlib.contextmanager
def _interrupts_delayed() -> Iterator[None]:
    """Let interrupts wait until this is left, where Python lets a thread decide that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)  # for git, which inherits it
    # Python's own part too: a library's thread (of OpenBLAS, say) is not masked, and takes the signal for it.
    handlers = {number: signal.signal(number, lambda given, _: received.append(given)) for number in _INTERRUPTS}
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if received:
            signal.raise_signal(received[0])


def _remove_tree(folder: Path) -> None:
    """Remove *folder* with all that is in it, folders without write permission too."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    for parent, names, _ in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            if not path.is_symlink():  # what a link points to is not ours
                with contextlib.suppress(OSError):
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
