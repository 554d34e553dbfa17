"""A finding: something that people are told, held against what was measured."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal

from bench.results.pairs import Evidence, Partners
from bench.statistics import MARGIN_RATIO, Interval

Verdict = Literal["confirmed", "refuted", "no_difference", "inconclusive", "not_here"]
"""
`no_difference` is as sure as the first two (of a cost: none above the margin, whatever is gained); `not_here`: it could
not be asked on this machine or was not in this run.
"""


VERDICT_WORDS: Mapping[Verdict, str] = {
    "confirmed": "confirmed",
    "refuted": "refuted",
    "no_difference": "no difference",
    "inconclusive": "inconclusive",
    "not_here": "not here",
}
"""What a person reads."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One sentence with its grounds."""

    topic: str
    """A key that stays, such as `amp_memory`."""
    claim: str
    """What people are told, such as "AMP saves memory"."""
    verdict: Verdict
    sentence: str
    """What was measured, or why it cannot be said here."""
    ratio: Interval | None = None
    """
    The speed of the case over that of the reference, or its memory over the other's.

    Memory is exact and has no bounds; over several workloads it is their geometric mean.
    """
    case_id: str = ""
    """Empty where the sentence is about several."""
    reference_id: str = ""
    flags: tuple[str, ...] = ()
    """Reasons to doubt, raised by either of the two; the verdict is then `inconclusive`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Topic:
    """What people are told, and how a run answers."""

    name: str
    claim: str
    partners: Partners
    """Which cases it takes."""
    find: Callable[["Topic", Evidence], list[Finding]]
    """Returns nothing where the run has no such pair."""
    min_accelerators: int = 0
    """Below this many there is nothing to measure."""
    suite: str = "default"
    """A suite that asks."""


def judged(ratio: Interval, *, expects_more: bool) -> Verdict:
    """Return what *ratio* says of the claim that it is above 1, or below it; a claim needs the whole interval."""
    if ratio.excludes(1.0, MARGIN_RATIO):
        return "confirmed" if (ratio.value > 1) == expects_more else "refuted"
    return "no_difference" if ratio.lies_within(1.0, MARGIN_RATIO) else "inconclusive"
