"""What is the same in every round and is looked at once, after the timed window: memory, counters, FLOPs, the check."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from bench.measuring import counters, flops, memory, telemetry, trace
from bench.measuring.deviation import RandomStepError, deviation_of
from bench.measuring.placement import tensors_of
from bench.measuring.worker import Worker
from bench.result import Measurement

EXTRA_STEPS = 12
"""What the extra steps cost in usual ones: seven of them, of which the profiled one takes several times as long."""
NOTE_LENGTH = 300

Fields = dict[str, Any]


def with_extras(worker: Worker, measurement: Measurement, remaining_seconds: float) -> Measurement:
    """
    Return *measurement* with peak memory on the CPU, counters, FLOPs, and the deviation from fp32.

    Whatever fails here is a note on the row: the timings are good. A rank in a group does nothing more after it, since
    what it gathered next would be paired with what the others gather now.

    Args:
        worker: Done with its timed window.
        measurement: What it saw.
        remaining_seconds: Until the worker's deadline.
    """
    started = time.perf_counter()
    affordable = int(EXTRA_STEPS * worker.warm_step_seconds < remaining_seconds)
    if not worker.ranks.agree(affordable):
        note = "no memory, counters, FLOPs or check: too little time was left before the deadline"
        return dataclasses.replace(measurement, notes=(*measurement.notes, note))
    found: Fields = {}
    notes = list(measurement.notes)
    looks: tuple[tuple[str, Callable[[Worker], Fields]], ...] = (
        # First: the check leaves the model with other parameters.
        (
            "telemetry",
            lambda worker: {
                "telemetry": telemetry.observe(worker, remaining_seconds - EXTRA_STEPS * worker.warm_step_seconds)
            },
        ),
        ("memory or counters", _counted),
        ("FLOPs", _flops),
        ("check against fp32", _checked),
    )
    for what, look in looks:
        fields, complaint = _attempt(what, look, worker)
        notes += [*fields.pop("notes", ()), *complaint]
        found |= fields
        if complaint and worker.ranks.in_group:
            worker.is_in_step = False
            break
    return dataclasses.replace(
        measurement, **found, notes=tuple(notes), extras_seconds=round(time.perf_counter() - started, 6)
    )


def _attempt(what: str, look: Callable[[Worker], Fields], worker: Worker) -> tuple[Fields, list[str]]:
    try:
        return look(worker), []
    except Exception as error:  # noqa: BLE001 (see with_extras)
        return {}, [f"no {what}: {type(error).__name__}: {error}".partition("\n")[0][:NOTE_LENGTH]]


def _counted(worker: Worker) -> Fields:
    step, device, strategy = worker.built.step, worker.device, worker.strategy
    events = counters.profiled(step, device, all_threads=strategy.threaded)
    found: Fields = {} if device.is_accelerator else _cpu_memory(worker, events)
    found["counters"] = counters.count(step, device, events, is_visible_to_dispatch=not strategy.threaded)
    return found


def _cpu_memory(worker: Worker, events: list[trace.Event]) -> Fields:
    step, model = worker.built.step, worker.built.workload.model
    batch = (tensor for _, tensor in tensors_of(step.batch))
    state = memory.state_bytes(model, step.optimizer, batch) + worker.strategy.extra_bytes(model)
    peak = state + memory.peak_of_step_bytes(trace.cpu_allocations_bytes(events))
    largest = max(known for (known,) in worker.ranks.gather([peak]))
    return {"peak_allocated_bytes": largest, "memory_source": "allocator"}


def _flops(worker: Worker) -> Fields:
    found = flops.count(worker.built)
    total = None if found.flops is None else found.flops * worker.ranks.world_size
    return {"step_flops": total, "flops_source": None if total is None else found.source}


def _checked(worker: Worker) -> Fields:
    try:
        found = deviation_of(worker.case, worker.built, worker.strategy, worker.ranks)
    except RandomStepError as error:
        return {"notes": (f"no check against fp32: {error}",)}
    return {"loss_deviation_ratio": found.loss_ratio, "gradient_norm_deviation_ratio": found.gradient_norm_ratio}
