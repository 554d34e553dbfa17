"""Turns a row of the precision table into torch's switches: TF32 flags, autocast, GradScaler."""

import contextlib
import dataclasses
from contextlib import AbstractContextManager

import torch

from bench.measuring.training_step import StepError
from bench.precisions import Precision
from bench.strategies._base import Autocast


def set_tf32(precision: Precision) -> None:
    """
    Allow or forbid TF32 in matrix products and convolutions.

    Through the legacy flags only: reading them after the newer `fp32_precision` was set raises.
    `torch.set_float32_matmul_precision` would leave convolutions as they are, where TF32 is on by default.
    """
    torch.backends.cuda.matmul.allow_tf32 = precision.tf32
    torch.backends.cudnn.allow_tf32 = precision.tf32


def check_tf32(precision: Precision, device_type: str) -> None:
    """
    Raise a StepError if a workload switched TF32 while it was measured: an fp32 figure would be a TF32 one.

    Flags that cannot be read were set through the newer API, which is as good a reason to distrust the figure.
    """
    if device_type != "cuda":
        return
    try:
        found = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    except RuntimeError:
        found = None
    if found != (precision.tf32, precision.tf32):
        raise StepError(
            f"the workload changed torch's TF32 flags while it ran; leave them to --precision {precision.name}"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Switches:
    """What belongs to a precision and is kept in the process: of two cases in one, each needs its own."""

    tf32: tuple[bool, bool]
    """In matrix products and in convolutions."""
    onednn: bool


def switches() -> Switches:
    """Return how the switches stand."""
    tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    return Switches(tf32=tf32, onednn=bool(torch.backends.mkldnn.enabled))


def set_switches(wanted: Switches) -> None:
    """Set them to what `switches` returned."""
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = wanted.tf32
    torch.backends.mkldnn.set_flags(wanted.onednn)


def autocast_for(precision: Precision, device_type: str) -> Autocast:
    """Return the maker of the context around a forward pass; it may be entered in any thread."""
    if precision.autocast_dtype is None:
        return contextlib.nullcontext
    dtype = getattr(torch, precision.autocast_dtype)

    def autocast() -> AbstractContextManager[object]:
        return torch.autocast(device_type, dtype=dtype)

    return autocast


def scaler_for(precision: Precision, device_type: str) -> torch.amp.GradScaler:
    """Return a GradScaler, disabled where the precision needs none."""
    return torch.amp.GradScaler(device_type, enabled=precision.grad_scaler)


def turn_onednn_off_where_it_has_no_lstm(model: torch.nn.Module, precision: Precision) -> str | None:
    """
    Switch oneDNN off if *model* holds a recurrent layer that oneDNN cannot run in this precision on this CPU.

    On CPUs without AVX-512 `nn.LSTM` under autocast raises "could not create a primitive descriptor"; torch's own
    kernels run it. Returns the sentence for the row, or None where nothing had to be done.
    """
    if precision.autocast_dtype is None or not any(isinstance(module, torch.nn.RNNBase) for module in model.modules()):
        return None
    trial = torch.nn.LSTM(2, 2)
    try:
        with torch.autocast("cpu", dtype=getattr(torch, precision.autocast_dtype)):
            trial(torch.zeros(1, 1, 2))
    except RuntimeError:
        torch.backends.mkldnn.set_flags(False)
        return f"oneDNN is off: it has no {precision.autocast_dtype} recurrent layer for this CPU"
    return None
