"""Whether a GPU is faster than the CPU."""

import dataclasses

from bench.case import Case
from bench.results.pairs import Evidence, Pair
from bench.results.sentences import Words, device_name
from bench.results.topics._speed import speed_topic


def _on_cpu(case: Case) -> tuple[Case, ...]:
    """Return the same on the CPU, where the batch is where it is needed."""
    if case.device_type == "cpu" or case.strategy != "single":
        return ()
    return (dataclasses.replace(case, device="cpu", input="resident"),)


def _words(pair: Pair, evidence: Evidence) -> Words:
    return Words(ours=device_name(pair.ours.case, evidence.devices), theirs="this CPU")


TOPICS = (
    speed_topic(
        name="gpu_speed",
        claim="a GPU trains faster than the CPU",
        partners=_on_cpu,
        words=_words,
        min_accelerators=1,
    ),
)
