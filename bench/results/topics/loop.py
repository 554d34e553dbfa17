"""What it costs to read the loss after every step."""

import dataclasses
import functools

from bench.case import Case
from bench.numbers import digits
from bench.results import sentences
from bench.results.finding import Verdict
from bench.results.pairs import Evidence, Pair
from bench.results.sentences import Words, place
from bench.results.topics._speed import speed_topic

_HABITS = {"item": ".item()", "numpy": ".cpu().numpy()"}


def _clean(loop: str, case: Case) -> tuple[Case, ...]:
    return (dataclasses.replace(case, loop="clean"),) if case.loop == loop else ()


def _words(pair: Pair, evidence: Evidence) -> Words:
    case = pair.ours.case
    habit = f"{_HABITS[case.loop]} in every step"
    return Words(
        ours=f"a loop with {habit}",
        theirs="one without",
        place=place(case, evidence.devices),
        unmeasured=f"cost of {habit} for {sentences.workload(case, evidence)}",
    )


def _waits(pair: Pair, verdict: Verdict) -> str:
    """Return how often the host waits for the device, where that costs something."""
    number = pair.ours.number("host_syncs")
    if verdict != "confirmed" or not number or pair.ours.case.device_type == "cpu":
        return ""
    times = "once" if number == 1 else f"{digits(number)} times"
    return f"; the host waits for the device {times} a step"


TOPICS = tuple(
    speed_topic(
        name=f"{loop}_cost",
        claim=f"{habit} in the loop costs time",
        partners=functools.partial(_clean, loop),
        words=_words,
        expects_more=False,
        tail=_waits,
        suite="habits",
    )
    for loop, habit in _HABITS.items()
)
