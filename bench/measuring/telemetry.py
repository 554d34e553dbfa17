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
        remaining_seconds: Until its deadline, less what the caller still wants to do.
    """
    ranks, driver = worker.ranks, worker.driver
    is_known = ranks.everywhere(driver.energy_millijoules() is not None)
    has_time = bool(ranks.agree(int(remaining_seconds > 2 * PASS_SECONDS + worker.warm_step_seconds)))
    if not (is_known and has_time):
        return None
    steps = ranks.agree(math.ceil(PASS_SECONDS / worker.warm_step_seconds))
    ranks.barrier()
    before, started = driver.energy_millijoules(), time.perf_counter()
    worker.train(steps)
    worker.device.synchronize()
    after, seconds = driver.energy_millijoules(), time.perf_counter() - started
    # One rank must not go on without the others, so an answer that did not come is one too.
    used = -1 if before is None or after is None else after - before
    limit = round(1e3 * (driver.power_limit_watts() or -1e-3))
    answers = ranks.gather([used, limit])
    if min(used for used, _ in answers) < 0:
        return None
    joules = sum(used for used, _ in answers) / 1e3
    limits_known = min(limit for _, limit in answers) >= 0
    return Telemetry(
        step_energy_joules=joules / steps,
        mean_power_watts=joules / seconds,
        power_limit_watts=sum(limit for _, limit in answers) / 1e3 if limits_known else None,
        temperature_celsius=driver.temperature_celsius(),
        clock_hertz=driver.clock_hertz(),
    )
