"""What people are told about training, and what a run says about it."""

import dataclasses
from typing import Literal

from bench.results.frame import Run
from bench.statistics import Interval

Verdict = Literal["confirmed", "refuted", "no_difference", "inconclusive", "not_here"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that people are told, held against a run."""

    topic: str
    """Stable key, such as "amp_memory"."""
    claim: str
    """What people are told: "AMP saves memory"."""
    verdict: Verdict
    sentence: str
    """What was measured, or why it cannot be said here."""
    ratio: Interval | None = None
    case_id: str = ""
    reference_id: str = ""
    flags: tuple[str, ...] = ()


def findings_of(run: Run) -> list[Finding]:  # noqa: ARG001 (a stand-in until the findings are there)
    """Return what *run* says about each claim."""
    return []
