"""Energy, power, clocks and heat, over a pass of their own so that nothing is asked of the driver while it times."""

import math
import time

from bench.measuring.worker import Worker
from bench.result import Telemetry

PASS_SECONDS = 2.0
"""The driver counts energy in steps of 20 to 100 ms, so that this is right to some per cent."""
SAMPLE_SECONDS = 1.0
"""From one reading of the power to the next, where there is no such counter; drivers average over up to a second."""


def observe(worker: Worker, remaining_seconds: float) -> Telemetry | None:
    """
    Return what the driver says while *worker* trains; None where it says nothing of energy, or no time is left.

    Args:
        worker: Warm.
        remaining_seconds: Until its deadline, less what the caller still wants to do.
    """
    ranks, driver = worker.ranks, worker.driver
    counts_energy = ranks.everywhere(driver.energy_millijoules() is not None)
    is_known = counts_energy or ranks.everywhere(driver.power_watts() is not None)
    has_time = bool(ranks.agree(int(remaining_seconds > 2 * PASS_SECONDS + worker.warm_step_seconds)))
    if not (is_known and has_time):
        return None
    steps = ranks.agree(math.ceil(PASS_SECONDS / worker.warm_step_seconds))
    ranks.barrier()
    started = time.perf_counter()
    own_joules = _counted_joules(worker, steps) if counts_energy else _sampled_joules(worker, steps)
    seconds = time.perf_counter() - started
    # One rank must not go on without the others, so an answer that did not come is one too.
    used = -1 if own_joules is None else round(1e3 * own_joules)
    limit = round(1e3 * (driver.power_limit_watts() or -1e-3))
    answers = ranks.gather([used, limit])
    if min(used for used, _ in answers) < 0:
        return None
    joules = sum(used for used, _ in answers) / 1e3
    limits_known = min(limit for _, limit in answers) >= 0
    return Telemetry(
        step_energy_joules=joules / steps,
        mean_power_watts=joules / seconds,
        energy_source="counter" if counts_energy else "samples",
        power_limit_watts=sum(limit for _, limit in answers) / 1e3 if limits_known else None,
        temperature_celsius=driver.temperature_celsius(),
        clock_hertz=driver.clock_hertz(),
    )


def _counted_joules(worker: Worker, steps: int) -> float | None:
    """Train, and return what the driver's counter of energy grew by."""
    before = worker.driver.energy_millijoules()
    worker.train(steps)
    worker.device.synchronize()
    after = worker.driver.energy_millijoules()
    return None if before is None or after is None else (after - before) / 1e3


def _sampled_joules(worker: Worker, steps: int) -> float | None:
    """Train, and return the mean of the power that was drawn at the end of each second, times the seconds."""
    draws = []
    started = time.perf_counter()
    for part in _parts(steps, math.ceil(SAMPLE_SECONDS / worker.warm_step_seconds)):
        worker.train(part - 1)
        worker.device.synchronize()  # steps are queued sooner than done, and the driver's mean is of what was done
        worker.train(1)
        draws.append(worker.driver.power_watts())
        worker.device.synchronize()
    seconds = time.perf_counter() - started
    known = [draw for draw in draws if draw is not None]
    return seconds * math.fsum(known) / len(known) if known else None


def _parts(total: int, size: int) -> list[int]:
    """Return *total* in parts of *size*, the last one smaller."""
    return [min(size, total - start) for start in range(0, total, size)]
