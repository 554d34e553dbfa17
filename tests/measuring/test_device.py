"""The devices of a rank, on fakes of torch's device modules."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.case import Case
from bench.measuring.clock import EventClock, HostClock, SynchronizingClock
from bench.measuring.device import AcceleratorDevice, CpuDevice, devices_of


class FakeCuda:
    """What `AcceleratorDevice` calls of `torch.cuda`, with other numbers for every device."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def synchronize(self, device: torch.device) -> None:
        self.calls.append(("synchronize", device))

    def Event(self, *, enable_timing: bool) -> SimpleNamespace:  # noqa: N802 (torch's name)
        return SimpleNamespace(record=lambda: self.calls.append(("record", enable_timing)))

    def reset_peak_memory_stats(self, device: torch.device) -> None:
        self.calls.append(("reset", device))

    def max_memory_allocated(self, device: torch.device) -> int:
        return {0: 100, 1: 300, 2: 200}[device.index]

    def max_memory_reserved(self, device: torch.device) -> int:
        return {0: 1000, 1: 700, 2: 900}[device.index]

    def memory_stats(self, device: torch.device) -> dict[str, int]:
        if device.index == 2:
            return {}  # as before the first allocation
        return {"reserved_bytes.all.current": 10 + device.index, "num_alloc_retries": device.index, "other": 7}

    def set_device(self, device: torch.device) -> None:
        self.calls.append(("set", device))


class FakeMps:
    """Like `torch.mps`: one device, a synchronize without argument, an Event that cannot time a step, no peaks."""

    def __init__(self) -> None:
        self.num_synchronized = 0

    def synchronize(self) -> None:
        self.num_synchronized += 1

    def Event(self, *, enable_timing: bool) -> None:  # noqa: N802 (torch's name)
        raise AssertionError("no event must be asked of mps")


def _cuda(*indices: int) -> list[torch.device]:
    return [torch.device("cuda", index) for index in indices]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    """Stand in for `torch.cuda` where a device module is looked up."""
    module = FakeCuda()
    monkeypatch.setattr(torch, "get_device_module", lambda device: module)
    return module


def test_the_cpu_has_the_host_clock_and_no_peaks() -> None:
    device = CpuDevice()
    device.synchronize()
    device.reset_peak_memory()
    assert device.torch_devices == [torch.device("cpu")]
    assert isinstance(device.clock(), HostClock)
    assert device.peak_memory() == (None, None)
    assert (device.reserved_bytes(), device.allocator_retries()) == (None, None)
    assert not device.is_accelerator


def test_every_device_is_synchronised() -> None:
    module = FakeCuda()
    AcceleratorDevice(_cuda(0, 1, 2), module).synchronize()
    assert module.calls == [("synchronize", device) for device in _cuda(0, 1, 2)]


def test_an_event_is_recorded_with_timing() -> None:
    module = FakeCuda()
    AcceleratorDevice(_cuda(0), module).record_event()
    assert module.calls == [("record", True)]


def test_a_device_with_events_gets_the_event_clock() -> None:
    assert isinstance(AcceleratorDevice(_cuda(0), FakeCuda()).clock(), EventClock)


def test_a_device_without_events_gets_the_synchronizing_clock() -> None:
    module = SimpleNamespace(synchronize=lambda device: None)
    clock = AcceleratorDevice([torch.device("xpu", 0)], module).clock()
    assert isinstance(clock, SynchronizingClock)


def test_mps_is_synchronised_without_argument_and_at_every_border() -> None:
    module = FakeMps()
    clock = AcceleratorDevice([torch.device("mps", 0)], module).clock()
    assert isinstance(clock, SynchronizingClock)
    clock.begin()
    clock.border()
    clock.end()
    assert module.num_synchronized == 2


def test_peaks_are_the_largest_over_the_devices() -> None:
    assert AcceleratorDevice(_cuda(0, 1, 2), FakeCuda()).peak_memory() == (300, 1000)
    assert AcceleratorDevice(_cuda(2), FakeCuda()).peak_memory() == (200, 900)


def test_peaks_are_reset_on_every_device() -> None:
    module = FakeCuda()
    AcceleratorDevice(_cuda(0, 2), module).reset_peak_memory()
    assert module.calls == [("reset", device) for device in _cuda(0, 2)]


def test_the_allocators_reserve_and_retries_are_those_of_every_device_together() -> None:
    device = AcceleratorDevice(_cuda(0, 1, 2), FakeCuda())
    assert (device.reserved_bytes(), device.allocator_retries()) == (10 + 11, 1)


def test_what_a_device_module_cannot_say_is_unknown_and_not_zero() -> None:
    device = AcceleratorDevice([torch.device("mps", 0)], FakeMps())
    device.reset_peak_memory()
    assert device.peak_memory() == (None, None)
    assert (device.reserved_bytes(), device.allocator_retries()) == (None, None)


def test_a_case_on_the_cpu_uses_the_cpu_whatever_its_rank(make_case: Callable[..., Case]) -> None:
    case = make_case(strategy="ddp", num_devices=2)
    assert isinstance(devices_of(case, 1, distributed=True), CpuDevice)


@pytest.mark.parametrize(
    ("axes", "rank", "indices"),
    [
        ({"device": "cuda"}, None, [0]),
        ({"device": "cuda:1"}, None, [1]),
        ({"device": "cuda", "strategy": "data_parallel", "num_devices": 3}, None, [0, 1, 2]),
        ({"device": "cuda:1", "strategy": "data_parallel", "num_devices": 2}, None, [1, 2]),
        ({"device": "cuda", "strategy": "ddp", "num_devices": 3}, 0, [0]),
        ({"device": "cuda", "strategy": "ddp", "num_devices": 3}, 2, [2]),
        ({"device": "cuda:1", "strategy": "ddp", "num_devices": 2}, 1, [2]),
    ],
)
def test_a_case_uses_the_devices_that_it_names_and_makes_the_first_current(
    cuda: FakeCuda,
    make_case: Callable[..., Case],
    axes: dict[str, Any],
    rank: int | None,
    indices: list[int],
) -> None:
    device = devices_of(make_case(**axes), rank or 0, distributed=rank is not None)
    assert device.torch_devices == _cuda(*indices)
    assert device.is_accelerator
    assert cuda.calls == [("set", device.torch_devices[0])]


def test_an_accelerator_without_a_current_device_is_used_all_the_same(
    monkeypatch: pytest.MonkeyPatch, make_case: Callable[..., Case]
) -> None:
    monkeypatch.setattr(torch, "get_device_module", lambda device: FakeMps())
    assert devices_of(make_case(device="mps"), 0, distributed=False).torch_devices == [torch.device("mps", 0)]
