"""Peak memory: of the allocator exactly, and of the process as the kernel sees it."""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

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


def peak_of_step_bytes(run_step: Callable[[], None]) -> int:
    """
    Return the largest number of bytes that one step on the CPU holds at once beyond what it began with.

    From the profiler's allocation events, in the order in which they happened, so it is exact and the same every time;
    resident size is neither (after a fork it counts library pages that are only touched again).
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        run_step()
    with tempfile.TemporaryDirectory() as directory:
        trace = Path(directory) / "trace.json"
        recorded.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    allocations = sorted(
        (event["ts"], index, event["args"]["Bytes"])
        for index, event in enumerate(events)
        if event.get("name") == "[memory]" and event["args"]["Device Type"] == 0  # 0: the CPU
    )
    held = peak = 0
    for _, _, size in allocations:
        held += size
        peak = max(peak, held)
    return peak


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
