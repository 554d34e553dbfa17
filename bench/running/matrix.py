"""From a suite, the options and the devices that are there to the ordered cases, and to those that cannot run."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Literal

from bench import registry
from bench.case import Case
from bench.precisions import PRECISIONS
from bench.result import DeviceInfo
from bench.running import machine
from bench.strategies._base import Strategy
from bench.suite import AxisValues, Suite, canonical_workload, default_batch_size

ACCELERATOR = "accelerator"
"""A device value that stands for what the machine has; cuda where it has nothing."""

USUAL_INPUT = {"cpu": "resident", "cuda": "pinned"}
"""Device type to input. On the CPU a batch is where it is needed; CUDA copies from pinned memory without waiting."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedCase:
    """A case of the matrix, and why it cannot run if it cannot."""

    case: Case
    status: Literal["unsupported", "skipped"] | None = None
    """None: it can run here."""
    reason: str | None = None


def expand(suite: Suite, options: AxisValues, devices: Sequence[DeviceInfo], seed: int) -> list[PlannedCase]:
    """
    Return the matrix in the order of the suite's tables, each case once.

    Args:
        suite: Its tables give the axes.
        options: An axis given here replaces that axis in every table; a device keeps the tables of its type.
        devices: The accelerators of this machine.
        seed: Goes into every case.
    """
    planned: dict[str, PlannedCase] = {}
    for table in _chosen_tables(suite.tables, options, devices):
        for case, problem in _cases_of(table, devices, seed):
            entry = judge(case, devices, problem)
            if case.id not in planned or (problem is None and planned[case.id].status == "unsupported"):
                planned[case.id] = entry
    return list(planned.values())


def num_processes(case: Case) -> int:
    """Return how many ranks run *case*."""
    return _strategy(case.strategy).num_processes(case)


def _chosen_tables(
    tables: Sequence[AxisValues], options: AxisValues, devices: Sequence[DeviceInfo]
) -> Iterator[AxisValues]:
    """Yield the tables that apply here, with the options in the place of their axes."""
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    given = {name: values for name, values in given.items() if values is not None and name != "needs_accelerator"}
    if "batch_size" in given or "global_batch_size" in given:  # whichever is given replaces both
        given = {"batch_size": None, "global_batch_size": None, **given}
    wanted = given.pop("device", None)
    here = [table for table in tables if devices or not table.needs_accelerator]
    for table in here:
        types = _types(table.device or ("cpu",), devices)
        own = wanted and tuple(device for device in wanted if _types((device,), devices) <= types)
        if wanted and not own:
            continue
        yield dataclasses.replace(table, **given, device=own or table.device)
    unmatched = [
        device
        for device in wanted or ()
        if not any(_types((device,), devices) <= _types(table.device or ("cpu",), devices) for table in here)
    ]
    if unmatched:  # a device that no table speaks of takes the cases of all of them
        for table in here:
            yield dataclasses.replace(table, **given, device=tuple(unmatched))


def _types(names: Sequence[str], devices: Sequence[DeviceInfo]) -> set[str]:
    return {_resolve(name, devices).partition(":")[0] for name in names}


def _resolve(device: str, devices: Sequence[DeviceInfo]) -> str:
    """Return *device* with "accelerator" replaced by the type that is there."""
    return device.replace(ACCELERATOR, devices[0].type if devices else "cuda")


def _cases_of(table: AxisValues, devices: Sequence[DeviceInfo], seed: int) -> Iterator[tuple[Case, str | None]]:
    """Yield every combination of a table's values, with a sentence where its batch cannot be divided."""
    combinations = itertools.product(
        table.workload or (),
        table.device or ("cpu",),
        table.strategy or ("single",),
        table.precision or ("fp32",),
        table.compile or ("eager",),
        table.input or (None,),
        table.loop or ("clean",),
        table.num_devices or (None,),
        table.batch_size or table.global_batch_size or (None,),
    )
    for workload, device, strategy, precision, compile_mode, source, loop, count, batch in combinations:
        spec = canonical_workload(workload)
        place = _resolve(device, devices)
        device_type = place.partition(":")[0]
        found = sum(info.type == device_type for info in devices)
        num_devices = count or (1 if ":" in place else _strategy(strategy).usual_num_devices(device_type, found))
        total = default_batch_size(spec) if batch is None else batch
        per_device = total if table.batch_size else max(1, total // num_devices)
        divides = bool(table.batch_size) or total % num_devices == 0
        case = Case(
            workload=spec,
            device=place,
            strategy=strategy,
            precision=precision,
            compile=compile_mode,
            input=source or USUAL_INPUT.get(device_type, "pageable"),
            loop=loop,
            batch_size=per_device,
            num_devices=num_devices,
            seed=seed,
        )
        yield (
            case,
            None if divides else f"a global batch of {total} does not divide by {num_devices}; give --batch-size",
        )


def judge(case: Case, devices: Sequence[DeviceInfo], problem: str | None = None) -> PlannedCase:
    """Return *case* with the reason why it cannot run here, if there is one."""
    if reason := problem or _senseless(case):
        return PlannedCase(case=case, status="unsupported", reason=reason)
    if reason := _missing(case, devices):
        return PlannedCase(case=case, status="skipped", reason=reason)
    return PlannedCase(case=case)


def _senseless(case: Case) -> str | None:
    """Return why *case* makes no sense on any machine."""
    if reason := _strategy(case.strategy).unsupported(case):
        return reason
    if reason := dict(PRECISIONS[case.precision].unsupported_on).get(case.device_type):
        return reason
    if case.device_type == "cpu" and case.input != "resident":
        return f"{case.input} input is a copy to an accelerator; the CPU reads the batch where it is"
    if case.compile == "reduce_overhead" and case.device_type != "cuda":
        return f"reduce_overhead is CUDA graphs; on {case.device_type} it is the same as default"
    if case.device_type == "mps" and case.input == "pinned":
        return "mps shares the host's memory, so there is nothing to pin"
    return None


def _missing(case: Case, devices: Sequence[DeviceInfo]) -> str | None:
    """Return what *case* needs that this machine lacks."""
    if case.device_type == "cpu":
        return _missing_compiler(case)
    found = [device for device in devices if device.type == case.device_type]
    first = int(case.device.partition(":")[2] or 0)
    name = case.device_type.upper()
    if first + case.num_devices > len(found):
        if not first:
            return f"needs {_count(case.num_devices, name)}, found {len(found)}"
        last = first + case.num_devices - 1
        wanted = case.device if last == first else f"{case.device} to {case.device_type}:{last}"
        return f"needs {wanted}, found {_count(len(found), name)}"
    least = PRECISIONS[case.precision].min_cuda_capability
    for device in found[first : first + case.num_devices]:
        if case.device_type == "cuda" and least and device.capability and device.capability < least:
            have = ".".join(map(str, device.capability))
            return f"{case.precision} needs compute capability {least[0]}.{least[1]}, {device.name} has {have}"
    return None


def _missing_compiler(case: Case) -> str | None:
    """Return what torch.compile lacks to make code for the CPU."""
    if not case.is_compiled or machine.cxx_compiler() is not None:
        return None
    return f"torch.compile needs a C++ compiler and {machine.cxx_name()} is not found; install it, or name one in CXX"


def _count(number: int, name: str) -> str:
    return f"{number} {name} device{'s' if number != 1 else ''}"


def _strategy(name: str) -> Strategy:
    strategy: Strategy = registry.load("strategies", name).STRATEGY
    return strategy
