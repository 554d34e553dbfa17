"""The devices that one rank uses, behind one set of calls for CPU, CUDA and every other accelerator of torch."""

from typing import Any, Protocol

import torch

from bench.case import Case
from bench.measuring.clock import Clock, Event, EventClock, HostClock, SynchronizingClock


class Device(Protocol):
    """One rank's devices; the first is the primary one, where batches and losses are."""

    torch_devices: list[torch.device]
    is_accelerator: bool

    def synchronize(self) -> None:
        """Block until every device in use is idle."""

    def clock(self) -> Clock:
        """Return the best clock that the device allows."""

    def reset_peak_memory(self) -> None:
        """Forget the peaks so far, and what other processes' start left in them."""

    def peak_memory(self) -> tuple[int | None, int | None]:
        """Return the allocated and reserved peaks in bytes, the largest over the devices in use; None: unknown."""

    def reserved_bytes(self) -> int | None:
        """Return what the allocator holds in reserve, over all devices; None: unknown."""

    def allocator_retries(self) -> int | None:
        """Return how often the allocator gave its reserve back to get memory, over all devices; None: unknown."""

    def total_allocated_bytes(self) -> int | None:
        """Return the sum of all allocations since the process began, over all devices; None: unknown."""


class CpuDevice:
    """The CPU: nothing is asynchronous, and no allocator keeps a peak (see `memory`)."""

    is_accelerator = False

    def __init__(self) -> None:
        self.torch_devices = [torch.device("cpu")]

    def synchronize(self) -> None:
        """Return at once: what was called is done."""

    def clock(self) -> Clock:
        """Return the host clock."""
        return HostClock()

    def reset_peak_memory(self) -> None:
        """Do nothing: no peak is kept."""

    def peak_memory(self) -> tuple[int | None, int | None]:
        """Return nothing known."""
        return None, None

    def reserved_bytes(self) -> int | None:
        """Return nothing known."""
        return None

    def allocator_retries(self) -> int | None:
        """Return nothing known."""
        return None

    def total_allocated_bytes(self) -> int | None:
        """Return nothing known: the profiler sees the CPU's allocations."""
        return None


class AcceleratorDevice:
    """One or more devices of one accelerator type, through its module (`torch.cuda`, `torch.xpu`, `torch.mps`)."""

    is_accelerator = True

    def __init__(self, torch_devices: list[torch.device], module: Any = None) -> None:
        self.torch_devices = torch_devices
        self._module = module or torch.get_device_module(torch_devices[0])

    def synchronize(self) -> None:
        """Block until *every* device in use is idle: DataParallel's replicas work on their own."""
        for device in self.torch_devices:
            if device.type == "mps":  # one device, and its synchronize takes no argument
                self._module.synchronize()
            else:
                self._module.synchronize(device)

    def record_event(self) -> Event:
        """Enqueue a time stamp on the primary device's current stream."""
        event = self._module.Event(enable_timing=True)
        event.record()
        return event  # type: ignore[no-any-return]  # the module is only known at run time

    def clock(self) -> Clock:
        """Return the event clock, or the synchronizing one where events are missing."""
        # mps has an Event class, but its events cannot be recorded into a running command buffer without a commit.
        has_events = hasattr(self._module, "Event") and self.torch_devices[0].type != "mps"
        return EventClock(self) if has_events else SynchronizingClock(self)

    def reset_peak_memory(self) -> None:
        """Reset the peaks of every device in use."""
        if hasattr(self._module, "reset_peak_memory_stats"):
            for device in self.torch_devices:
                self._module.reset_peak_memory_stats(device)

    def peak_memory(self) -> tuple[int | None, int | None]:
        """Return the allocator's peaks."""
        if not hasattr(self._module, "max_memory_allocated"):
            return None, None
        allocated = max(self._module.max_memory_allocated(device) for device in self.torch_devices)
        reserved = max(self._module.max_memory_reserved(device) for device in self.torch_devices)
        return allocated, reserved

    def reserved_bytes(self) -> int | None:
        """Return the reserves of every device in use together."""
        return self._sum_of("reserved_bytes.all.current")

    def allocator_retries(self) -> int | None:
        """Return the retries of every device in use together."""
        return self._sum_of("num_alloc_retries")

    def total_allocated_bytes(self) -> int | None:
        """Return what every device in use has handed out together."""
        return self._sum_of("allocated_bytes.all.allocated")

    def _sum_of(self, statistic: str) -> int | None:
        if not hasattr(self._module, "memory_stats"):
            return None
        return sum(int(self._module.memory_stats(device).get(statistic, 0)) for device in self.torch_devices)


def devices_of(case: Case, local_rank: int, *, distributed: bool) -> Device:
    """Return the devices that the rank *local_rank* of *case* uses, the primary one made current."""
    if case.device_type == "cpu":
        return CpuDevice()
    first = int(case.device.partition(":")[2] or 0)
    indices = [first + local_rank] if distributed else list(range(first, first + case.num_devices))
    devices = [torch.device(case.device_type, index) for index in indices]
    module = torch.get_device_module(devices[0])
    if hasattr(module, "set_device"):
        module.set_device(devices[0])
    return AcceleratorDevice(devices, module)
