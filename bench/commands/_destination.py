"""Where a run's files go: a directory of its own, found fit before anything is measured."""

import contextlib
import datetime
import re
import socket
import tempfile
from pathlib import Path

from bench.errors import UsageError
from bench.registry import PACKAGE_DIR
from bench.running import journal


def usual_directory(commit: str) -> Path:
    """Return ``<UTC>-<host>-<commit>`` among the reports."""
    host = re.sub(r"[^A-Za-z0-9]+", "_", socket.gethostname().split(".")[0])
    return reports_directory() / "-".join(word for word in (timestamp(), host, commit) if word)


def reports_directory() -> Path:
    """Return ``reports`` in this checkout, or in the current folder outside it."""
    checkout = PACKAGE_DIR.parent
    inside = (checkout / "run_bench.py").is_file() and Path.cwd().is_relative_to(checkout)
    return (checkout if inside else Path.cwd()) / "reports"


def timestamp() -> str:
    """Return the time as names of directories begin with it, so that they sort by age."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")


def make_directory(directory: Path, option: str = "--out") -> bool:
    """
    Make *directory*, or take an empty one that is there; return whether it was made.

    Raises:
        UsageError: If it cannot be written, is a file, or holds anything.
    """
    was_there = directory.is_dir()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except FileExistsError:
        raise UsageError(f"{option} '{directory}' is a file; name a directory") from None
    except NotADirectoryError:
        raise UsageError(f"{option} '{directory}' leads through a file; name a directory") from None
    except OSError as error:
        raise UsageError(
            f"{option} '{directory}' cannot be written ({error.strerror}); name another directory"
        ) from None
    if (directory / journal.FILE_NAME).exists():
        raise UsageError(f"{option} '{directory}' holds a run; continue it with --resume, or name another directory")
    if any(directory.iterdir()):
        raise UsageError(f"{option} '{directory}' is not empty; name a new directory")
    return not was_there


def point_latest_at(directory: Path) -> None:
    """Make ``latest`` beside *directory* point at it, where links are allowed and the name is free or ours."""
    link = directory.parent / "latest"
    with contextlib.suppress(OSError):
        if link.is_symlink():
            link.unlink()
        link.symlink_to(directory.name, target_is_directory=True)
