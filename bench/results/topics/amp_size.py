"""Whether mixed precision gains more for large models, where one model was measured in several sizes."""

import itertools
import math
from collections.abc import Iterator, Sequence

from bench.numbers import TIMES, digits, with_bounds
from bench.results import sentences
from bench.results.finding import Finding, Topic, judged
from bench.results.pairs import Evidence, Pair, plainest
from bench.results.topics._amp import NAMES, in_fp32
from bench.statistics import MARGIN_RATIO, Interval, paired_ratio


def _find(topic: Topic, evidence: Evidence) -> list[Finding]:
    sizes = _sizes(plainest(evidence.pairs(topic.partners)))
    return [_finding(topic, large, small, evidence) for large, small in sizes if _common_rounds(large, small)]


def _sizes(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, Pair]]:
    """Yield the largest and the smallest of each model on each device; `mlp:large` is a size of `mlp`."""

    def model(pair: Pair) -> tuple[str, str, str]:
        case = pair.ours.case
        return case.workload.rpartition(":")[0], case.device, case.precision

    for (name, *_), members in itertools.groupby(sorted(pairs, key=model), model):
        found = list(members)
        # Of equal batches where there are any, so that nothing but the size differs.
        equal = [list(group) for _, group in itertools.groupby(sorted(found, key=_batch), _batch)]
        for group in (*reversed(equal), found):
            by_size = sorted(group, key=_parameters)
            if name and _parameters(by_size[0]) < _parameters(by_size[-1]):
                yield by_size[-1], by_size[0]
                break


def _batch(pair: Pair) -> int:
    return pair.ours.case.global_batch_size


def _parameters(pair: Pair) -> float:
    return pair.ours.number("parameters") or math.nan


def _common_rounds(large: Pair, small: Pair) -> list[int]:
    return sorted(large.speed_ratios.keys() & small.speed_ratios.keys())


def _finding(topic: Topic, large: Pair, small: Pair, evidence: Evidence) -> Finding:
    rounds = _common_rounds(large, small)
    gains, others = ([pair.speed_ratios[number] for number in rounds] for pair in (large, small))
    ratio = paired_ratio(gains, others)
    doubts = tuple(dict.fromkeys((*large.doubts, *small.doubts)))
    differ = _batch(large) != _batch(small)
    names = [
        sentences.workload_name(pair.ours.case, with_batch=True) if differ
        else sentences.workload(pair.ours.case, evidence)
        for pair in (large, small)
    ]  # fmt: skip
    each = [f"{name} at {digits(pair.speed.value)}{TIMES}" for name, pair in zip(names, (large, small), strict=True)]
    case = large.ours.case
    trains = f"{NAMES[case.precision]} trains {' and '.join(each)} the speed of fp32"
    said = f"{trains}{sentences.place(case, evidence.devices)}; {_what_the_larger_gains(ratio, len(rounds))}"
    return Finding(
        topic=topic.name,
        claim=topic.claim,
        verdict="inconclusive" if doubts else judged(ratio, expects_more=True),
        sentence=sentences.doubted(said, doubts),
        ratio=ratio,
        case_id=case.id,
        reference_id=small.ours.case.id,
        flags=doubts,
    )


def _what_the_larger_gains(ratio: Interval, rounds: int) -> str:
    amount, bounds = with_bounds(ratio)
    if ratio.excludes(1.0, MARGIN_RATIO):
        return f"the larger gains {'more' if ratio.value > 1 else 'less'}: {amount}{TIMES} as much ({bounds})"
    if ratio.lies_within(1.0, MARGIN_RATIO):
        return f"the larger gains as much ({bounds})"
    wanted = sentences.what_would_tell(rounds, ratio)
    return f"whether the larger gains more cannot be told from {rounds} rounds ({bounds or amount}); {wanted}"


TOPICS = (
    Topic(name="amp_large", claim="AMP gains more for large models", partners=in_fp32, find=_find, min_accelerators=1),
)
