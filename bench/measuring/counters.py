"""Counts what one step does, in extra steps outside the timed pass: exact figures that need no quiet machine."""

import dataclasses
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.profiler import record_function
from torch.utils._python_dispatch import TorchDispatchMode

from bench.measuring import trace, traffic
from bench.measuring.device import Device
from bench.measuring.incidents import num_compilations
from bench.measuring.training_step import TrainingStep
from bench.result import Counters

OPTIMIZER_BEGINS, OPTIMIZER_ENDS = "stepbench: the optimizer begins", "stepbench: the optimizer ends"
SYNC_WARNING = "synchronizing CUDA operation"
"""Part of what `torch.cuda.set_sync_debug_mode` says, in torch 2.6 to 2.13."""


@dataclasses.dataclass(kw_only=True)
class _Tally:
    """Operators and host synchronisations of one step."""

    operators: int = 0
    host_syncs: int = 0
    optimizer_host_syncs: int = 0
    collectives: int = 0
    collective_bytes: int = 0
    accessed_bytes: int = 0


def count(
    step: TrainingStep, device: Device, events: Sequence[trace.Event], *, is_visible_to_dispatch: bool
) -> Counters:
    """
    Return the counters of *step*, running it once or twice more.

    Args:
        step: Warm.
        device: Where it runs.
        events: Of one step under the profiler, from `profiled`.
        is_visible_to_dispatch: Whether operators pass through this thread's Python dispatch: not under DataParallel,
            whose threads it does not see. A compiled model would run uncompiled under it, so that is left to the
            profiler as well.
    """
    uses_dispatch = is_visible_to_dispatch and num_compilations() == 0
    tally = _dispatched(step, device) if uses_dispatch else _from_trace(events)
    if device.torch_devices[0].type == "cuda":
        outside, in_optimizer = _sync_warnings(step)
        # Every `.item()` warns as well, and besides it what neither source sees, such as `.tolist()`.
        tally.host_syncs = max(tally.host_syncs, outside)
        tally.optimizer_host_syncs = max(tally.optimizer_host_syncs, in_optimizer)
    return Counters(
        source="dispatch" if uses_dispatch else "profiler",
        operators=tally.operators,
        host_syncs=tally.host_syncs,
        optimizer_host_syncs=tally.optimizer_host_syncs,
        allocated_bytes=_allocated_bytes(step, device, events),
        kernels=trace.num_kernels(events) if device.torch_devices[0].type == "cuda" else None,
        graph_breaks=_graph_breaks(),
        recompiles=_recompiles(),
        accessed_bytes=tally.accessed_bytes if uses_dispatch else None,
        collectives=tally.collectives if uses_dispatch else None,
        collective_bytes=tally.collective_bytes if uses_dispatch else None,
    )


def profiled(step: TrainingStep, device: Device, *, all_threads: bool = False) -> list[trace.Event]:
    """Run *step* once under the profiler, with a mark where its optimizer begins and one where it ends."""

    def run() -> None:
        step.run(_around_optimizer(step, lambda: _mark(OPTIMIZER_BEGINS), lambda: _mark(OPTIMIZER_ENDS)))
        device.synchronize()

    return trace.trace_of(run, with_kernels=device.torch_devices[0].type == "cuda", all_threads=all_threads)


class _CountingMode(TorchDispatchMode):
    """Sees every operator of eager code: forward, backward, optimizer, and DDP's reducer."""

    def __init__(self, device_type: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.tally = _Tally()
        self.is_in_optimizer = False
        self._device_type = device_type

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        keywords = kwargs or {}
        out = func(*args, **keywords)
        self.tally.operators += 1
        self.tally.accessed_bytes += traffic.accessed_bytes(func, args, keywords, out)
        if func.namespace == "c10d":
            self.tally.collectives += 1
            self.tally.collective_bytes += max((traffic.bytes_of(argument) for argument in args), default=0)
        elif self._waits(str(func._schema.name), args, keywords, out):  # noqa: SLF001 (the operator's name has no other home)
            if self.is_in_optimizer:
                self.tally.optimizer_host_syncs += 1
            else:
                self.tally.host_syncs += 1
        return out

    def _waits(self, name: str, args: tuple[Any, ...], keywords: Mapping[str, Any], out: Any) -> bool:
        """Whether the host waits in this call for the device of the case."""
        if name == "aten::_local_scalar_dense":
            return bool(args[0].device.type == self._device_type)
        if self._device_type == "cpu" or keywords.get("non_blocking"):
            return False
        if name == "aten::_to_copy":
            return bool(args[0].device.type == self._device_type and out.device.type == "cpu")
        if name == "aten::copy_":
            if any(args[2:]):  # non_blocking, which arrives by position however it was written
                return False
            return bool(args[1].device.type == self._device_type and args[0].device.type == "cpu")
        return False


def _dispatched(step: TrainingStep, device: Device) -> _Tally:
    mode = _CountingMode(device.torch_devices[0].type)

    def be_in_optimizer(*, is_in: bool) -> None:
        mode.is_in_optimizer = is_in

    with mode:
        step.run(_around_optimizer(step, lambda: be_in_optimizer(is_in=True), lambda: be_in_optimizer(is_in=False)))
    return mode.tally


def _from_trace(events: Sequence[trace.Event]) -> _Tally:
    """Return what the profiler saw; it sees every thread, and an operator's inner calls as well."""
    begins, ends = trace.time_of(events, OPTIMIZER_BEGINS), trace.time_of(events, OPTIMIZER_ENDS)
    inside = trace.operators_between(events, begins, ends)
    everything = trace.operators_between(events, float("-inf"), float("inf"))
    sync = "aten::_local_scalar_dense"
    in_optimizer = inside.count(sync)
    return _Tally(
        operators=len(everything), host_syncs=everything.count(sync) - in_optimizer, optimizer_host_syncs=in_optimizer
    )


def _sync_warnings(step: TrainingStep) -> tuple[int, int]:
    """Return how often CUDA made the host wait outside the optimizer and in it, by torch's own warnings."""
    marks: list[int] = []
    previous = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            step.run(_around_optimizer(step, lambda: marks.append(len(caught)), lambda: marks.append(len(caught))))
        finally:
            torch.cuda.set_sync_debug_mode(previous)
    are_syncs = [SYNC_WARNING in str(warning.message) for warning in caught]
    in_optimizer = sum(are_syncs[slice(*marks)])
    return sum(are_syncs) - in_optimizer, in_optimizer


def _allocated_bytes(step: TrainingStep, device: Device, events: Sequence[trace.Event]) -> int | None:
    if not device.is_accelerator:
        return sum(size for size in trace.cpu_allocations_bytes(events) if size > 0)
    before = device.total_allocated_bytes()
    if before is None:
        return None
    step.run(lambda: None)
    device.synchronize()
    after = device.total_allocated_bytes()
    assert after is not None
    return after - before


def _graph_breaks() -> int | None:
    """Return how often a graph ends before the model does, and how many pieces of code were left eager as a whole."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    if dynamo is None or not dynamo.counters["frames"]["total"]:
        return None
    frames = dynamo.counters["frames"]
    return int(sum(dynamo.counters["graph_break"].values()) + frames["total"] - frames["ok"])


def _recompiles() -> int | None:
    if num_compilations() == 0:
        return None
    # Counts the compilations of each piece of code; not public, so another torch may lack it.
    counts = getattr(sys.modules.get("torch._dynamo.convert_frame"), "FRAME_COMPILE_COUNTER", None)
    return None if counts is None else sum(number - 1 for number in counts.values())


def _around_optimizer(step: TrainingStep, begins: Callable[[], None], ends: Callable[[], None]) -> Callable[[], None]:
    """Return a border that calls *begins* where the optimizer's phase begins, and *ends* where it ends."""
    before = step.phases.index("optimizer") - 1
    calls = iter((*[_do_nothing] * before, begins, ends, *[_do_nothing] * len(step.phases)))

    def border() -> None:
        next(calls)()

    return border


def _do_nothing() -> None:
    pass


def _mark(name: str) -> None:
    with record_function(name):
        pass
