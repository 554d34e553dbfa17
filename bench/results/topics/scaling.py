"""Whether more devices train faster, on the same global batch."""

import dataclasses

from bench.case import Case
from bench.numbers import percent_with_bounds
from bench.results.finding import Verdict
from bench.results.pairs import Evidence, Pair
from bench.results.sentences import Words, count, device_name
from bench.results.topics._speed import speed_topic
from bench.statistics import Interval


def _on_one(case: Case) -> tuple[Case, ...]:
    """Return the same work on one device; with more of it (weak scaling) there is nothing to compare."""
    if case.strategy in ("single", "data_parallel") or case.num_devices == 1:
        return ()
    one = {"strategy": "single", "num_devices": 1, "num_nodes": 1, "batch_size": case.global_batch_size}
    return (dataclasses.replace(case, **one),)  # type: ignore[arg-type]  # each has the type of its field


def _on_one_accelerator(case: Case) -> tuple[Case, ...]:
    return () if case.device_type == "cpu" else _on_one(case)


def _in_one_process(case: Case) -> tuple[Case, ...]:
    return _on_one(case) if case.device_type == "cpu" else ()


def _devices(pair: Pair, evidence: Evidence) -> Words:
    case = pair.ours.case
    return Words(ours=f"{case.strategy.upper()} on {device_name(case, evidence.devices)}", theirs="one of them")


def _processes(pair: Pair, _evidence: Evidence) -> Words:
    """Return the two with their threads; they have the same cores, so that there is no efficiency to speak of."""
    ours, theirs = (f" of {count(int(row.number('num_threads') or 1), 'thread')}" for row in (pair.ours, pair.theirs))
    several = count(pair.ours.case.num_devices, "process")
    return Words(ours=f"{several}{ours} each", theirs=f"one process{theirs}", place=" on this CPU", verb="train")


def _efficiency(pair: Pair, verdict: Verdict) -> str:
    """Return the speed-up over the number of devices."""
    number, speed = pair.ours.case.num_devices, pair.speed
    if verdict == "inconclusive" or speed.low is None or speed.high is None:
        return ""
    share = Interval(value=speed.value / number, low=speed.low / number, high=speed.high / number)
    return f": {percent_with_bounds(share)} efficiency"


TOPICS = (
    speed_topic(
        name="more_devices",
        claim="more GPUs train faster",
        partners=_on_one_accelerator,
        words=_devices,
        variant=lambda case: (case.strategy, case.num_devices),
        tail=_efficiency,
        min_accelerators=2,
    ),
    speed_topic(
        name="more_processes",
        claim="more processes train faster on one CPU",
        partners=_in_one_process,
        words=_processes,
        variant=lambda case: (case.strategy, case.num_devices),
    ),
)
