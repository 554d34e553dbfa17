"""Sentences about pairs of cases, which claim no more than their intervals bear out."""

import dataclasses
from collections.abc import Sequence

from bench.case import Case
from bench.labels import cut_middle
from bench.numbers import TIMES, with_bounds
from bench.result import DeviceInfo
from bench.results.pairs import Evidence, Pair
from bench.statistics import MARGIN_RATIO, Interval, rounds_needed

NAME_LENGTH = 40
"""Of a workload in a sentence."""
_SMALL_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
_OUT_OF_REACH = 20
"""Times the rounds of a run: half an hour for one of 90 s, which is more patience than such a question is worth."""
_SHARP = 0.1
"""Half-width of an interval which may say that something is not measurable; a wider one would miss too much."""
_MARGIN = f"{100 * MARGIN_RATIO:.0f} %"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Words:
    """What the two of a pair are called."""

    ours: str
    """Stands before "trains"."""
    theirs: str
    """Stands behind "faster than"."""
    place: str = ""
    """Where both ran, with a space before it."""
    verb: str = "trains"
    question: str = ""
    """What cannot be told where that is so; empty: whether the one trains faster than the other."""
    unmeasured: str = ""
    """What is not measurable where no difference is seen, such as "cost of .item() for mlp"."""


def speed(pair: Pair, words: Words, workload: str, *, expects_more: bool) -> str:
    """
    Return what the speed of *pair* comes to.

    Args:
        pair: Of which it speaks.
        words: For its two cases.
        workload: Its name.
        expects_more: Whether the question is if it is faster, or slower.
    """
    ratio = pair.speed
    amount, bounds = with_bounds(ratio)
    trains = f"{words.ours} {words.verb} {workload}"
    against = f"{words.theirs}{words.place}"
    question = f"{words.question}{words.place}" if words.question else f"{trains} {_more(expects_more)} than {against}"
    if ratio.low is None or ratio.high is None:
        return f"one round does not tell whether {question}"
    if ratio.excludes(1.0, MARGIN_RATIO):
        how = f"{amount}{TIMES} faster than" if ratio.value > 1 else f"at {amount}{TIMES} the speed of"
        return f"{trains} {how} {against} ({bounds})"
    if words.unmeasured and is_no_cost(ratio):
        nothing = f"no measurable {words.unmeasured}{words.place}"
        return f"{nothing}: {amount}{TIMES} the speed ({bounds}), so {_largest_loss(ratio.low)} is excluded"
    if ratio.lies_within(1.0, MARGIN_RATIO):
        return f"{trains} as fast as {against}, within {_MARGIN} ({bounds})"
    return _open(pair, words, question)


def _open(pair: Pair, words: Words, question: str) -> str:
    """Return what can be said where the interval decides nothing, and what would decide."""
    ratio, rounds = pair.speed, len(pair.speed_ratios)
    assert ratio.low is not None
    assert ratio.high is not None
    width = ratio.half_width_ratio or 0.0
    if width >= 1:  # bounds of which one is ten times the other say nothing, and look as if they did
        return f"{rounds} rounds differ too much to tell whether {question}"
    amount, bounds = with_bounds(ratio)
    seen = f"{amount}{TIMES} the speed ({bounds}); {what_would_tell(rounds, ratio)}"
    if words.unmeasured and ratio.low <= 1 <= ratio.high and width <= _SHARP:
        nothing = f"no measurable {words.unmeasured}{words.place} in {rounds} rounds"
        return f"{nothing}, but a loss of {_percent(1 - ratio.low)} is not excluded: {seen}"
    return f"whether {question} cannot be told from {rounds} rounds: {seen}"


def is_no_cost(ratio: Interval) -> bool:
    """Return whether a loss of speed of more than the margin is excluded; how much is gained is not asked of a cost."""
    return ratio.low is not None and ratio.low >= 1 - MARGIN_RATIO


def _largest_loss(low: float) -> str:
    """Return what a lower end of the speed leaves no room for."""
    return "any loss" if low >= 1 else f"a loss of more than {_percent(1 - low)}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _more(expects_more: bool) -> str:
    return "faster" if expects_more else "slower"


def what_would_tell(rounds: int, ratio: Interval) -> str:
    """Return how many rounds would decide on which side of the margin *ratio* of so many lies."""
    needed = rounds_needed(rounds, ratio, MARGIN_RATIO)
    if ratio.half_width_ratio is None or ratio.half_width_ratio >= 1:
        return "the rounds differ too much to say how many would tell"
    if needed is None or needed > _OUT_OF_REACH * rounds:
        return f"near the margin of {_MARGIN}, where more rounds hardly tell"
    return f"about {_rounded(needed):,} rounds would tell"


def doubted(sentence: str, doubts: Sequence[str]) -> str:
    """Return *sentence* behind the flags that leave it without a verdict, so that nobody reads it as a claim."""
    return f"In doubt ({', '.join(doubts)}): {sentence}" if doubts else sentence


def capital(sentence: str) -> str:
    """Return *sentence* as it begins a line; a name such as torch.compile stays what it is."""
    first = sentence.partition(" ")[0]
    return sentence[:1].upper() + sentence[1:] if first.isalpha() else sentence


def count(number: int, what: str) -> str:
    """Return ``two processes``."""
    word = _SMALL_NUMBERS[number] if number < len(_SMALL_NUMBERS) else str(number)
    return f"{word} {what}" if number == 1 else f"{word} {what}{'es' if what.endswith('s') else 's'}"


def workload(case: Case, evidence: Evidence) -> str:
    """Return the workload's name, with the batch where the run has several of them."""
    return workload_name(case, with_batch=case.workload in evidence.workloads_of_several_batches)


def workload_name(case: Case, *, with_batch: bool) -> str:
    """Return the workload's name in a length for sentences."""
    name = cut_middle(case.workload, NAME_LENGTH)
    return f"{name} (batch {case.global_batch_size})" if with_batch else name


def place(case: Case, devices: Sequence[DeviceInfo]) -> str:
    """Return where a case was measured, such as " on this CPU"."""
    return f" on {device_name(case, devices)}"


def device_name(case: Case, devices: Sequence[DeviceInfo]) -> str:
    """Return what a case's device is called, several of them with their number."""
    if case.device_type == "cpu":
        return "this CPU"
    of_type = [device for device in devices if device.type == case.device_type]
    chosen = [device for device in of_type if device.id == case.device] or of_type
    names = list(dict.fromkeys(device.name for device in chosen))
    name = names[0] if len(names) == 1 else case.device
    return name if case.num_devices == 1 else f"{case.num_devices} {TIMES} {name}"


def change_of_memory(ratio: float) -> str:
    """Return ``3 % more memory``; a change within the margin is none."""
    if abs(ratio - 1) <= MARGIN_RATIO:
        return "as much memory"
    return f"{100 * abs(ratio - 1):.0f} % {'more' if ratio > 1 else 'less'} memory"


def _rounded(number: int) -> int:
    """Return *number* to two digits, which is more than an estimate of it knows."""
    return round(number, 2 - len(str(number)))
