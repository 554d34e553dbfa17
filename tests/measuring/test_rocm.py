"""What AMD's driver says, through fakes of torch's calls."""

from typing import Any

import pytest
import torch

from bench.measuring.nvml import Driver
from bench.measuring.rocm import RocmDriver, driver_of

GPUS = [torch.device("cuda", 0), torch.device("cuda", 1)]


@pytest.fixture(name="draws")
def _draws(monkeypatch: pytest.MonkeyPatch) -> dict[torch.device, Any]:
    draws: dict[torch.device, Any] = {GPUS[0]: 500, GPUS[1]: 620}
    monkeypatch.setattr(torch.cuda, "power_draw", lambda device: draws[device])
    monkeypatch.setattr(torch.cuda, "temperature", lambda device: 50 + device.index)
    monkeypatch.setattr(torch.cuda, "clock_rate", lambda device: 2100 - device.index)
    return draws


def test_devices_are_summed_the_hottest_and_the_slowest_count(draws: dict[torch.device, Any]) -> None:
    driver = RocmDriver(GPUS)
    assert driver.power_watts() == sum(draws.values())
    assert driver.temperature_celsius() == 51
    assert driver.clock_hertz() == 2099e6


def test_milliwatts_are_told_from_watts(draws: dict[torch.device, Any]) -> None:
    draws[GPUS[0]] = 500_000
    assert RocmDriver(GPUS).power_watts() == 1120


def test_a_sensor_that_says_nothing_is_no_power_of_nothing(draws: dict[torch.device, Any]) -> None:
    draws[GPUS[1]] = 0
    assert RocmDriver(GPUS).power_watts() is None


def test_what_cannot_be_asked_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_device: torch.device) -> int:
        raise ModuleNotFoundError("amdsmi does not seem to be installed")

    for name in ("power_draw", "temperature", "clock_rate"):
        monkeypatch.setattr(torch.cuda, name, refuse)
    driver = RocmDriver(GPUS)
    assert (driver.power_watts(), driver.temperature_celsius(), driver.clock_hertz()) == (None, None, None)
    assert (driver.energy_millijoules(), driver.throttle_ns(), driver.foreign_processes()) == (None, None, None)


def test_only_a_rocm_build_with_a_gpu_is_asked_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(driver_of([torch.device("cpu")])) is Driver
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert type(driver_of(GPUS)) is RocmDriver
    assert type(driver_of([torch.device("cpu")])) is Driver
