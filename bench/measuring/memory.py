"""Peak memory: of the allocator exactly, and of the process as the kernel sees it."""

import contextlib
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def state_bytes(model: torch.nn.Module, optimizer: torch.optim.Optimizer, batch: Iterable[torch.Tensor]) -> int:
    """Return the bytes that live from step to step: parameters, buffers, gradients, optimizer state, the batch."""
    tensors = [*model.parameters(), *model.buffers(), *batch]
    tensors += [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    tensors += [
        value for state in optimizer.state.values() for value in state.values() if isinstance(value, torch.Tensor)
    ]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def peak_of_step_bytes(allocations_bytes: Sequence[int]) -> int:
    """
    Return the largest number of bytes that one step holds at once beyond what it began with.

    From allocations in the order in which they happened, so it is exact and the same every time; resident size is
    neither (after a fork it counts library pages that are only touched again).

    Args:
        allocations_bytes: Of one step; what was given back is negative.
    """
    return max(itertools.accumulate(allocations_bytes, initial=0))


def reset_process_peak() -> None:
    """Make the kernel forget the largest resident size so far, where it can."""
    with contextlib.suppress(OSError):
        _CLEAR_REFS.write_text("5", encoding="ascii")  # proc(5): 5 resets VmHWM


def process_peak_bytes() -> int | None:
    """Return the largest resident size since the reset; None where the kernel does not say."""
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
