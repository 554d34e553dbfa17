"""What can happen in the middle of a block and make its steps unlike each other, or unlike a usual step."""

import dataclasses
import math
import sys

import torch

from bench.measuring.device import Device
from bench.measuring.training_step import TrainingStep


@dataclasses.dataclass(frozen=True, kw_only=True)
class State:
    """What must hold still while a block runs."""

    scale: float
    """Of the loss, by GradScaler: it falls with every step that is left out, and grows now and then."""
    reserved_bytes: int | None
    """By the allocator, of every device in use."""
    retries: int | None
    """Of the allocator, to get memory."""
    compilations: int
    """By torch.compile, since the process began."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Incidents:
    """What happened between two states."""

    allocator_retries: int | None
    skipped_steps: int | None
    """None where there is no GradScaler."""
    compilations: int


def look(step: TrainingStep, device: Device) -> State:
    """Return the state between two blocks; it may wait for the device, so never call it inside one."""
    return State(
        scale=step.scaler.get_scale(),
        reserved_bytes=device.reserved_bytes(),
        retries=device.allocator_retries(),
        compilations=num_compilations(),
    )


def between(before: State, after: State, scaler: torch.amp.GradScaler) -> Incidents:
    """Return what happened from *before* to *after*."""
    return Incidents(
        allocator_retries=None if before.retries is None or after.retries is None else after.retries - before.retries,
        skipped_steps=_skipped_steps(before, after, scaler) if scaler.is_enabled() else None,
        compilations=after.compilations - before.compilations,
    )


def num_compilations() -> int:
    """Return how many graphs torch.compile has compiled in this process; 0 where it was never loaded."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return 0 if dynamo is None else int(dynamo.counters["stats"]["unique_graphs"])


def _skipped_steps(before: State, after: State, scaler: torch.amp.GradScaler) -> int:
    """Return by how many steps the scale fell; a growth in between, once in 2000 steps, hides one."""
    if after.scale >= before.scale or after.scale <= 0:
        return 0
    return max(1, round(math.log(after.scale / before.scale, scaler.get_backoff_factor())))
