"""How processor and driver treat this process: time on a core, time spent waiting for one, clocks held back."""

import contextlib
import dataclasses
import math
import os
import resource
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.measuring.nvml import Driver
from bench.result import Usage

_NS = 1_000_000_000
_TICK_NS = _NS // os.sysconf("SC_CLK_TCK")
_MAX_BYTES = 1 << 16
"""Of a file; the cores of 600 fit, and what follows them in /proc/stat is not needed."""
UNKNOWN = -1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """Counters that only grow, at one moment; `UNKNOWN` where the kernel does not say."""

    cpu_ns: int
    involuntary_switches: int
    run_delays_ns: Mapping[int, int] | None
    """Thread to the time that it was ready to run and waited for a core."""
    busy_ns: int
    steal_ns: int
    quota_ns: int
    core_throttles: int
    device_throttle_ns: int

    def since(self, earlier: "Reading") -> list[int]:
        """Return how much each counter has grown since *earlier*, in the order of the fields; the longest of delays."""
        grown = []
        for field in dataclasses.fields(self):
            now, before = getattr(self, field.name), getattr(earlier, field.name)
            if field.name == "run_delays_ns":
                grown.append(_longest_delay_ns(now, before))
            else:
                grown.append(UNKNOWN if UNKNOWN in (now, before) else max(0, now - before))
        return grown


class Meter:
    """
    Reads the counters of this process.

    It holds the kernel's files open: a reading takes 0.04 ms, and 0.16 ms where they are found and opened anew.

    Args:
        driver: Of its devices.
        root: Where proc and sys are mounted.
    """

    def __init__(self, driver: Driver, root: Path = Path("/")) -> None:
        self._driver = driver
        self._tasks = root / "proc/self/task"
        self._stat = str(root / "proc/stat")
        self._quota_stat = _quota_stat(root)
        self._throttle_counts = _throttle_counts(root / "sys/devices/system/cpu")
        self._cores = _own_cores()
        self._files: dict[str, int] = {}
        self._buffer = memoryview(bytearray(_MAX_BYTES))
        weakref.finalize(self, _close, self._files)

    def read(self) -> Reading:
        """Return the counters now."""
        throttle_ns = self._driver.throttle_ns()
        used = resource.getrusage(resource.RUSAGE_SELF)
        busy_ns, steal_ns = self._cores_ns()
        return Reading(
            cpu_ns=round((used.ru_utime + used.ru_stime) * _NS),
            involuntary_switches=used.ru_nivcsw,
            run_delays_ns=self._run_delays_ns(),
            busy_ns=busy_ns,
            steal_ns=steal_ns,
            quota_ns=_known(self._quota_ns),
            core_throttles=_known(self._core_throttles),
            device_throttle_ns=UNKNOWN if throttle_ns is None else throttle_ns,
        )

    def _run_delays_ns(self) -> dict[int, int] | None:
        # /proc/self/schedstat is of the main thread alone; the second number is the time spent ready to run
        # (sched-stats).
        delays = {}
        try:
            paths = {int(task): f"{self._tasks}/{task}/schedstat" for task in os.listdir(self._tasks)}  # noqa: PTH208 (a Path a thread is what costs)
            for thread, path in paths.items():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                    delays[thread] = int(self._text(path).split()[1])
        except (OSError, ValueError, IndexError):  # another kernel, or a container that hides it
            return None
        for path in [path for path in self._files if path.startswith(f"{self._tasks}/")]:
            if path not in paths.values():
                os.close(self._files.pop(path))
        return delays or None

    def _cores_ns(self) -> tuple[int, int]:
        """Return how long the cores that this process may use were busy, and how long a hypervisor took them."""
        try:
            rows = [row.split() for row in self._text(self._stat).splitlines() if row.startswith("cpu")]
            # user nice system idle iowait irq softirq steal; proc_stat(5)
            ticks = [[int(value) for value in values[:8]] for name, *values in rows if name in self._cores]
            columns = [sum(column) for column in zip(*ticks, strict=True)]
            user, nice, system, _idle, _iowait, irq, softirq, steal = columns
        except (OSError, ValueError):  # another kernel, or a container that hides it
            return UNKNOWN, UNKNOWN
        return (user + nice + system + irq + softirq) * _TICK_NS, steal * _TICK_NS

    def _quota_ns(self) -> int:
        fields = dict(line.split() for line in self._text(self._quota_stat).splitlines())
        return int(fields["throttled_usec"]) * 1000

    def _core_throttles(self) -> int:
        if not self._throttle_counts:
            raise FileNotFoundError("core_throttle_count")
        return sum(int(self._text(count)) for count in self._throttle_counts)

    def _text(self, path: str) -> str:
        """Return the beginning of *path*; it is opened again where the thread that it was of has ended."""
        try:
            return self._beginning(self._files[path])
        except (KeyError, ProcessLookupError):
            if path in self._files:
                os.close(self._files.pop(path))
            self._files[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return self._beginning(self._files[path])

    def _beginning(self, file: int) -> str:
        size = os.preadv(file, [self._buffer], 0)
        return str(self._buffer[:size], "ascii")


def _longest_delay_ns(now: Mapping[int, int] | None, before: Mapping[int, int] | None) -> int:
    if now is None or before is None:
        return UNKNOWN
    return max(max(0, delay - before.get(thread, 0)) for thread, delay in now.items())


def _own_cores() -> set[str]:
    """Return the names of the cores that this process may use, as /proc/stat has them; none where nobody tells."""
    return {f"cpu{core}" for core in os.sched_getaffinity(0)} if hasattr(os, "sched_getaffinity") else set()


def _close(files: dict[str, int]) -> None:
    for file in files.values():
        os.close(file)


def usage_of(grown: Sequence[Sequence[int]]) -> Usage:
    """Return the usage of all ranks together, from what `Reading.since` gave on each."""
    cpu, switches, delay, busy, steal, quota, throttles, device_throttle = (
        list(column) for column in zip(*grown, strict=True)
    )
    return Usage(
        cpu_seconds=sum(cpu) / _NS,
        involuntary_switches=sum(switches),
        run_delay_seconds=_seconds(max(delay) if UNKNOWN not in delay else UNKNOWN),
        # The cores hold every rank, so the shortest look counts: a rank may wait for the others first.
        others_seconds=None if UNKNOWN in busy else (min(busy) - sum(cpu)) / _NS,
        others_error_seconds=_busy_error_ns() / _NS,
        # The machine's and the container's: every rank sees the same.
        steal_seconds=_seconds(max(steal)),
        quota_seconds=_seconds(max(quota)),
        core_throttles=max(throttles) if max(throttles) != UNKNOWN else None,
        device_throttle_seconds=_seconds(max(device_throttle)),
    )


def _busy_error_ns() -> float:
    """Return how far the growth of the busy time of all own cores may be off: each is cut to whole ticks."""
    return _TICK_NS * math.sqrt(len(_own_cores()))


def _quota_stat(root: Path) -> str:
    """Return the file that counts for how long a quota held the own cgroup back, in version 2 of cgroups."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        group = next(line.removeprefix("0::/") for line in lines if line.startswith("0::"))
    except (OSError, StopIteration):
        return ""
    return str(root / "sys/fs/cgroup" / group / "cpu.stat")


def _throttle_counts(cpus: Path) -> list[str]:
    return [str(path) for path in cpus.glob("cpu[0-9]*/thermal_throttle/core_throttle_count")]


def _known(look: Callable[[], int]) -> int:
    try:
        return look()
    except (OSError, ValueError, IndexError, KeyError):  # another kernel, or a container that hides it
        return UNKNOWN


def _seconds(nanoseconds: int) -> float | None:
    return None if nanoseconds == UNKNOWN else nanoseconds / _NS
