"""Whether mixed precision saves memory; allocators' figures, which are exact, so that many workloads need few words."""

from collections.abc import Sequence
from typing import NamedTuple

from bench.flags import DOUBTS_OF_MEMORY
from bench.results import sentences
from bench.results.finding import Finding, Topic, Verdict, judged
from bench.results.pairs import Evidence, Pair, plainest
from bench.results.topics._amp import NAMES, in_fp32
from bench.statistics import MARGIN_RATIO, Interval, geometric_mean


class _Group(NamedTuple):
    """What pairs have in common that share a sentence."""

    device: str
    precision: str
    verdict: Verdict
    doubts: tuple[str, ...]


def _find(topic: Topic, evidence: Evidence) -> list[Finding]:
    groups: dict[_Group, list[tuple[Pair, float]]] = {}
    for pair in plainest(evidence.pairs(topic.partners)):
        ratio = pair.memory_ratio
        if ratio is not None:
            groups.setdefault(_group_of(pair, ratio), []).append((pair, ratio))
    return [_finding(topic, group, found, evidence) for group, found in groups.items()]


def _group_of(pair: Pair, ratio: float) -> _Group:
    doubts = tuple(flag for flag in pair.flags if flag in DOUBTS_OF_MEMORY)
    verdict = judged(Interval(value=ratio, low=ratio, high=ratio), expects_more=False)
    case = pair.ours.case
    return _Group(case.device, case.precision, "inconclusive" if doubts else verdict, doubts)


def _finding(topic: Topic, group: _Group, found: Sequence[tuple[Pair, float]], evidence: Evidence) -> Finding:
    first, _ = found[0]
    where = sentences.place(first.ours.case, evidence.devices)
    each = [(sentences.workload(pair.ours.case, evidence), ratio) for pair, ratio in found]
    said = f"{NAMES[group.precision]} needs {_amounts(group.verdict, where, each)}"
    is_one = len(found) == 1
    return Finding(
        topic=topic.name,
        claim=topic.claim,
        verdict=group.verdict,
        sentence=sentences.doubted(said, group.doubts),
        ratio=Interval(value=geometric_mean([ratio for _, ratio in found])),
        case_id=first.ours.case.id if is_one else "",
        reference_id=first.theirs.case.id if is_one else "",
        flags=group.doubts,
    )


def _amounts(verdict: Verdict, where: str, each: Sequence[tuple[str, float]]) -> str:
    """Return what workloads that agree need, against fp32."""
    if verdict == "no_difference":
        names = ", ".join(name for name, _ in each)
        return f"as much memory as fp32{where}, within {100 * MARGIN_RATIO:.0f} %: {names}"
    if verdict == "inconclusive":
        changes = ", ".join(f"{sentences.change_of_memory(ratio)} for {name}" for name, ratio in each)
        return f"by its figures{where} {changes}"
    word = "less" if each[0][1] < 1 else "more"
    shares = ", ".join(f"{100 * abs(ratio - 1):.0f} % for {name}" for name, ratio in each)
    return f"{word} memory than fp32{where}: {shares}"


TOPICS = (Topic(name="amp_memory", claim="AMP saves memory", partners=in_fp32, find=_find),)
