"""
Decides from pairs what became slower: a first look at every case, then fresh pairs for those that looked so.

The decision rests on the fresh pairs alone, whose number was fixed before, so that looking twice costs nothing of its
certainty; Holm's procedure keeps the chance of any false alarm of a run at 5 %, however many cases there are. Simulated
with 100 cases at 3 % noise it finds +5 % in 80 to 90 % of runs, without a false alarm in 400. The tests are of signed
ranks, since some pairs are far out (docs/method.md).
"""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

from bench import signed_rank
from bench.comparing.comparison import Comparison, Row, worst_first
from bench.flags import DOUBTFUL
from bench.pair import Pair, Stage
from bench.statistics import (
    Interval,
    Verdict,
    geometric_mean,
    holm,
    rounds_needed,
    verdict_of,
)

FIRST_PAIRS, FRESH_PAIRS = 6, 16
PAIRS = FIRST_PAIRS + FRESH_PAIRS
SUSPICION = 0.50
"""
One-sided p-value against the margin below which a first look asks for fresh pairs: whatever looks slower by more.

What has not changed rarely does; with 0.20, some slowdowns of 5 % were not looked at again (reports/evidence/gate).
"""
DEAD = 0.20
"""The same of a canary, to either side."""
ALPHA = 0.05
"""Chance of a false alarm in one run."""
MAX_DROPPED_SHARE = 0.3
"""Of the pairs of a decision: with more gone, who is left is no fair sample."""
MIN_CASES_FOR_CANARIES = 4
CURES = {
    "allocator_retry": "the device is too full for both sides: take a smaller batch",
    "recompiled": "pin what changes between steps, so that nothing is compiled again",
}
"""Of pairs that other programs did not disturb."""
OF_A_MOMENT = {"contended", "throttled", "unsteady", "few_rounds"}
"""Flags of the single run in which counters were taken: the pairs have their own eyes for that."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """What the pairs of one case say."""

    verdict: Verdict
    why: str = ""
    """Why it is inconclusive."""
    ratio: Interval | None = None
    """Of the pairs that decide."""
    base_seconds: float | None = None
    head_seconds: float | None = None


def is_suspect(pairs: Sequence[Pair], margin_ratio: float) -> bool:
    """Return whether the first look at a case asks for a second."""
    ratios = _ratios(pairs)
    return bool(ratios) and signed_rank.exceeding_p_value(ratios, 1 + margin_ratio) < SUSPICION


def is_dead(pairs: Sequence[Pair], margin_ratio: float) -> bool:
    """Return whether the pairs of a canary differ from themselves, to whichever side."""
    ratios = _ratios(pairs)
    both = (ratios, [1 / ratio for ratio in ratios])
    return bool(ratios) and min(signed_rank.exceeding_p_value(one, 1 + margin_ratio) for one in both) < DEAD


def canaries(num_cases: int) -> int:
    """Return how many cases are also held against themselves."""
    if num_cases < MIN_CASES_FOR_CANARIES:
        return 0
    return 2 if num_cases < 3 * MIN_CASES_FOR_CANARIES else 3


def decide(pairs: Sequence[Pair], margin_ratio: float) -> Mapping[str, Decision]:
    """
    Return the decision on each case, by its id.

    Args:
        pairs: Of all cases and stages; a case of which one broke has no decision, and costs the others nothing.
        margin_ratio: The smallest change that matters.
    """
    broken = {pair.case.id for pair in pairs if pair.status != "ok" and pair.stage != "canary"}
    pairs = [pair for pair in pairs if pair.case.id not in broken or pair.stage == "canary"]
    by_case: dict[str, dict[Stage, list[Pair]]] = {}
    for pair in pairs:
        by_case.setdefault(pair.case.id, {}).setdefault(pair.stage, []).append(pair)
    dead = [
        found["canary"][0].case.slug for found in by_case.values() if is_dead(found.get("canary", ()), margin_ratio)
    ]
    fresh = {key: found["fresh"] for key, found in by_case.items() if _is_enough(found.get("fresh", ()))}
    p_values = [signed_rank.exceeding_p_value(_ratios(own), 1 + margin_ratio) for own in fresh.values()]
    slower = {key for key, is_slower in zip(fresh, holm(p_values, ALPHA), strict=True) if is_slower}
    decisions = {
        key: _decision(found.get("fresh") or found["first"], margin_ratio, is_slower=key in slower)
        for key, found in by_case.items()
        if "first" in found
    }
    if not dead:
        return decisions
    why = f"the base differs from itself here ({', '.join(dead)}), so the clock says nothing in this job"
    return {key: dataclasses.replace(found, verdict="inconclusive", why=why) for key, found in decisions.items()}


def decided(comparison: Comparison, decisions: Mapping[str, Decision], why_not: str = "") -> Comparison:
    """
    Return *comparison* with the clock's part of each row from *decisions*.

    Args:
        comparison: Of the two sides' single runs, whose clock says nothing.
        decisions: By case.
        why_not: Why a case has none.
    """
    rows = [_with_decision(row, decisions.get(row.case_id), why_not) for row in comparison.rows]
    return dataclasses.replace(comparison, rows=worst_first(rows), is_paired=True)


def _with_decision(row: Row, decision: Decision | None, why_not: str) -> Row:
    flags = tuple(flag for flag in row.flags if flag not in OF_A_MOMENT)
    row = dataclasses.replace(row, flags=flags, is_relative=False)
    if decision is None:
        why = "" if row.failure or row.gap else why_not
        return dataclasses.replace(row, ratio=None, verdict=None, why=why, base_seconds=None, current_seconds=None)
    doubts = [flag for flag in flags if flag in DOUBTFUL]
    return dataclasses.replace(
        row,
        ratio=decision.ratio,
        verdict="inconclusive" if doubts else decision.verdict,
        why=f"flagged {', '.join(doubts)}" if doubts else decision.why,
        base_seconds=decision.base_seconds,
        current_seconds=decision.head_seconds,
    )


def _decision(pairs: Sequence[Pair], margin_ratio: float, *, is_slower: bool) -> Decision:
    """Return what the deciding *pairs* of one case say; only Holm's procedure may call it slower."""
    kept = _kept(pairs)
    if not kept:
        return Decision(verdict="inconclusive", why=_dropped(pairs))
    ratio = signed_rank.interval(_ratios(kept))
    base_seconds = geometric_mean([statistics.median(pair.base.step_seconds) for pair in kept if pair.base])
    seen = Decision(
        verdict="slower",
        ratio=ratio,
        base_seconds=base_seconds,
        head_seconds=base_seconds * ratio.value,
    )
    if not _is_enough(pairs):
        return dataclasses.replace(seen, verdict="inconclusive", why=_dropped(pairs))
    if is_slower:
        return seen
    verdict = verdict_of(ratio, margin_ratio)
    if verdict in ("same", "faster"):
        return dataclasses.replace(seen, verdict=verdict)
    return dataclasses.replace(seen, verdict="inconclusive", why=_wish(ratio, len(kept), margin_ratio, pairs[0]))


def _wish(ratio: Interval, num_pairs: int, margin_ratio: float, pair: Pair) -> str:
    """Return what would tell."""
    if ratio.low is None:
        return f"{num_pairs} pairs are too few; raise --budget"
    looked = f"looked slower, and {num_pairs} fresh pairs do not confirm it" if pair.stage == "fresh" else ""
    needed = rounds_needed(num_pairs, ratio, margin_ratio)
    cure = "too close to the margin to tell" if needed is None else f"about {needed:,} pairs would tell; raise --budget"
    return "; ".join(word for word in (looked, cure) if word)


def _kept(pairs: Sequence[Pair]) -> list[Pair]:
    return [pair for pair in pairs if pair.status == "ok" and not pair.disturbance]


def _ratios(pairs: Sequence[Pair]) -> list[float]:
    return [pair.ratio for pair in _kept(pairs)]


def _is_enough(pairs: Sequence[Pair]) -> bool:
    """Whether enough of *pairs* are left to decide; one alone never is."""
    return len(_kept(pairs)) >= max(2, math.ceil((1 - MAX_DROPPED_SHARE) * len(pairs)))


def _dropped(pairs: Sequence[Pair]) -> str:
    """Return how many of *pairs* had to be dropped, and why."""
    reasons = [pair.disturbance for pair in pairs if pair.disturbance]
    counted = ", ".join(f"{reasons.count(reason)} {reason}" for reason in dict.fromkeys(reasons))
    cure = next((CURES[reason] for reason in reasons if reason in CURES), "stop other programs, or try again")
    return f"of {len(pairs)} pairs {counted or 'too few'}; {cure}"
