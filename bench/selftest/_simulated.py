"""An asynchronous device in simulated time: the host runs ahead, the device works one thing after the other."""

import dataclasses

from bench.measuring.clock import Event

CALL_NS = 1000
"""What any call costs the host: about what an operator's launch does."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimulatedEvent:
    """A time stamp that was enqueued; read too early it tells the future, as one that waits for itself would."""

    happens_at_ns: int

    def elapsed_time(self, end: Event, /) -> float:
        """Return the milliseconds to *end*."""
        assert isinstance(end, SimulatedEvent)
        return (end.happens_at_ns - self.happens_at_ns) / 1e6


class SimulatedDevice:
    """
    What a clock needs of a device, and the host's time.

    Args:
        waits: Whether `synchronize` does what its name says.
    """

    def __init__(self, *, waits: bool = True) -> None:
        self._waits = waits
        self._host_ns = self._idle_at_ns = 0

    def now_ns(self) -> int:
        """Return the host's time; reading it takes a call."""
        self._host_ns += CALL_NS
        return self._host_ns

    def enqueue(self, work_ns: int) -> None:
        """Return after a call; the work begins when all earlier work is done."""
        self._idle_at_ns = max(self._idle_at_ns, self.now_ns()) + work_ns

    def synchronize(self) -> None:
        """Wait for all work, if this device does."""
        now_ns = self.now_ns()
        if self._waits:
            self._host_ns = max(now_ns, self._idle_at_ns)

    def record_event(self) -> Event:
        """Enqueue a time stamp."""
        return SimulatedEvent(happens_at_ns=max(self._idle_at_ns, self.now_ns()))
