"""Work on an NVIDIA GPU whose duration can be known: `torch.cuda._sleep`, which counts cycles; on the worker's side."""

from typing import Any

import torch

from bench.measuring.clock import Event, Window
from bench.measuring.device import AcceleratorDevice
from bench.selftest import _other_clock

SLEEPS = 5
"""In a window, each with a border after it."""
WINDOW_SECONDS = 0.15
"""At least 100 ms (method.md, section 10), also after the clocks have gone up."""
FIRST_CYCLES = 20_000_000
"""About 0.01 s at 2 GHz, to begin with."""
RAMP_SECONDS = 2.0
"""In which the GPU's clocks go up (method.md, section 3)."""


class Gpu(AcceleratorDevice):
    """The first NVIDIA GPU."""

    def __init__(self) -> None:
        super().__init__([torch.device("cuda", 0)])

    def sleep(self, cycles: int) -> None:
        """Enqueue a kernel that does nothing for *cycles*."""
        torch.cuda._sleep(cycles)  # noqa: SLF001 (the only work of known length)


class GpuWithoutSynchronise(Gpu):
    """One whose synchronise was forgotten, and whose events hide that: they wait for themselves when they are read."""

    def synchronize(self) -> None:
        """Forget to wait."""

    def record_event(self) -> Event:
        """Enqueue a time stamp."""
        return WaitingEvent(super().record_event())


class WaitingEvent:
    """Without it CUDA itself refuses to read an event that has not happened, and the clock would not be asked."""

    def __init__(self, event: Any) -> None:
        self.event = event

    def elapsed_time(self, end: Event, /) -> float:
        """Return the milliseconds to *end*, once it has happened."""
        assert isinstance(end, WaitingEvent)
        end.event.synchronize()
        milliseconds: float = self.event.elapsed_time(end.event)
        return milliseconds


def cycles_of_a_sleep(gpu: Gpu) -> int:
    """Return the cycles of one sleep of a window, after the clocks have gone up."""
    cycles, spent_seconds = FIRST_CYCLES, 0.0
    while spent_seconds < RAMP_SECONDS:
        seconds = sleep_window(gpu, cycles)[1]
        spent_seconds += seconds
        cycles = max(1, round(cycles * WINDOW_SECONDS / seconds))
    return cycles


def sleep_window(gpu: Gpu, cycles: int) -> tuple[Window, float]:
    """Return a window of sleeps as the harness's clock saw it, and its seconds on another one, synchronised too."""
    clock = gpu.clock()
    gpu.synchronize()
    start_ns = _other_clock.now_ns()
    clock.begin()
    for _ in range(SLEEPS):
        gpu.sleep(cycles)
        clock.border()
    window = clock.end()
    gpu.synchronize()
    return window, (_other_clock.now_ns() - start_ns) / 1e9
