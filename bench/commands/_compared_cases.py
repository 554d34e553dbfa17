"""Which cases `ab` holds against each other: one and the same on two sides, or two modes of one revision."""

import argparse
import contextlib
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import suite
from bench.axes import check_axis_value
from bench.case import Case
from bench.commands import _axes, _options
from bench.commands._sides import Named, Setting, has_workload
from bench.errors import UsageError, unknown_value
from bench.measuring.task import Checkout
from bench.running.matrix import PlannedCase, expand
from bench.suite import AxisValues, Suite

AXES = (*_axes.TEXT_AXES, *_axes.NUMBER_AXES)

OTHER_BATCH = {"batch_size": "global_batch_size", "global_batch_size": "batch_size"}
"""Per device, and over all of them: one says the other."""


FOLLOWS = ("batch_size", "num_devices", "input")
"""What may follow from the value of another axis: the number of devices, each one's share of a batch, where it lies."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparedCase:
    """One row of the comparison."""

    base: Case
    head: Case
    label: str
    """For a person."""

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return self.head.id


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparedCases:
    """All rows."""

    able: tuple[ComparedCase, ...]
    new: tuple[str, ...] = ()
    """Cases that the base cannot have."""
    unable: tuple[str, ...] = ()
    """Cases that cannot run here, each with its reason."""


def check(options: argparse.Namespace) -> None:
    """
    Refuse an axis or a value that is not there, before anything is started.

    Raises:
        UsageError: In one line.
    """
    if options.axis is None:
        return
    axis, values = options.axis
    if axis not in AXES:
        raise unknown_value("", axis, AXES, "--axis: ")
    if getattr(options, axis) is not None:
        raise UsageError(f"{_options.option(axis)} cannot stand beside --axis {axis}; give its values there")
    other = OTHER_BATCH.get(axis)
    if other and getattr(options, other) is not None:
        raise UsageError(f"{_options.option(other)} cannot stand beside --axis {axis}; keep one")
    for value in values:
        if axis in _axes.NUMBER_AXES:
            _check_number(axis, value)
        if axis in _axes.TEXT_AXES and axis != "workload":
            check_axis_value(axis, value, f"--axis {axis}: ")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """The cases that were chosen, before it is known what the machine has."""

    suite: Suite
    axes: AxisValues
    mode: tuple[str, list[str]] | None
    """An axis and its values, where these are what is compared."""
    seed: int


def _check_number(axis: str, value: str) -> None:
    try:
        _options.positive_int(value)
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"--axis {axis}: {error}") from None


def chosen(options: argparse.Namespace, head: Named) -> Choice:
    """
    Return what the options choose; a workload's file is the head's, a suite's the one that is named.

    Raises:
        UsageError: If a value is not known, or a workload lies outside the repository; one line.
    """
    checkout = head.place.checkout
    _bring_inside(options, Path(checkout.working_tree) if checkout else None)
    directory = head.place.working_directory
    if not directory.is_dir():
        raise UsageError(f"{head.name} has no folder {Path.cwd().name}; run this where both sides have one")
    with contextlib.chdir(directory):
        for value in options.axis[1] if options.axis and options.axis[0] == "workload" else ():
            suite.check_workload(value, "--axis workload: ")
        chosen_suite = suite.load(options.suite or "quick")
        return Choice(
            suite=_brought_inside(chosen_suite, checkout),
            axes=_axes.values_from(options),
            mode=options.axis,
            seed=options.seed or 0,
        )


def compared_cases(choice: Choice, base: Setting, head: Setting) -> ComparedCases:
    """Return what is to be held against what."""
    devices = head.pool.environment.devices
    with contextlib.chdir(head.place.working_directory):
        if choice.mode is None:
            return _of_revisions(expand(choice.suite, choice.axes, devices, choice.seed), base)
        axis, values = choice.mode
        modes = [expand(choice.suite, _with_value(choice.axes, axis, value), devices, choice.seed) for value in values]
    return _of_modes(axis, values, modes)


def _with_value(axes: AxisValues, axis: str, value: str) -> AxisValues:
    values: dict[str, Any] = {axis: (int(value) if axis in _axes.NUMBER_AXES else value,)}
    return dataclasses.replace(axes, **values)


def _bring_inside(options: argparse.Namespace, working_tree: Path | None) -> None:
    """Write workload files relative to the current folder, so that each side finds its own."""
    if options.suite and options.suite.endswith(".toml"):
        options.suite = str(Path(options.suite).resolve())
    if working_tree is None:
        return
    if options.workload is not None:
        options.workload = [_relative(spec, working_tree) for spec in options.workload]
    if options.axis and options.axis[0] == "workload":
        options.axis = ("workload", [_relative(spec, working_tree) for spec in options.axis[1]])


def _brought_inside(chosen_suite: Suite, checkout: Checkout | None) -> Suite:
    """Return a suite whose workload files are relative, for the same reason."""
    if checkout is None:
        return chosen_suite
    tables = [
        dataclasses.replace(table, workload=tuple(_inside(spec, checkout) for spec in table.workload))
        if table.workload
        else table
        for table in chosen_suite.tables
    ]
    return dataclasses.replace(chosen_suite, tables=tuple(tables))


def _inside(spec: str, checkout: Checkout) -> str:
    """Return *spec*, an absolute path of the working tree as one that is relative to the revision's folder."""
    source, _, _ = spec.rpartition(":")
    path = Path(source or spec)
    if not path.is_absolute() or path.suffix != ".py":
        return spec
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(checkout.working_tree):
        raise UsageError(_outside("--suite", spec, checkout.working_tree))
    mapped = Path(checkout.root) / real.relative_to(checkout.working_tree)
    return os.path.relpath(mapped, Path.cwd()) + spec[len(source or spec) :]


def _outside(option: str, spec: str, working_tree: object) -> str:
    return f"{option}: '{spec}' lies outside {working_tree}, so that both sides would run the same file"


def _relative(spec: str, working_tree: Path) -> str:
    source, colon, function = spec.rpartition(":")
    name = source or spec
    if not name.endswith(".py"):
        return spec
    path = Path(name).resolve()
    if not path.is_relative_to(working_tree):
        raise UsageError(_outside("--workload", spec, working_tree))
    relative = os.path.relpath(path, Path.cwd())
    return f"{relative}{colon}{function}" if source else relative


def _of_revisions(planned: Sequence[PlannedCase], base: Setting) -> ComparedCases:
    able = [entry.case for entry in planned if entry.status is None]
    new = [case for case in able if has_workload(base, case.workload) is False]
    return ComparedCases(
        able=tuple(ComparedCase(base=case, head=case, label=case.slug) for case in able if case not in new),
        new=tuple(case.slug for case in new),
        unable=_unable(planned),
    )


def _of_modes(axis: str, values: Sequence[str], modes: Sequence[Sequence[PlannedCase]]) -> ComparedCases:
    """Return each case with the first of *values* against the same with every other."""
    if len({len(planned) for planned in modes}) > 1:
        raise UsageError(
            f"--axis {axis}: its values make different numbers of cases of this suite; name the other axes"
        )
    able, unable = [], list(_unable(modes[0]))
    for planned in modes[1:]:
        unable += _unable(planned)
        for first, other in zip(modes[0], planned, strict=True):
            _check_alike(axis, first.case, other.case)
            if first.status is None and other.status is None and first.case != other.case:
                label = f"{other.case.slug}, not {axis} {values[0]}"
                able.append(ComparedCase(base=first.case, head=other.case, label=label))
    return ComparedCases(
        able=tuple({compared.key: compared for compared in able}.values()), unable=tuple(dict.fromkeys(unable))
    )


def _check_alike(axis: str, first: Case, other: Case) -> None:
    """
    Look whether two cases differ in more than *axis* and what follows from it.

    Raises:
        UsageError: If they do.
    """
    names = [field.name for field in dataclasses.fields(Case) if field.name not in {axis, *FOLLOWS}]
    apart = [name for name in names if getattr(first, name) != getattr(other, name)]
    if apart:
        raise UsageError(
            f"--axis {axis}: its values make cases of this suite that differ in {', '.join(apart)} too; "
            "name the other axes"
        )


def _unable(planned: Sequence[PlannedCase]) -> tuple[str, ...]:
    return tuple(f"{entry.case.slug} ({entry.reason})" for entry in planned if entry.status is not None)
