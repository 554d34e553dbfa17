"""Energy, power, clocks and heat, over a pass of their own so that nothing is asked of the driver while it times."""

import math
import time

from bench.measuring.worker import Worker
from bench.result import Telemetry

PASS_SECONDS = 2.0
"""The driver counts energy in steps of 20 to 100 ms, so that this is right to some per cent."""


def observe(worker: Worker, remaining_seconds: float) -> Telemetry | None:
    """
    Return what the driver says while *worker* trains; None where it says nothing of energy, or no time is left.

    Args:
        worker: Warm.
        remaining_seconds: Until its deadline.
    """
    is_known = worker.ranks.everywhere(worker.driver.energy_millijoules() is not None)
    has_time = bool(worker.ranks.agree(int(remaining_seconds > 2 * PASS_SECONDS)))
    if not (is_known and has_time):
        return None
    steps = worker.ranks.agree(math.ceil(PASS_SECONDS / worker.warm_step_seconds))
    before, started = worker.driver.energy_millijoules(), time.perf_counter()
    worker.run_block(steps)
    after, seconds = worker.driver.energy_millijoules(), time.perf_counter() - started
    if before is None or after is None:  # it answered a moment ago
        return None
    joules = sum(used for (used,) in worker.ranks.gather([after - before])) / 1e3
    return Telemetry(
        step_energy_joules=joules / steps,
        mean_power_watts=joules / seconds,
        power_limit_watts=worker.driver.power_limit_watts(),
        temperature_celsius=worker.driver.temperature_celsius(),
        clock_hertz=worker.driver.clock_hertz(),
    )
