"""Which two sides `ab` holds against each other: where their code lies, and who runs it."""

import argparse
import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.commands._options import option
from bench.errors import NothingToMeasureError, UsageError
from bench.measuring.checkout import LAYOUTS, OWN_WORKLOADS, is_our_own
from bench.measuring.task import Checkout
from bench.registry import names
from bench.running import revisions
from bench.running.pool import Place, Pool, usual_start_method
from bench.workload_file import binds

NUM_SERVERS = 3
"""Each pair takes both its workers from one of them, in turn: what all workers of one share must not decide alone."""


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
    for name in ("base", "head"):
        if getattr(options, name) == "":
            raise UsageError(
                f"--{name} is empty; did what should name it find nothing, as git merge-base in a shallow clone?"
            )
    if not (options.axis or options.calibrate or options.base):
        raise UsageError("--base is missing; name the revision to compare with, such as --base origin/main")
    if options.axis:
        _refuse(options, "axis", ("base",), "which compares modes of one revision; name it with --head")
        _refuse(options, "axis", ("base_python", "head_python"), "whose modes share a process")
    if options.calibrate:
        _refuse(options, "calibrate", ("axis",), "which holds one revision against itself")
        _refuse(options, "calibrate", ("base_python", "head_python"), "which holds one revision against itself")
        _refuse(options, "calibrate", ("counters_only", "fail_on", "out"), "which asks how often the clock is right")
        if options.base and options.head:
            raise UsageError(
                "--head cannot stand beside --base with --calibrate, which holds one revision against itself"
            )
    for name in ("base_python", "head_python"):
        python = getattr(options, name)
        if python is not None and not (python.is_file() and os.access(python, os.X_OK)):  # folders may be entered
            raise UsageError(f"{option(name)} '{python}' is no program; give the path of an interpreter")


def _refuse(options: argparse.Namespace, beside: str, names: Sequence[str], why: str) -> None:
    for name in names:
        if getattr(options, name):
            raise UsageError(f"{option(name)} cannot stand beside {option(beside)}, {why}")


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
    num_servers = 1 if options.counters_only or options.dry_run else NUM_SERVERS
    say("starting the processes that start workers")
    with contextlib.ExitStack() as stack:
        pools: dict[str | None, Pool] = {}
        for name, python in zip(("base", "head"), pythons, strict=True):
            if python not in pools:
                try:
                    pools[python] = stack.enter_context(_pool(python, num_servers))
                except NothingToMeasureError as error:
                    if python is None:
                        raise
                    raise UsageError(f"--{name}-python '{python}': {error}") from None
                for note in pools[python].notes:
                    say(note)
        base, head = (
            Setting(name=side.name, place=_place(side.place, has_own_python=python is not None), pool=pools[python])
            for side, python in zip(sides, pythons, strict=True)
        )
        yield base, head


def _place(place: Place, *, has_own_python: bool) -> Place:
    if place.checkout is None:
        return place
    return dataclasses.replace(place, checkout=dataclasses.replace(place.checkout, is_installed=has_own_python))


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
    if not directory.is_dir():
        return False
    if source in names("workloads"):
        root = Path(setting.place.checkout.root) if setting.place.checkout else None
        if root is None or not is_our_own(root):
            return True
        return _binds(root / OWN_WORKLOADS / f"{source}.py", function)
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
        for folder in LAYOUTS
        for found in (path.with_suffix(".py"), path / "__init__.py")
    )
