"""Asynchronous work is timed; a missing synchronise is refused."""

import math
from collections.abc import Sequence
from typing import Any

from bench.measuring.clock import Clock, ClockError, EventClock, HostClock, Window
from bench.running.pool import Pool
from bench.selftest._check import Finding, Seen, ask
from bench.selftest._simulated import SimulatedDevice

STEPS = 20
STEP_NS = 5_000_000
"""A usual step, and far above what the events may run longer than the wall clock (`CLOCK_TOLERANCE_SECONDS`)."""
TOLERANCE_RATIO = 1e-9
"""Of the arithmetic: simulated time has no noise."""
WRONG_RATIO = 0.5
"""A host clock that sees more than this of the work is not on an asynchronous device."""


def run(pool: Pool) -> Finding:
    """Measure a simulated device, and on an NVIDIA GPU that one too, with and without synchronise."""
    has_cuda = any(device.type == "cuda" for device in pool.environment.devices)
    return judge(ask(pool, "bench.selftest.missing_synchronise:observe", has_cuda=has_cuda))


def judge(seen: Seen) -> Finding:
    """Find that the event clock is exact and refuses, and that a host clock there would have been wrong."""
    true_seconds, host_seconds = seen.get("true_seconds") or 0.0, seen.get("host_seconds") or math.nan
    parts = {
        "recovered": true_seconds > 0 and _are_all(seen.get("event_seconds", ()), true_seconds),
        "refused": bool(seen.get("refusal")),
        "a host clock would lose it": host_seconds < WRONG_RATIO * true_seconds,  # else nothing is asynchronous here
    }
    if "cuda_refusal" in seen:
        parts["refused on the GPU"] = bool(seen["cuda_refusal"])
    return Finding(
        verdict="holds" if all(parts.values()) else "fails",
        figure="; ".join(words if holds else f"NOT {words}" for words, holds in parts.items()),
        bar="all of that",
    )


def _are_all(steps: Sequence[float], true_seconds: float) -> bool:
    """Return whether there is every step but the first, which is no sample, and each is exact."""
    exact = [math.isclose(step, true_seconds, rel_tol=TOLERANCE_RATIO) for step in steps]
    return len(exact) == STEPS - 1 and all(exact)


def observe(*, has_cuda: bool) -> dict[str, Any]:
    """Return what each clock says of the simulated device, and what is said without a synchronise; in a worker."""
    device, careless, unclocked = SimulatedDevice(), SimulatedDevice(waits=False), SimulatedDevice()
    events = _train(EventClock(device, device.now_ns), device)
    host = _train(HostClock(unclocked.now_ns), unclocked)
    seen: dict[str, Any] = {
        "true_seconds": STEP_NS / 1e9,
        "event_seconds": list(events.interval_seconds[1:]),
        "host_seconds": host.seconds / STEPS,
        "refusal": None,
    }
    try:
        _train(EventClock(careless, careless.now_ns), careless)
    except ClockError as error:
        seen["refusal"] = str(error)
    return seen | (_refusal_on_cuda() if has_cuda else {})


def _train(clock: Clock, device: SimulatedDevice) -> Window:
    clock.begin()
    for _ in range(STEPS):
        device.enqueue(STEP_NS)
        clock.border()
    return clock.end()


def _refusal_on_cuda() -> dict[str, Any]:
    from bench.selftest import _cuda  # noqa: PLC0415 (imports torch)

    cycles = _cuda.cycles_of_a_sleep(_cuda.Gpu())
    try:
        _cuda.sleep_window(_cuda.GpuWithoutSynchronise(), cycles)
    except ClockError as error:
        return {"cuda_refusal": str(error)}
    return {"cuda_refusal": None}
