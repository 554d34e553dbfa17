"""What the NVIDIA driver says of a device: energy, clocks, heat, what held them back, and who else is on it."""

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch

POLICIES = ("NVML_PERF_POLICY_POWER", "NVML_PERF_POLICY_THERMAL")
"""Why clocks are held back. The other policies tell of a low load, or of limits that somebody set."""


class Driver:
    """
    Asks about the devices of one rank; knows nothing, and never fails, where NVML does not answer.

    Args:
        torch_devices: The rank's devices.
        nvml: The module `pynvml` (distribution nvidia-ml-py, extra `gpu`); None: look for it if there is a use for it.
    """

    def __init__(self, torch_devices: Sequence[torch.device], nvml: Any = None) -> None:
        self._nvml = nvml
        self._handles: list[Any] = []
        with contextlib.suppress(Exception):  # not installed, no library, no permission, a MIG slice: nothing is known
            self._handles = list(self._open(torch_devices))

    def throttle_ns(self) -> int | None:
        """Return for how long power or heat have held the clocks back so far, of the device with most of it."""
        with contextlib.suppress(Exception):  # not every card counts it
            policies = [getattr(self._nvml, policy) for policy in POLICIES]
            times = [
                sum(self._nvml.nvmlDeviceGetViolationStatus(handle, policy).violationTime for policy in policies)
                for handle in self._handles
            ]
            return max(times, default=None)
        return None

    def foreign_processes(self) -> int | None:
        """
        Return how many processes besides this one compute on its devices, of the device with most of them.

        Process numbers are not compared: in a container the driver gives those of the host. This process has a context
        on each of its devices, so it is one of those that are listed; none at all means that the driver hides them.
        """
        with contextlib.suppress(Exception):
            counts = [len(self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)) for handle in self._handles]
            return max(count - 1 for count in counts) if counts and min(counts) > 0 else None
        return None

    def energy_millijoules(self) -> int | None:
        """Return what its devices have used since the driver was loaded, together."""
        used = self._each("nvmlDeviceGetTotalEnergyConsumption")  # only since Volta
        return sum(used) if used else None

    def power_watts(self) -> float | None:
        """Return what its devices draw, together; the driver averages over up to a second."""
        draws = self._each("nvmlDeviceGetPowerUsage")
        return sum(draws) / 1e3 if draws else None

    def version(self) -> str | None:
        """Return that of the driver: 580.65.06."""
        with contextlib.suppress(Exception):
            said = self._nvml.nvmlSystemGetDriverVersion()
            return said.decode() if isinstance(said, bytes) else str(said)
        return None

    def power_limit_watts(self) -> float | None:
        """Return what its devices may draw, together."""
        limits = self._each("nvmlDeviceGetEnforcedPowerLimit")
        return sum(limits) / 1e3 if limits else None

    def temperature_celsius(self) -> float | None:
        """Return that of the hottest device."""
        return max(map(float, self._each("nvmlDeviceGetTemperature", "NVML_TEMPERATURE_GPU")), default=None)

    def clock_hertz(self) -> float | None:
        """Return the clock of the multiprocessors of the slowest device."""
        return min((1e6 * clock for clock in self._each("nvmlDeviceGetClockInfo", "NVML_CLOCK_SM")), default=None)

    def _each(self, call: str, *constants: str) -> list[int]:
        """Return what *call* says of every device; empty where it does not answer for each of them."""
        with contextlib.suppress(Exception):
            arguments = [getattr(self._nvml, constant) for constant in constants]
            return [int(getattr(self._nvml, call)(handle, *arguments)) for handle in self._handles]
        return []

    def _open(self, torch_devices: Sequence[torch.device]) -> Iterator[Any]:
        if any(device.type != "cuda" for device in torch_devices):
            return
        self._nvml = self._nvml or importlib.import_module("pynvml")
        self._nvml.nvmlInit()
        for device in torch_devices:
            # By UUID: NVML counts all cards of the machine, torch those that CUDA_VISIBLE_DEVICES leaves, in its order.
            uuid = torch.cuda.get_device_properties(device).uuid
            yield self._nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode())
