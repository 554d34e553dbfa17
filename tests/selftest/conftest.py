"""Figures as workers would record them, and a pool whose workers are this process."""

import gc
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch

from bench.measuring.clock import EventClock
from bench.result import Environment
from bench.selftest import _cuda, _other_clock, _turns
from bench.selftest._simulated import SimulatedDevice

JITTER = (0.999, 1.002, 1.0, 0.998, 1.001, 1.003, 0.997, 1.0, 1.002, 0.998)
"""Of ten blocks: what an idle machine does to them; the interval of their mean is ±0.14 % wide."""


def _recorded(center: float, noise: float = 1.0) -> list[float]:
    """Return a figure for each of ten blocks around *center*, whose spread is *noise* times that of a quiet machine."""
    return [center * jitter**noise for jitter in JITTER]


class LocalPool:
    """Calls in this process what a worker would; notes what was asked."""

    def __init__(self, environment: Environment | None = None) -> None:
        self.environment = environment or Environment()
        self.asked: list[Mapping[str, Any]] = []

    def call(self, function: str, *, timeout_seconds: float, **arguments: Any) -> Any:
        self.asked.append(arguments)
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(**arguments)


class SimulatedGpu(SimulatedDevice):
    """A GPU in simulated time, whose sleep takes a nanosecond a cycle."""

    def sleep(self, cycles: int) -> None:
        self.enqueue(cycles)

    def clock(self) -> EventClock:
        return EventClock(self, self.now_ns)


@pytest.fixture
def recorded() -> Callable[..., list[float]]:
    return _recorded


@pytest.fixture
def make_pool() -> Callable[..., Any]:
    return LocalPool


@pytest.fixture
def simulated_gpu(monkeypatch: pytest.MonkeyPatch) -> SimulatedGpu:
    """Put a simulated GPU and its time in the place of the real ones."""
    gpu = SimulatedGpu()
    monkeypatch.setattr(_cuda, "Gpu", lambda: gpu)
    monkeypatch.setattr(_cuda, "GpuWithoutSynchronise", lambda: SimulatedGpu(waits=False))
    monkeypatch.setattr(_other_clock, "now_ns", gpu.now_ns)
    return gpu


@pytest.fixture
def _short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_turns, "TURNS", 1)
    monkeypatch.setattr(_turns, "STEPS", 4)


@pytest.fixture
def _torch_as_it_was() -> Iterator[None]:
    """Undo what a worker does to its own process."""
    threads = torch.get_num_threads()
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with torch.random.fork_rng(devices=[]):
        yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
    torch.set_num_threads(threads)
    gc.unfreeze()
