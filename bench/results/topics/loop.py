"""What it costs to read the loss after every step."""

import dataclasses
import functools

from bench.case import Case
from bench.numbers import SECONDS, digits, with_unit
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
        question=f"{habit} slows {sentences.workload(case, evidence)}",
        unmeasured=f"cost of {habit} for {sentences.workload(case, evidence)}",
    )


def _grounds(pair: Pair, verdict: Verdict) -> str:
    """Return what the reading itself takes on a CPU; elsewhere how often the host waits, where that costs something."""
    if pair.ours.case.device_type == "cpu":
        seconds = pair.ours.number("read_seconds")
        return "" if seconds is None else f"; the read itself takes {with_unit(seconds, SECONDS)}"
    number = pair.ours.number("host_syncs")
    if verdict != "confirmed" or not number:
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
        tail=_grounds,
        suite="habits",
    )
    for loop, habit in _HABITS.items()
)
