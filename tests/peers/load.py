"""What else the machine did while something was measured: load, threads that waited, time that the hypervisor took."""

import dataclasses
import os
import time
from pathlib import Path

PRESSURE, STAT = Path("/proc/pressure/cpu"), Path("/proc/stat")
STEAL_FIELD = 8
"""Of the first line of /proc/stat, its name counted (man 5 proc)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Load:
    """How busy the machine was; None where the kernel does not say."""

    seconds: float
    load_1min: float
    """Threads that ran or were ready to at the end, those of the measurement among them."""
    pressure_ratio: float | None
    """Share of the time in which some thread, of the measurement's too, was ready to run and waited for a core."""
    steal_ratio: float | None
    """Share of the cores' time that the hypervisor gave to others."""


class Watch:
    """Looks at the machine's counters when it is made, and again when it is asked."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._pressure_us, self._steal_ticks = _pressure_us(), _steal_ticks()

    def load(self) -> Load:
        """Return how busy the machine was since."""
        seconds = time.monotonic() - self._started
        core_ticks = seconds * os.sysconf("SC_CLK_TCK") * (os.cpu_count() or 1)
        return Load(
            seconds=round(seconds, 3),
            load_1min=round(os.getloadavg()[0], 2),
            pressure_ratio=_growth(self._pressure_us, _pressure_us(), seconds * 1e6),
            steal_ratio=_growth(self._steal_ticks, _steal_ticks(), core_ticks),
        )


def _growth(before: int | None, after: int | None, whole: float) -> float | None:
    return None if before is None or after is None else round((after - before) / whole, 4)


def _pressure_us() -> int | None:
    try:
        return int(PRESSURE.read_text(encoding="ascii").partition("total=")[2].split()[0])
    except (OSError, IndexError, ValueError):  # a kernel without pressure information, or with it turned off
        return None


def _steal_ticks() -> int | None:
    try:
        return int(STAT.read_text(encoding="ascii").split()[STEAL_FIELD])
    except (OSError, IndexError, ValueError):
        return None
