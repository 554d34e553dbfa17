"""The clocks, on an accelerator in simulated time: the host runs ahead, the device works one thing after the other."""

import dataclasses
import itertools
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.measuring.clock import Clock, ClockError, Event, EventClock, HostClock, SynchronizingClock, Window
from bench.measuring.device import AcceleratorDevice

CALL_NS = 100
"""What any call costs the host in these simulations."""
MS = 1_000_000
NOT_READY = "CUDA error: device not ready"


class Time:
    """One host, and the calls that it made, in order."""

    def __init__(self) -> None:
        self.host_ns = 0
        self.calls: list[str] = []

    def pass_call(self, name: str) -> None:
        self.calls.append(name)
        self.host_ns += CALL_NS

    def now_ns(self) -> int:
        self.pass_call("now")
        return self.host_ns


class Timeline:
    """The work of one asynchronous device."""

    def __init__(self, time: Time, name: str = "") -> None:
        self.time = time
        self.name = name
        self.idle_at_ns = 0

    def enqueue(self, work_ns: int) -> None:
        """Return at once; the work begins when all earlier work is done."""
        self.time.pass_call(f"enqueue{self.name}")
        self.idle_at_ns = max(self.idle_at_ns, self.time.host_ns) + work_ns

    def synchronize(self) -> None:
        self.time.pass_call(f"synchronize{self.name}")
        self.time.host_ns = max(self.time.host_ns, self.idle_at_ns)


@dataclasses.dataclass
class FakeEvent:
    """Happens when the device gets there; until then nobody on the host can know when that will be."""

    timeline: Timeline
    always_readable: bool = False
    happens_at_ns: int = -1

    def record(self) -> None:
        time = self.timeline.time
        time.pass_call("record")
        self.happens_at_ns = max(self.timeline.idle_at_ns, time.host_ns)

    def elapsed_time(self, end: Event, /) -> float:
        assert isinstance(end, FakeEvent)
        time = self.timeline.time
        time.pass_call("read")
        if not self.always_readable and max(self.happens_at_ns, end.happens_at_ns) > time.host_ns:
            raise RuntimeError(NOT_READY)
        return (end.happens_at_ns - self.happens_at_ns) / MS


class FakeDevice(Timeline):
    """
    What a clock needs of a device.

    Args:
        always_readable: Events give their time before they happened, as where reading one waits for it alone.
    """

    def __init__(self, *, always_readable: bool = False) -> None:
        super().__init__(Time())
        self.always_readable = always_readable

    def record_event(self) -> Event:
        event = FakeEvent(self, self.always_readable)
        event.record()
        return event


class NeverWaits(FakeDevice):
    """Whose synchronise was forgotten."""

    def synchronize(self) -> None:
        self.time.pass_call("synchronize")


class WithoutFinalSynchronise(EventClock):
    """The event clock with one line removed."""

    def end(self) -> Window:
        device, self._device = self._device, cast("Any", _NoSynchronise())
        try:
            return super().end()
        finally:
            self._device = device


class _NoSynchronise:
    def synchronize(self) -> None:
        pass


class FakeModule:
    """Like `torch.cuda`: devices by index, events on the primary one, which is current."""

    def __init__(self, num_devices: int) -> None:
        self.time = Time()
        self.timelines = [Timeline(self.time, f":{index}") for index in range(num_devices)]

    def synchronize(self, device: torch.device) -> None:
        self.timelines[device.index].synchronize()

    def Event(self, *, enable_timing: bool) -> FakeEvent:  # noqa: N802 (torch's name)
        assert enable_timing
        return FakeEvent(self.timelines[0])


def _measure(clock: Clock, device: Timeline, works_ns: list[int]) -> Window:
    clock.begin()
    for work_ns in works_ns:
        device.enqueue(work_ns)
        clock.border()
    return clock.end()


def test_every_interval_is_the_work_enqueued_in_it_and_none_is_moved_to_its_neighbour() -> None:
    device = FakeDevice()
    window = _measure(EventClock(device, device.time.now_ns), device, [5 * MS, 1 * MS, 20 * MS, 3 * MS])
    assert window.interval_seconds[1:] == pytest.approx((0.001, 0.02, 0.003), abs=0, rel=1e-12)


def test_the_first_interval_also_holds_the_start_from_idle_and_is_no_sample() -> None:
    device = FakeDevice()
    window = _measure(EventClock(device, device.time.now_ns), device, [5 * MS, 5 * MS])
    assert window.interval_seconds[0] == pytest.approx(0.005 + CALL_NS / 1e9, abs=0, rel=1e-12)
    assert EventClock.drops_first_step


def test_a_host_that_cannot_keep_up_leaves_gaps_that_the_intervals_contain() -> None:
    device = FakeDevice()
    window = _measure(EventClock(device, device.time.now_ns), device, [1] * 4)
    # Besides them: recording the first event, reading the host's clock before and after the last synchronise, and it.
    assert sum(window.interval_seconds) == pytest.approx(window.seconds, abs=4 * CALL_NS / 1e9)


@given(st.lists(st.integers(min_value=2 * CALL_NS, max_value=100 * MS), min_size=1, max_size=20))
def test_the_wall_clock_is_never_shorter_than_the_sum_of_the_intervals(works_ns: list[int]) -> None:
    device = FakeDevice()
    window = _measure(EventClock(device, device.time.now_ns), device, works_ns)
    assert window.seconds >= sum(window.interval_seconds) - 1e-12
    assert window.seconds >= sum(works_ns) / 1e9
    assert window.interval_seconds[1:] == pytest.approx([work / 1e9 for work in works_ns[1:]], abs=0, rel=1e-9)


def test_nothing_waits_and_no_clock_is_read_inside_the_window() -> None:
    device = FakeDevice()
    clock = EventClock(device, device.time.now_ns)
    clock.begin()
    device.time.calls.clear()
    for _ in range(3):
        device.enqueue(MS)
        clock.border()
    assert device.time.calls == ["enqueue", "record"] * 3


def test_no_event_is_read_before_the_synchronise_at_the_end() -> None:
    device = FakeDevice()
    _measure(EventClock(device, device.time.now_ns), device, [MS, MS])
    calls = device.time.calls
    steps = ["enqueue", "record"] * 2
    assert calls == ["synchronize", "now", "record", *steps, "now", "synchronize", "now", "read", "read"]


def test_the_drain_is_what_the_last_synchronise_waits_after_all_is_enqueued() -> None:
    device = FakeDevice()
    window = _measure(EventClock(device, device.time.now_ns), device, [MS, 50 * MS])
    # The host has enqueued everything within a microsecond, so it waits for nearly all of the 51 ms.
    assert window.drain_seconds == pytest.approx(0.051, abs=10 * CALL_NS / 1e9)


def test_a_device_that_waits_for_the_host_leaves_nothing_to_drain() -> None:
    device = FakeDevice()
    window = _measure(EventClock(device, device.time.now_ns), device, [1] * 4)
    assert window.drain_seconds == pytest.approx(2 * CALL_NS / 1e9)  # synchronise, and reading the clock again


def test_where_every_border_waits_there_is_no_drain_to_speak_of() -> None:
    device = FakeDevice()
    assert _measure(SynchronizingClock(device, device.time.now_ns), device, [MS]).drain_seconds is None
    assert _measure(HostClock(device.time.now_ns), device, [MS]).drain_seconds is None


def test_work_from_before_the_window_is_not_in_it() -> None:
    device = FakeDevice()
    device.enqueue(700 * MS)
    window = _measure(EventClock(device, device.time.now_ns), device, [MS])
    assert window.start_ns >= 700 * MS
    assert window.seconds < 0.002


def test_a_second_window_starts_afresh() -> None:
    device = FakeDevice()
    clock = EventClock(device, device.time.now_ns)
    _measure(clock, device, [MS] * 3)
    assert len(_measure(clock, device, [MS, MS]).interval_seconds) == 2


def test_reading_an_event_that_has_not_happened_raises_as_on_cuda() -> None:
    device = FakeDevice()
    clock = WithoutFinalSynchronise(device, device.time.now_ns)
    with pytest.raises(RuntimeError, match=NOT_READY):
        _measure(clock, device, [50 * MS])


def test_a_removed_synchronise_is_caught() -> None:
    device = FakeDevice(always_readable=True)
    clock = WithoutFinalSynchronise(device, device.time.now_ns)
    with pytest.raises(ClockError, match=r"span 0\.1\d* s but the wall clock only 0\.000\d* s.*synchronise is missing"):
        _measure(clock, device, [50 * MS, 50 * MS])


def test_a_device_whose_synchronise_does_not_wait_is_caught() -> None:
    device = NeverWaits(always_readable=True)
    with pytest.raises(ClockError, match="synchronise is missing"):
        _measure(EventClock(device, device.time.now_ns), device, [2 * MS])


def test_the_resolution_of_events_alone_is_no_missing_synchronise() -> None:
    device = NeverWaits(always_readable=True)
    _measure(EventClock(device, device.time.now_ns), device, [MS // 2])


def test_the_window_ends_when_the_slowest_of_several_devices_is_done() -> None:
    module = FakeModule(3)
    device = AcceleratorDevice([torch.device("cuda", index) for index in range(3)], module)
    clock = EventClock(device, module.time.now_ns)
    clock.begin()
    for timeline, work_ns in zip(module.timelines, (2 * MS, 90 * MS, 5 * MS), strict=True):
        timeline.enqueue(work_ns)
    clock.border()
    window = clock.end()
    assert window.interval_seconds == pytest.approx((0.002,), rel=1e-3)
    assert window.seconds >= 0.09


def test_every_device_in_use_is_synchronised_before_and_after_and_only_the_primary_one_has_events() -> None:
    module = FakeModule(2)
    device = AcceleratorDevice([torch.device("cuda", index) for index in range(2)], module)
    clock = EventClock(device, module.time.now_ns)
    clock.begin()
    clock.border()
    clock.end()
    both = ["synchronize:0", "synchronize:1"]
    assert module.time.calls == [*both, "now", "record", "record", "now", *both, "now", "read"]
    assert all(cast("FakeEvent", event).timeline is module.timelines[0] for event in clock._events)


def test_without_events_every_read_of_the_clock_follows_a_synchronise() -> None:
    device = FakeDevice()
    _measure(SynchronizingClock(device, device.time.now_ns), device, [MS, MS])
    assert device.time.calls == ["synchronize", "now", *["enqueue", "synchronize", "now"] * 2]


def test_the_synchronizing_clock_recovers_the_work_of_every_interval() -> None:
    device = FakeDevice()
    device.enqueue(700 * MS)
    window = _measure(SynchronizingClock(device, device.time.now_ns), device, [5 * MS, 30 * MS, MS])
    assert window.interval_seconds == pytest.approx((0.005, 0.03, 0.001), abs=4 * CALL_NS / 1e9)
    assert window.seconds == pytest.approx(sum(window.interval_seconds), rel=1e-12)


def test_a_host_clock_on_an_asynchronous_device_would_see_no_work_at_all() -> None:
    """The mistake that the other clocks are there for: a missing synchronise moves time, and here loses it."""
    device = FakeDevice()
    window = _measure(HostClock(device.time.now_ns), device, [50 * MS])
    assert window.seconds < 0.001


def test_the_host_clock_gives_the_time_from_border_to_border() -> None:
    ticks = iter([1_000, 4_000, 4_500, 10_000])
    clock = HostClock(lambda: next(ticks))
    clock.begin()
    for _ in range(3):
        clock.border()
    assert clock.end() == Window(start_ns=1_000, end_ns=10_000, interval_seconds=(3e-6, 5e-7, 5.5e-6))
    assert next(ticks, None) is None


def test_the_host_clock_uses_a_clock_that_never_goes_back() -> None:
    clock = HostClock()
    clock.begin()
    for _ in range(1000):
        clock.border()
    window = clock.end()
    assert min(window.interval_seconds) >= 0
    assert window.seconds == pytest.approx(sum(window.interval_seconds), rel=1e-6)
    assert all(earlier <= later for earlier, later in itertools.pairwise(clock._borders_ns))


def test_each_clock_says_which_it_is() -> None:
    assert [clock.name for clock in (HostClock, SynchronizingClock, EventClock)] == ["host", "synchronizing", "event"]
    assert [clock.drops_first_step for clock in (HostClock, SynchronizingClock, EventClock)] == [False, False, True]
