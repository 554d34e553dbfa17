"""Topics that a pair's speed answers."""

from collections.abc import Callable, Hashable

from bench.case import Case
from bench.results import sentences
from bench.results.finding import Finding, Topic, Verdict, judged
from bench.results.pairs import Evidence, Pair, Partners, plainest
from bench.results.sentences import Words

LAUNCH_BOUND = "launch_bound"
"""A flag that leaves a time what it is, and says that it is not the device's."""


def speed_topic(
    *,
    name: str,
    claim: str,
    partners: Partners,
    words: Callable[[Pair, Evidence], Words],
    expects_more: bool = True,
    variant: Callable[[Case], Hashable] = lambda _case: None,
    tail: Callable[[Pair, Verdict], str] = lambda _pair, _verdict: "",
    min_accelerators: int = 0,
    suite: str = "default",
) -> Topic:
    """
    Return a topic with one finding of each workload, batch and device.

    Args:
        name: As in `Topic`.
        claim: Says that cases are faster than their partners, or slower.
        partners: As in `Topic`.
        words: What the two of a pair are called.
        expects_more: Whether the claim is that they are faster.
        variant: What of a case asks for a finding of its own besides.
        tail: What stands behind the speed: a clause that begins with its own sign or a space.
        min_accelerators: As in `Topic`.
        suite: As in `Topic`.
    """

    def find(topic: Topic, evidence: Evidence) -> list[Finding]:
        found = plainest(evidence.pairs(partners), variant)
        return [_finding(topic, pair, evidence) for pair in found]

    def _finding(topic: Topic, pair: Pair, evidence: Evidence) -> Finding:
        named = words(pair, evidence)
        verdict: Verdict = "inconclusive" if pair.doubts else judged(pair.speed, expects_more=expects_more)
        if verdict == "inconclusive" and not pair.doubts and named.unmeasured and sentences.is_no_cost(pair.speed):
            verdict = "no_difference"
        workload = sentences.workload(pair.ours.case, evidence)
        said = sentences.speed(pair, named, workload, expects_more=expects_more)
        said += tail(pair, verdict) + _launches(pair)
        return Finding(
            topic=topic.name,
            claim=topic.claim,
            verdict=verdict,
            sentence=sentences.capital(sentences.doubted(said, pair.doubts)),
            ratio=pair.speed,
            case_id=pair.ours.case.id,
            reference_id=pair.theirs.case.id,
            flags=pair.doubts,
        )

    return Topic(name=name, claim=claim, partners=partners, find=find, min_accelerators=min_accelerators, suite=suite)


def _launches(pair: Pair) -> str:
    """Return that a device waited for its host; where every step is read it does so by intention."""
    flags = pair.flags if pair.ours.case.loop == pair.theirs.case.loop else pair.theirs.flags
    return f"; {LAUNCH_BOUND}: the device waits for the host" if LAUNCH_BOUND in flags else ""
