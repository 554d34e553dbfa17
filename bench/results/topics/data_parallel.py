"""Whether DataParallel is slower than DDP."""

import dataclasses

from bench.case import Case
from bench.results.pairs import Evidence, Pair
from bench.results.sentences import Words, place
from bench.results.topics._speed import speed_topic


def _under_ddp(case: Case) -> tuple[Case, ...]:
    return (dataclasses.replace(case, strategy="ddp"),) if case.strategy == "data_parallel" else ()


def _words(pair: Pair, evidence: Evidence) -> Words:
    return Words(ours="DataParallel", theirs="DDP", place=place(pair.ours.case, evidence.devices))


TOPICS = (
    speed_topic(
        name="data_parallel_speed",
        claim="DataParallel is easy but slower than DDP",
        partners=_under_ddp,
        words=_words,
        expects_more=False,
        variant=lambda case: case.num_devices,
        min_accelerators=2,
    ),
)
