"""What pinned memory saves, and a batch that is on the device already."""

import dataclasses

from bench.case import Case
from bench.results.pairs import Evidence, Pair
from bench.results.sentences import Words, place
from bench.results.topics._speed import speed_topic

_BATCHES = {
    "resident": "a batch that is on the device already",
    "pinned": "a batch from pinned memory",
    "pageable": "one from pageable memory",
}


def _from_pageable(case: Case) -> tuple[Case, ...]:
    return (dataclasses.replace(case, input="pageable"),) if case.input == "pinned" else ()


def _from_host(case: Case) -> tuple[Case, ...]:
    """Return the same with the batch copied in every step, as well as that can be done; a CPU has nothing to copy."""
    if case.input != "resident" or case.device_type == "cpu":
        return ()
    return tuple(dataclasses.replace(case, input=source) for source in ("pinned", "pageable"))


def _words(pair: Pair, evidence: Evidence) -> Words:
    theirs = _BATCHES[pair.theirs.case.input].replace("a batch", "one")
    return Words(ours=_BATCHES[pair.ours.case.input], theirs=theirs, place=place(pair.ours.case, evidence.devices))


TOPICS = (
    speed_topic(
        name="pinned_input",
        claim="pinned memory saves time",
        partners=_from_pageable,
        words=_words,
        min_accelerators=1,
        suite="habits",
    ),
    speed_topic(
        name="resident_input",
        claim="a batch that is on the GPU already saves time",
        partners=_from_host,
        words=_words,
        min_accelerators=1,
        suite="habits",
    ),
)
