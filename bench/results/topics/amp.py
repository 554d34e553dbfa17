"""Is mixed precision faster, more so for large models, and does it save memory?"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence

from bench.case import Case
from bench.numbers import TIMES, digits, with_bounds
from bench.results import sentences
from bench.results.finding import Finding, Topic, Verdict, judged
from bench.results.pairs import Evidence, Pair, plainest
from bench.results.sentences import Words, change_of_memory, place
from bench.results.topics._speed import speed_topic
from bench.statistics import MARGIN_RATIO, Interval, geometric_mean, paired_ratio

_NAMES = {"amp_bf16": "AMP bf16", "amp_fp16": "AMP fp16"}
_DOUBTS_OF_MEMORY = frozenset({"diverged", "skipped_steps", "allocator_retry", "recompiled"})
"""Of the flags those under which another step was run than the one in question; how long it took is no matter here."""


def _in_fp32(case: Case) -> tuple[Case, ...]:
    return (dataclasses.replace(case, precision="fp32"),) if case.precision in _NAMES else ()


def _words(pair: Pair, evidence: Evidence) -> Words:
    case = pair.ours.case
    return Words(ours=_NAMES[case.precision], theirs="fp32", place=place(case, evidence.devices))


def _memory_too(pair: Pair, verdict: Verdict) -> str:
    """Return what it needs besides; an open question is long enough without."""
    ratio = pair.memory_ratio
    return "" if ratio is None or verdict == "inconclusive" else f" and needs {change_of_memory(ratio)}"


def _memory(topic: Topic, evidence: Evidence) -> list[Finding]:
    """Return one finding of each device and verdict: what is exact needs few words."""
    groups: dict[tuple[str, str, Verdict, tuple[str, ...]], list[tuple[Pair, float]]] = {}
    for pair in plainest(evidence.pairs(topic.partners)):
        ratio = pair.memory_ratio
        if ratio is not None:
            doubts = tuple(flag for flag in pair.flags if flag in _DOUBTS_OF_MEMORY)
            case, exact = pair.ours.case, Interval(value=ratio, low=ratio, high=ratio)
            verdict = "inconclusive" if doubts else judged(exact, expects_more=False)
            groups.setdefault((case.device, case.precision, verdict, doubts), []).append((pair, ratio))
    return [_of_group(topic, verdict, doubts, found, evidence) for (_, _, verdict, doubts), found in groups.items()]


def _of_group(
    topic: Topic, verdict: Verdict, doubts: tuple[str, ...], found: Sequence[tuple[Pair, float]], evidence: Evidence
) -> Finding:
    """Return the finding of pairs of one device, whose workloads agree."""
    first, ratios = found[0][0], [ratio for _, ratio in found]
    where = place(first.ours.case, evidence.devices)
    each = [(sentences.workload(pair.ours.case, evidence), ratio) for pair, ratio in found]
    if verdict == "no_difference":
        said = (
            f"as much memory as fp32{where}, within {100 * MARGIN_RATIO:.0f} %: {', '.join(name for name, _ in each)}"
        )
    elif verdict == "inconclusive":
        said = f"other memory than fp32{where}: {', '.join(f'{change_of_memory(ratio)} for {name}' for name, ratio in each)}"
    else:
        shares = (f"{100 * abs(ratio - 1):.0f} % for {name}" for name, ratio in each)
        said = f"{'less' if ratios[0] < 1 else 'more'} memory than fp32{where}: {', '.join(shares)}"
    is_one = len(found) == 1
    return Finding(
        topic=topic.name,
        claim=topic.claim,
        verdict=verdict,
        sentence=sentences.doubted(f"{_NAMES[first.ours.case.precision]} needs {said}", doubts),
        ratio=Interval(value=geometric_mean(ratios)),
        case_id=first.ours.case.id if is_one else "",
        reference_id=first.theirs.case.id if is_one else "",
        flags=doubts,
    )


def _large(topic: Topic, evidence: Evidence) -> list[Finding]:
    """Return one finding of each model that was measured in two sizes or more on one device."""
    return [
        _of_sizes(topic, large, small, evidence)
        for large, small in _largest_and_smallest(plainest(evidence.pairs(topic.partners)))
        if large.speed_ratios.keys() & small.speed_ratios.keys()
    ]


def _largest_and_smallest(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, Pair]]:
    def family(pair: Pair) -> tuple[str, str]:
        return pair.ours.case.workload.rpartition(":")[0], pair.ours.case.device

    for (name, _), members in itertools.groupby(sorted(pairs, key=family), family):
        by_size = sorted(members, key=_parameters)
        if name and _parameters(by_size[0]) < _parameters(by_size[-1]):
            yield by_size[-1], by_size[0]


def _parameters(pair: Pair) -> float:
    return pair.ours.number("parameters") or math.nan


def _of_sizes(topic: Topic, large: Pair, small: Pair, evidence: Evidence) -> Finding:
    rounds = sorted(large.speed_ratios.keys() & small.speed_ratios.keys())
    ratio = paired_ratio(*([pair.speed_ratios[number] for number in rounds] for pair in (large, small)))
    doubts = tuple(dict.fromkeys((*large.doubts, *small.doubts)))
    ours, theirs = (
        f"{sentences.workload(pair.ours.case, evidence)} at {digits(pair.speed.value)}{TIMES}"
        for pair in (large, small)
    )
    where = place(large.ours.case, evidence.devices)
    said = f"{_NAMES[large.ours.case.precision]} trains {ours} and {theirs} the speed of fp32{where}"
    said = f"{said}; {_what_the_larger_gains(ratio, len(rounds))}"
    return Finding(
        topic=topic.name,
        claim=topic.claim,
        verdict="inconclusive" if doubts else judged(ratio, expects_more=True),
        sentence=sentences.capital(sentences.doubted(said, doubts)),
        ratio=ratio,
        case_id=large.ours.case.id,
        reference_id=small.ours.case.id,
        flags=doubts,
    )


def _what_the_larger_gains(ratio: Interval, rounds: int) -> str:
    amount, bounds = with_bounds(ratio)
    if ratio.excludes(1.0, MARGIN_RATIO):
        return f"the larger gains {'more' if ratio.value > 1 else 'less'}: {amount}{TIMES} as much ({bounds})"
    if ratio.lies_within(1.0, MARGIN_RATIO):
        return f"the larger gains as much ({bounds})"
    return f"whether the larger gains more cannot be told from {rounds} rounds ({bounds or amount}); {sentences.what_would_tell(rounds, ratio)}"


TOPICS = (
    speed_topic(name="amp_speed", claim="AMP is faster", partners=_in_fp32, words=_words, tail=_memory_too),
    Topic(
        name="amp_large", claim="AMP gains more for large models", partners=_in_fp32, find=_large, min_accelerators=1
    ),
    Topic(name="amp_memory", claim="AMP saves memory", partners=_in_fp32, find=_memory),
)
