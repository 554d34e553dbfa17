"""What the AMD driver says of a device, through torch's own calls."""

import contextlib
from collections.abc import Sequence

import torch

from bench.measuring.nvml import Driver

MOST_WATTS = 5000
"""No card draws that much, and none so little in milliwatts."""


class RocmDriver(Driver):
    """Knows power, heat and clocks; AMD's counter of energy, throttling and other processes have no call in torch."""

    def __init__(self, torch_devices: Sequence[torch.device]) -> None:
        super().__init__(())
        self._torch_devices = torch_devices

    def power_watts(self) -> float | None:
        """Return what its devices draw, together."""
        with contextlib.suppress(Exception):  # amdsmi is missing, or a sensor is
            draws = [_watts(torch.cuda.power_draw(device)) for device in self._torch_devices]
            return sum(draws) if draws and min(draws) > 0 else None  # 0 stands for a sensor that says nothing
        return None

    def temperature_celsius(self) -> float | None:
        """Return that of the hottest device."""
        with contextlib.suppress(Exception):
            return max(float(torch.cuda.temperature(device)) for device in self._torch_devices)
        return None

    def clock_hertz(self) -> float | None:
        """Return the clock of the compute units of the slowest device."""
        with contextlib.suppress(Exception):
            return min(1e6 * torch.cuda.clock_rate(device) for device in self._torch_devices) or None
        return None


def driver_of(torch_devices: Sequence[torch.device]) -> Driver:
    """Return whom to ask about *torch_devices*."""
    is_rocm = torch.version.hip is not None and all(device.type == "cuda" for device in torch_devices)
    return RocmDriver(torch_devices) if is_rocm else Driver(torch_devices)


def _watts(draw: float) -> float:
    """Return *draw* in watts: torch documents milliwatts, but 2.13 hands on the watts that AMD's library gives."""
    return draw / 1e3 if draw > MOST_WATTS else float(draw)
