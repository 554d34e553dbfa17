"""The findings of a run: what people are told, each held against pairs of cases that differ in one axis only."""

from collections.abc import Iterable

from bench import registry
from bench.result import FAILURES
from bench.results.finding import Finding, Topic, Verdict
from bench.results.frame import Run
from bench.results.once import once
from bench.results.pairs import Evidence, evidence_of
from bench.results.rows import Row
from bench.results.sentences import count

__all__ = ["Finding", "Verdict", "findings_of"]


@once
def findings_of(run: Run) -> list[Finding]:
    """Return what *run* says of every topic, in the order of the files in `topics`; those it cannot speak of too."""
    evidence = evidence_of(run)
    found: list[Finding] = []
    for topic in _topics():
        found += topic.find(topic, evidence) or [_not_here(topic, evidence)]
    return found


def _topics() -> Iterable[Topic]:
    for name in registry.names("results/topics"):
        yield from registry.load("results/topics", name).TOPICS


def _not_here(topic: Topic, evidence: Evidence) -> Finding:
    return Finding(topic=topic.name, claim=topic.claim, verdict="not_here", sentence=_reason(topic, evidence))


def _reason(topic: Topic, evidence: Evidence) -> str:
    """Return why *topic* has no pair, in words that topics with the same reason share."""
    found = len(evidence.devices)
    if found < topic.min_accelerators:
        return (
            f"needs {'a GPU' if topic.min_accelerators == 1 else count(topic.min_accelerators, 'GPU')}, found {found}"
        )
    missing = [row for row in _rows_of(topic, evidence) if not row.is_measured]
    if missing:
        worst = next((row for row in missing if row.status in FAILURES), missing[0])
        return f"{worst.status}: {' '.join(worst.reason.split())}".rstrip(": ")
    if any(True for _ in _rows_of(topic, evidence)):
        return "its figure is not known of the cases of this run"
    return f"not in this run; --suite {topic.suite} has it"


def _rows_of(topic: Topic, evidence: Evidence) -> Iterable[Row]:
    """Yield the rows of the planned cases that *topic* takes, and of those that they would be held against."""
    for case, row in evidence.rows.items():
        others = [evidence.rows[other] for other in topic.partners(case) if other in evidence.rows]
        if others:
            yield row
            yield from others
