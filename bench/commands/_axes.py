"""The options that choose cases: a suite, and axes that replace its own."""

import argparse
from typing import TYPE_CHECKING

from bench import registry
from bench.case import COMPILE_MODES, LOOPS
from bench.commands import _options
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.suite import AxisValues

TEXT_AXES = ("workload", "device", "strategy", "precision", "compile", "input", "loop")
NUMBER_AXES = ("batch_size", "global_batch_size", "num_devices")


def add_arguments(parser: argparse.ArgumentParser, usual_suite: str = "default") -> None:
    """Add the suite, and an option an axis."""
    group = parser.add_argument_group("axes (several values: A,B or the option again; each replaces the suite's)")
    group.add_argument(
        "--suite",
        metavar="NAME|FILE",
        help=f"{', '.join(registry.names('suites', '.toml'))}, or your own .toml ({usual_suite})",
    )
    helps = {
        "workload": f"{', '.join(registry.names('workloads'))}, NAME:SIZE, file.py:function, package.module:function",
        "device": "cpu, cuda, cuda:1, accelerator (what the machine has)",
        "strategy": ", ".join(registry.names("strategies")),
        "precision": "fp32, tf32, amp_bf16, amp_fp16",
        "compile": f"{', '.join(COMPILE_MODES)} (torch.compile's modes; eager,default compares)",
        "input": "resident (on the device already), pinned, pageable: where each step's batch comes from",
        "loop": f"{', '.join(LOOPS)}: how each step's loss is read, as for a log (clean: not at all)",
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


def values_from(options: argparse.Namespace) -> "AxisValues":
    """
    Return the values of the axes that were given.

    Raises:
        UsageError: If one is not known, or two options contradict each other; one line.
    """
    from bench import suite  # noqa: PLC0415 (--help needs none of it)

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
