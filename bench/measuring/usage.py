"""How processor and driver treat this process: time on a core, time spent waiting for one, clocks held back."""

import dataclasses
import os
import resource
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.measuring.nvml import Driver
from bench.result import Usage

_NS = 1_000_000_000
UNKNOWN = -1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """Counters that only grow, at one moment; `UNKNOWN` where the kernel does not say."""

    cpu_ns: int
    involuntary_switches: int
    run_delay_ns: int
    steal_ns: int
    quota_ns: int
    core_throttles: int
    device_throttle_ns: int

    def since(self, earlier: "Reading") -> list[int]:
        """Return how much each counter has grown since *earlier*, in the order of the fields."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(earlier), strict=True)
        return [UNKNOWN if UNKNOWN in pair else max(0, pair[0] - pair[1]) for pair in pairs]


def read(driver: Driver, root: Path = Path("/")) -> Reading:
    """
    Return this process's counters now.

    Args:
        driver: Of its devices.
        root: Where proc and sys are mounted.
    """
    throttle_ns = driver.throttle_ns()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Reading(
        cpu_ns=round((used.ru_utime + used.ru_stime) * _NS),
        involuntary_switches=used.ru_nivcsw,
        run_delay_ns=_known(lambda: _run_delay_ns(root / "proc/self/task")),
        steal_ns=_known(lambda: _steal_ns(root / "proc/stat")),
        quota_ns=_known(lambda: _quota_ns(root)),
        core_throttles=_known(lambda: _core_throttles(root / "sys/devices/system/cpu")),
        device_throttle_ns=UNKNOWN if throttle_ns is None else throttle_ns,
    )


def usage_of(grown: Sequence[Sequence[int]]) -> Usage:
    """Return the usage of all ranks together, from what `Reading.since` gave on each."""
    cpu, switches, delay, steal, quota, throttles, device_throttle = (
        list(column) for column in zip(*grown, strict=True)
    )
    return Usage(
        cpu_seconds=sum(cpu) / _NS,
        involuntary_switches=sum(switches),
        run_delay_seconds=_seconds(sum(delay) if UNKNOWN not in delay else UNKNOWN),
        # The machine's and the container's: every rank sees the same.
        steal_seconds=_seconds(max(steal)),
        quota_seconds=_seconds(max(quota)),
        core_throttles=max(throttles) if max(throttles) != UNKNOWN else None,
        device_throttle_seconds=_seconds(max(device_throttle)),
    )


def _run_delay_ns(tasks: Path) -> int:
    # /proc/self/schedstat is of the main thread alone; the second number is the time spent ready to run (sched-stats).
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[1]) for task in tasks.iterdir())


def _steal_ns(stat: Path) -> int:
    """Return the time that a hypervisor took: the eighth number of the first line (proc_stat(5))."""
    ticks = int(stat.read_text(encoding="ascii").splitlines()[0].split()[8])
    return ticks * (_NS // os.sysconf("SC_CLK_TCK"))


def _quota_ns(root: Path) -> int:
    """Return the time that this process's cgroup was held back by its quota, in version 2 of cgroups."""
    lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    group = next(line.removeprefix("0::/") for line in lines if line.startswith("0::"))
    stat = (root / "sys/fs/cgroup" / group / "cpu.stat").read_text(encoding="ascii")
    fields = dict(line.split() for line in stat.splitlines())
    return int(fields["throttled_usec"]) * 1000


def _core_throttles(cpus: Path) -> int:
    counts = list(cpus.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))
    if not counts:
        raise FileNotFoundError(cpus)
    return sum(int(count.read_text(encoding="ascii")) for count in counts)


def _known(look: Callable[[], int]) -> int:
    try:
        return look()
    except (OSError, ValueError, IndexError, KeyError, StopIteration):  # another kernel, or a container that hides it
        return UNKNOWN


def _seconds(nanoseconds: int) -> float | None:
    return None if nanoseconds == UNKNOWN else nanoseconds / _NS
