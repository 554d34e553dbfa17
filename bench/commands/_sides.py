"""Which two sides `ab` holds against each other: where their code lies, and who runs it."""

import argparse
import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.errors import UsageError
from bench.measuring.task import Checkout
from bench.registry import names
from bench.running import revisions
from bench.running.pool import Place, Pool, usual_start_method
from bench.workload_file import binds

NUM_SERVERS = 3
"""Each pair takes both its workers from one of them, in turn: a server is a layer of variance of its own."""
PACKAGE_FOLDERS = (".", "src")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Named:
    """One side's code."""

    name: str
    """For a person."""
    place: Place


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting(Named):
    """One side: its code, and what runs it."""

    pool: Pool


def check(options: argparse.Namespace) -> None:
    """
    Refuse sides that contradict each other, before anything is started.

    Raises:
        UsageError: In one line.
    """
    if options.axis and options.base:
        raise UsageError("--base cannot stand beside --axis, which compares modes of one revision; name it with --head")
    if options.axis and options.calibrate:
        raise UsageError("--calibrate cannot stand beside --axis; it holds one revision against itself")
    if options.calibrate and options.counters_only:
        raise UsageError("--calibrate cannot stand beside --counters-only; what is exact needs no calibration")
    if options.calibrate and options.base and options.head:
        raise UsageError("--head cannot stand beside --base with --calibrate, which holds one revision against itself")
    if not options.axis and not options.calibrate and not options.base:
        raise UsageError("--base is missing; name the revision to compare with, such as --base origin/main")
    for name in ("base_python", "head_python"):
        python = getattr(options, name)
        if python is not None and not (python.is_file() and os.access(python, os.X_OK)):  # folders may be entered
            raise UsageError(f"--{name.replace('_', '-')} '{python}' is no program; give the path of an interpreter")
        if python is not None and options.axis:
            raise UsageError(f"--{name.replace('_', '-')} cannot stand beside --axis, whose modes share a process")


@contextlib.contextmanager
def places(options: argparse.Namespace) -> Iterator[tuple[Named, Named]]:
    """Check both sides out and yield base and head; modes of one revision and a calibration have one place."""
    with contextlib.ExitStack() as stack:
        if options.axis or options.calibrate:
            name = options.head or options.base
            here = Named(name="the files as they are", place=Place(working_directory=Path.cwd()))
            only = _checked_out([name], stack)[0] if name else here
            yield only, only
        else:
            base, head = _checked_out([options.base, options.head or revisions.WORKTREE], stack)
            yield base, head


@contextlib.contextmanager
def settings(
    options: argparse.Namespace, sides: tuple[Named, Named], say: Callable[[str], None]
) -> Iterator[tuple[Setting, Setting]]:
    """Start what starts the workers of both *sides*, and yield base and head."""
    pythons = [str(python.absolute()) if python else None for python in (options.base_python, options.head_python)]
    say("starting the processes that start workers")
    with contextlib.ExitStack() as stack:
        pools: dict[str | None, Pool] = {}
        for python in dict.fromkeys(pythons):
            pools[python] = stack.enter_context(_pool(python, 1 if options.counters_only else NUM_SERVERS))
            for note in pools[python].notes:
                say(note)
        base, head = (
            Setting(name=side.name, place=side.place, pool=pools[python])
            for side, python in zip(sides, pythons, strict=True)
        )
        yield base, head


def _checked_out(wanted: list[str], stack: contextlib.ExitStack) -> list[Named]:
    repository = revisions.repository_of(Path.cwd())
    return [
        Named(
            name=f"{revision.name} ({revision.commit})",
            place=Place(
                name=f"side{number}",
                working_directory=revision.directory,
                checkout=Checkout(root=str(revision.root), working_tree=str(repository.root)),
            ),
        )
        for number, revision in enumerate(stack.enter_context(revisions.checked_out(wanted, repository)))
    ]


def _pool(python: str | None, num_servers: int) -> Pool:
    return Pool(num_servers, usual_start_method(), dict(os.environ), python or sys.executable)


def has_workload(setting: Setting, spec: str) -> bool | None:
    """Return whether *setting* has the workload *spec*; None: only running it would tell."""
    source, _, function = spec.rpartition(":")
    directory = setting.place.working_directory
    if source in names("workloads"):
        root = Path(setting.place.checkout.root) if setting.place.checkout else None
        if root is None or not (root / "run_bench.py").is_file() or not (root / "bench" / "workloads").is_dir():
            return True
        return _binds(root / "bench" / "workloads" / f"{source}.py", function)
    if source.endswith(".py"):
        return _binds(directory / source, function)
    return True if _module_is_in(directory, source) else None


def _binds(path: Path, function: str) -> bool:
    try:
        return binds(path, function)
    except OSError:
        return False
    except (SyntaxError, ValueError):  # the worker says it better
        return True


def _module_is_in(directory: Path, module: str) -> bool:
    path = Path(*module.split("."))
    return any(
        (directory / folder / found).is_file()
        for folder in PACKAGE_FOLDERS
        for found in (path.with_suffix(".py"), path / "__init__.py")
    )
