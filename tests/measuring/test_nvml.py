"""What the driver says, from a fake NVML that has each of its errors."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.measuring.nvml import Driver

CUDA = [torch.device("cuda", 0), torch.device("cuda", 1)]


class NotSupportedError(Exception):
    """NVML's own errors are no subclass of anything but Exception."""


class FakeNvml:
    """
    Two cards as `pynvml` shows them: one idle, one that power and heat have held back, with another process on it.

    Args:
        broken: Names of the calls that this driver refuses.
    """

    NVML_PERF_POLICY_POWER = 0
    NVML_PERF_POLICY_THERMAL = 1

    def __init__(self, broken: tuple[str, ...] = ()) -> None:
        self._broken = broken
        self.opened: list[bytes] = []

    def _ask(self, name: str) -> None:
        if name in self._broken:
            raise NotSupportedError(name)

    def nvmlInit(self) -> None:  # noqa: N802 (NVML's name)
        self._ask("nvmlInit")

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes) -> int:  # noqa: N802 (NVML's name)
        self._ask("nvmlDeviceGetHandleByUUID")
        self.opened.append(uuid)
        return len(self.opened) - 1

    def nvmlDeviceGetViolationStatus(self, handle: int, policy: int) -> Any:  # noqa: N802 (NVML's name)
        self._ask("nvmlDeviceGetViolationStatus")
        return SimpleNamespace(violationTime=handle * (1000 if policy == self.NVML_PERF_POLICY_POWER else 30))

    NVML_TEMPERATURE_GPU = 0
    NVML_CLOCK_SM = 1

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802 (NVML's name)
        self._ask("nvmlDeviceGetTotalEnergyConsumption")
        return 1000 * (handle + 1)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802 (NVML's name)
        self._ask("nvmlDeviceGetPowerUsage")
        return 300_000 + handle

    def nvmlSystemGetDriverVersion(self) -> bytes:  # noqa: N802 (NVML's name)
        self._ask("nvmlSystemGetDriverVersion")
        return b"580.65.06"

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: int) -> int:  # noqa: N802 (NVML's name)
        self._ask("nvmlDeviceGetEnforcedPowerLimit")
        return 700_000 - handle

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:  # noqa: N802 (NVML's name)
        assert sensor == self.NVML_TEMPERATURE_GPU
        self._ask("nvmlDeviceGetTemperature")
        return 50 + handle

    def nvmlDeviceGetClockInfo(self, handle: int, kind: int) -> int:  # noqa: N802 (NVML's name)
        assert kind == self.NVML_CLOCK_SM
        self._ask("nvmlDeviceGetClockInfo")
        return 1980 - handle

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:  # noqa: N802 (NVML's name)
        self._ask("nvmlDeviceGetComputeRunningProcesses")
        return [SimpleNamespace(pid=number) for number in range(handle + 1)]


@pytest.fixture(name="driver_of")
def _driver_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Driver]:
    """Return the maker of a driver for two CUDA devices that are not there."""
    properties = {device: SimpleNamespace(uuid=f"uuid-of-{device.index}") for device in CUDA}
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties[device])
    return lambda fake: Driver(CUDA, fake)


def test_devices_are_found_by_uuid(driver_of: Callable[[Any], Driver]) -> None:
    fake = FakeNvml()
    driver_of(fake)
    assert fake.opened == [b"GPU-uuid-of-0", b"GPU-uuid-of-1"]


def test_the_device_that_was_held_back_most_counts_with_power_and_heat_together(
    driver_of: Callable[[Any], Driver],
) -> None:
    assert driver_of(FakeNvml()).throttle_ns() == 1030


def test_the_own_process_is_not_a_foreign_one(driver_of: Callable[[Any], Driver]) -> None:
    assert driver_of(FakeNvml()).foreign_processes() == 1


def test_a_driver_that_hides_processes_does_not_say_that_there_are_none(
    driver_of: Callable[[Any], Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeNvml, "nvmlDeviceGetComputeRunningProcesses", lambda _self, _handle: [])
    assert driver_of(FakeNvml()).foreign_processes() is None


@pytest.mark.parametrize(
    ("broken", "throttle_ns", "foreign_processes"),
    [
        ("nvmlInit", None, None),
        ("nvmlDeviceGetHandleByUUID", None, None),
        ("nvmlDeviceGetViolationStatus", None, 1),
        ("nvmlDeviceGetComputeRunningProcesses", 1030, None),
    ],
)
def test_what_a_driver_refuses_is_unknown_and_the_rest_is_known(
    driver_of: Callable[[Any], Driver], broken: str, throttle_ns: int | None, foreign_processes: int | None
) -> None:
    driver = driver_of(FakeNvml(broken=(broken,)))
    assert driver.throttle_ns() == throttle_ns
    assert driver.foreign_processes() == foreign_processes


READINGS = {
    "nvmlDeviceGetTotalEnergyConsumption": ("energy_millijoules", 3000),
    "nvmlDeviceGetEnforcedPowerLimit": ("power_limit_watts", 1399.999),
    "nvmlDeviceGetTemperature": ("temperature_celsius", 51.0),
    "nvmlDeviceGetClockInfo": ("clock_hertz", 1.979e9),
}
"""NVML's call to the method, and to what it says of both cards."""


@pytest.mark.parametrize("broken", [None, *READINGS])
def test_readings_are_of_all_devices_and_each_may_be_refused(
    driver_of: Callable[[Any], Driver], broken: str | None
) -> None:
    driver = driver_of(FakeNvml(broken=(broken,) if broken else ()))
    for call, (method, value) in READINGS.items():
        assert getattr(driver, method)() == (None if call == broken else pytest.approx(value))


def test_on_a_cpu_there_are_no_readings() -> None:
    driver = Driver([torch.device("cpu")], FakeNvml())
    assert {getattr(driver, method)() for method, _ in READINGS.values()} == {None}


def test_on_a_cpu_nobody_is_asked() -> None:
    fake = FakeNvml()
    driver = Driver([torch.device("cpu")], fake)
    assert (driver.throttle_ns(), driver.foreign_processes(), fake.opened) == (None, None, [])


def test_without_the_package_nothing_is_known(
    driver_of: Callable[[Any], Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    driver = driver_of(None)
    assert (driver.throttle_ns(), driver.foreign_processes()) == (None, None)


def test_power_is_summed_and_the_version_is_a_text(driver_of: Callable[[Any], Driver]) -> None:
    driver = driver_of(FakeNvml())
    assert driver.power_watts() == pytest.approx(600.001)
    assert driver.version() == "580.65.06"
    silent = driver_of(FakeNvml(broken=("nvmlDeviceGetPowerUsage", "nvmlSystemGetDriverVersion")))
    assert (silent.power_watts(), silent.version()) == (None, None)
