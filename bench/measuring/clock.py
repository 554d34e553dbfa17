"""
Three clocks behind one protocol: begin a window, mark borders in it, end it.

No clock is read across asynchronous work: on the CPU there is none; with device events the device itself stamps the
borders and the events are read after the one synchronise at the end; without events every border synchronises.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Protocol

from bench.errors import BenchError

NowNs = Callable[[], int]

CLOCK_TOLERANCE_SECONDS = 0.001
"""How much longer than the wall clock the events may run before a synchronise must be missing.

Events have a resolution of about 0.5 µs (CUDA runtime documentation) and the device's clock drifts from the host's by
parts per million; a missing synchronise loses whole steps.
"""


class ClockError(BenchError):
    """The clock contradicts itself; the window must not be used."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """What a clock saw between `begin` and `end`."""

    start_ns: int
    """Host time, with the device idle."""
    end_ns: int
    """Host time, with the device idle again."""
    interval_seconds: tuple[float, ...]
    """From each border to the next; the first begins where the window begins."""
    drain_seconds: float | None = None
    """What the last synchronise waited after everything was enqueued; None where that says nothing."""

    @property
    def seconds(self) -> float:
        """The synchronised wall time of the window."""
        return (self.end_ns - self.start_ns) / 1e9


class Clock(Protocol):
    """How the borders of a window are stamped."""

    name: str
    drops_first_step: bool
    """Whether the window's first step also holds the device's start from idle, and is no sample."""

    def begin(self) -> None:
        """Wait for the device, then start a window."""

    def border(self) -> None:
        """Mark the end of one interval and the start of the next."""

    def end(self) -> Window:
        """Wait for the device, then return the window."""


class Event(Protocol):
    """A time stamp that the device takes when it gets there."""

    def elapsed_time(self, end: "Event", /) -> float:
        """Return the milliseconds from this event to *end*; both must have happened."""


class TimedDevice(Protocol):
    """What a clock needs of the devices in use."""

    def synchronize(self) -> None:
        """Block until every device in use has done all its work."""

    def record_event(self) -> Event:
        """Enqueue a time stamp behind the work enqueued so far."""


class HostClock:
    """For devices that are done when the call returns: the CPU."""

    name = "host"
    drops_first_step = False

    def __init__(self, now_ns: NowNs = perf_counter_ns) -> None:
        self._now_ns = now_ns
        self._borders_ns: list[int] = []

    def begin(self) -> None:
        """Start a window."""
        self._borders_ns = [self._now_ns()]

    def border(self) -> None:
        """Read the clock: about 0.1 µs."""
        self._borders_ns.append(self._now_ns())

    def end(self) -> Window:
        """Return the window up to the last border."""
        return _window_of(self._borders_ns)


class SynchronizingClock(HostClock):
    """For devices without timing events: every border waits, which costs the overlap between phases."""

    name = "synchronizing"

    def __init__(self, device: TimedDevice, now_ns: NowNs = perf_counter_ns) -> None:
        super().__init__(now_ns)
        self._device = device

    def begin(self) -> None:
        """Wait, then start a window."""
        self._device.synchronize()
        super().begin()

    def border(self) -> None:
        """Wait, then read the clock."""
        self._device.synchronize()
        super().border()


class EventClock:
    """For devices with timing events: nothing waits inside the window."""

    name = "event"
    drops_first_step = True

    def __init__(self, device: TimedDevice, now_ns: NowNs = perf_counter_ns) -> None:
        self._device = device
        self._now_ns = now_ns
        self._start_ns = 0
        self._events: list[Event] = []

    def begin(self) -> None:
        """Wait, then start a window."""
        self._device.synchronize()
        self._start_ns = self._now_ns()
        self._events = [self._device.record_event()]

    def border(self) -> None:
        """Enqueue a time stamp."""
        self._events.append(self._device.record_event())

    def end(self) -> Window:
        """
        Wait for every device in use, then read all events.

        Raises:
            ClockError: If the events ran longer than the wall clock, so that the end did not wait for the work.
        """
        enqueued_ns = self._now_ns()
        self._device.synchronize()
        end_ns = self._now_ns()
        intervals = [first.elapsed_time(second) / 1e3 for first, second in itertools.pairwise(self._events)]
        window = Window(
            start_ns=self._start_ns,
            end_ns=end_ns,
            interval_seconds=tuple(intervals),
            drain_seconds=(end_ns - enqueued_ns) / 1e9,
        )
        if sum(intervals) > window.seconds + CLOCK_TOLERANCE_SECONDS:
            raise ClockError(
                f"the device's events span {sum(intervals):.6f} s but the wall clock only {window.seconds:.6f} s: "
                "the window ended before its work (a synchronise is missing)"
            )
        return window


def _window_of(borders_ns: Sequence[int]) -> Window:
    intervals = tuple((end - start) / 1e9 for start, end in itertools.pairwise(borders_ns))
    return Window(start_ns=borders_ns[0], end_ns=borders_ns[-1], interval_seconds=intervals)
