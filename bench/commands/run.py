"""Measure the cases of a suite and leave CSV, PNG and the journal (the usual command)."""

import argparse
import time
from pathlib import Path

from bench import registry, suite
from bench.commands import _options
from bench.errors import UsageError, unknown_value
from bench.result import Environment, SamplingPlan

CPU_BUDGET_SECONDS, ACCELERATOR_BUDGET_SECONDS = 90.0, 600.0
"""An accelerator warms up for two seconds in each worker; a built-in CPU case takes half a second in all."""

TEXT_AXES = ("workload", "device", "strategy", "precision", "compile", "input", "loop")
NUMBER_AXES = ("batch_size", "global_batch_size", "num_devices")
PLAN_OPTIONS = ("suite", *TEXT_AXES, *NUMBER_AXES, "rounds", "budget", "target", "timeout", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add axes, plan and output."""
    _add_axes(parser)
    _add_plan(parser)
    _add_output(parser)


def execute(options: argparse.Namespace) -> int:
    """Run, report, and return the exit status (README, "Exit status")."""
    started = time.monotonic()
    axes = _axis_values(options)
    chosen = suite.load(options.suite or "default")
    formats = _checked_formats(options.format)
    if options.resume is not None and options.out is not None:
        raise UsageError("--out cannot stand beside --resume; a resumed run stays in its directory")

    # Not at the top: these take tens of milliseconds to import, and --help needs none of them.
    from bench.commands import _measure  # noqa: PLC0415

    request = _measure.Request(
        suite=chosen,
        axes=axes,
        sampling=lambda environment: _sampling(options, chosen, environment),
        seed=options.seed or 0,
        label=options.label,
        formats=formats,
        directory=options.out,
        resume=options.resume,
        has_plan_options=any(getattr(options, name) is not None for name in PLAN_OPTIONS),
        start_method=options.start_method,
        quiet=options.quiet,
        started=started,
    )
    return _measure.dry_run(request) if options.dry_run else _measure.run(request)


def _axis_values(options: argparse.Namespace) -> suite.AxisValues:
    values: dict[str, tuple[str, ...] | tuple[int, ...] | None] = {}
    for axis in TEXT_AXES:
        given = getattr(options, axis)
        for value in given or ():
            where = f"--{axis}: "
            if axis == "workload":
                suite.check_workload(value, where)
            else:
                suite.check_axis_value(axis, value, where)
        values[axis] = tuple(given) if given is not None else None
    for axis in NUMBER_AXES:
        given = getattr(options, axis)
        values[axis] = tuple(given) if given is not None else None
    if values["batch_size"] and values["global_batch_size"]:
        raise UsageError("--batch-size (per device) cannot stand beside --global-batch-size (over all); keep one")
    return suite.AxisValues(**values)  # type: ignore[arg-type]  # text axes hold texts, number axes numbers


def _checked_formats(given: list[str] | None) -> tuple[str, ...]:
    known = registry.names("reporting")
    for name in given or ():
        if name not in known:
            raise unknown_value("", name, known, "--format: ")
    return tuple(given) if given else known


def _sampling(options: argparse.Namespace, chosen: suite.Suite, environment: Environment) -> SamplingPlan:
    usual = ACCELERATOR_BUDGET_SECONDS if environment.devices else CPU_BUDGET_SECONDS
    given = {
        "rounds": options.rounds,
        "budget_seconds": options.budget or chosen.budget_seconds or usual,
        "target_ratio": options.target,
        "timeout_seconds": options.timeout,
    }
    return SamplingPlan(**{name: value for name, value in given.items() if value is not None})


def _add_axes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("axes (several values: A,B or the option again; each replaces the suite's)")
    group.add_argument("--suite", metavar="NAME|FILE", help=f"{', '.join(suite.names())}, or your own .toml (default)")
    helps = {
        "workload": f"{', '.join(registry.names('workloads'))}, NAME:SIZE, file.py:function, package.module:function",
        "device": "cpu, cuda, cuda:1, accelerator (what the machine has)",
        "strategy": ", ".join(registry.names("strategies")),
        "precision": "fp32, tf32, amp_bf16, amp_fp16",
        "compile": "eager",
        "input": "resident (on the device already), pinned, pageable: where each step's batch comes from",
        "loop": "clean",
    }
    for axis, text in helps.items():
        group.add_argument(f"--{axis}", action="extend", type=_options.words, metavar=axis.upper(), help=text)
    numbers = {
        "batch-size": "samples per device",
        "global-batch-size": "samples over all devices (the workload's own is the usual)",
        "num-devices": "ranks of ddp or replicas of data_parallel; on the cpu processes",
    }
    for axis, text in numbers.items():
        group.add_argument(f"--{axis}", action="extend", type=_options.whole_numbers, metavar="N", help=text)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how long")
    group.add_argument("--rounds", type=_options.positive_int, metavar="N", help="exactly N fresh workers a case")
    group.add_argument(
        "--budget", type=_options.seconds, metavar="SECONDS", help="end after this long (90; 600 on a GPU)"
    )
    group.add_argument(
        "--target", type=_options.ratio, metavar="SHARE", help="enough when the interval is this narrow (2.5%%)"
    )
    group.add_argument("--timeout", type=_options.seconds, metavar="SECONDS", help="deadline of one worker (30)")
    group.add_argument("--seed", type=_options.natural_int, metavar="N", help="of data, parameters and order (0)")


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--out", type=Path, metavar="DIR", help="a new directory (reports/<time>-<host>-<commit>)")
    group.add_argument("--resume", type=Path, metavar="DIR", help="continue the run in DIR")
    group.add_argument("--label", default="", metavar="TEXT", help="kept with the results")
    group.add_argument(
        "--format", action="extend", type=_options.words, metavar="NAME", help=", ".join(registry.names("reporting"))
    )
    group.add_argument("--quiet", action="store_true", help="no progress on standard error")
    group.add_argument("--dry-run", action="store_true", help="show the cases and the time that they will take")
    group.add_argument(
        "--start-method", choices=("forkserver", "spawn"), help="how workers start (forkserver where there is one)"
    )
