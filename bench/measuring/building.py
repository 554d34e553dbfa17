"""Builds what a worker trains: loads the workload, moves it, wraps it, makes its batch and its optimizer."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import torch

from bench.case import Case
from bench.measuring import arithmetic
from bench.measuring.compiling import compiled
from bench.measuring.device import Device
from bench.measuring.loading import load_workload
from bench.measuring.placement import map_tensors, tensors_of, to_channels_last
from bench.measuring.training_step import READS, TrainingStep
from bench.precisions import PRECISIONS
from bench.strategies._base import Strategy
from bench.workload import Workload


@dataclasses.dataclass(frozen=True, kw_only=True)
class Built:
    """A case, ready for its first step."""

    workload: Workload
    """Its model is the bare one, on the primary device; the step's is the wrapped one."""
    step: TrainingStep
    notes: tuple[str, ...]
    """Sentences for the row."""


def build(case: Case, strategy: Strategy, device: Device, rank: int) -> Built:
    """Return *case* as this rank trains it; the process group, where there is one, has been joined."""
    precision = PRECISIONS[case.precision]
    primary = device.torch_devices[0]
    seed(case.seed, primary)  # the same initial parameters on every rank and in every case
    workload = load_workload(case.workload)
    arithmetic.set_tf32(precision)  # after the user's file ran, which may have set it for its own purposes
    notes = []
    if primary.type == "cpu" and (note := arithmetic.turn_onednn_off_where_it_has_no_lstm(workload.model, precision)):
        notes.append(note)
    model = workload.model.to(primary)
    if workload.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    model.train()
    autocast = arithmetic.autocast_for(precision, primary.type)
    num_samples = case.batch_size if strategy.distributed else case.global_batch_size
    seed(case.seed + 1 + (rank if strategy.distributed else 0), primary)  # every rank draws samples of its own
    batch = workload.make_batch(num_samples)
    if note := _size_note(batch, num_samples):
        notes.append(note)
    step = TrainingStep(
        model=strategy.wrap(compiled(model, case.compile), device.torch_devices, autocast),
        batch=_placed(batch, case, primary, channels_last=workload.channels_last),
        compute_loss=workload.compute_loss,
        optimizer=_optimizer(workload, model, primary),
        scaler=arithmetic.scaler_for(precision, primary.type),
        autocast=autocast,
        device=primary,
        moves_batch=case.input != "resident",
        read=READS[case.loop],
    )
    return Built(workload=workload, step=step, notes=tuple(notes))


def _size_note(batch: Any, num_samples: int) -> str | None:
    """Return the sentence for a batch that cannot hold the samples that were asked for; a guess, so no error."""
    sizes = {size for _, tensor in tensors_of(batch) for size in tensor.shape}
    if not sizes or any(size > 0 and size % num_samples == 0 for size in sizes):  # a packed batch has a multiple
        return None
    return (
        f"make_batch({num_samples}) returned no tensor with a dimension of {num_samples} or a multiple of it; if these "
        f"are not {num_samples} samples, the throughput is wrong"
    )


def _placed(batch: Any, case: Case, primary: torch.device, *, channels_last: bool) -> Any:
    """Return *batch* where the input axis says that it begins each step."""
    if channels_last:
        batch = map_tensors(to_channels_last, batch)
    if case.input == "resident":
        return map_tensors(lambda tensor: tensor.to(primary), batch)
    if case.input == "pinned":
        return map_tensors(torch.Tensor.pin_memory, batch)
    return batch


def _optimizer(workload: Workload, model: torch.nn.Module, primary: torch.device) -> torch.optim.Optimizer:
    parameters: Iterable[torch.nn.Parameter] = (
        parameter for parameter in model.parameters() if parameter.requires_grad
    )
    if workload.optimizer is not None:
        return workload.optimizer(parameters)
    # Fused: one kernel instead of many, and GradScaler need not synchronise to learn whether a step is skipped.
    fused = primary.type in ("cpu", "cuda", "xpu", "mps")
    return torch.optim.AdamW(parameters, lr=1e-3, fused=fused)


def seed(number: int, primary: torch.device) -> None:
    """Seed what draws numbers: parameters and batches are drawn on the CPU, dropout on the primary device."""
    if primary.type == "cpu":
        # torch.manual_seed would also queue a seed for CUDA, and format a stack trace for it: 4 ms in a forked worker.
        torch.default_generator.manual_seed(number)
    else:
        torch.manual_seed(number)
