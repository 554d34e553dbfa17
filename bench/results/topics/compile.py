"""Whether torch.compile pays, and after how many steps."""

import dataclasses

from bench.case import Case
from bench.numbers import SECONDS, with_unit
from bench.results.finding import Verdict
from bench.results.pairs import Evidence, Pair
from bench.results.sentences import Words, place
from bench.results.topics._speed import speed_topic


def _in_eager_mode(case: Case) -> tuple[Case, ...]:
    return (dataclasses.replace(case, compile="eager"),) if case.is_compiled else ()


def _words(pair: Pair, evidence: Evidence) -> Words:
    case = pair.ours.case
    mode = "" if case.compile == "default" else f" ({case.compile})"
    return Words(ours=f"torch.compile{mode}", theirs="eager mode", place=place(case, evidence.devices))


def _price(pair: Pair, verdict: Verdict) -> str:
    """Return what compiling took, and when that is won back."""
    seconds, steps = pair.ours.number("compile_seconds"), pair.ours.number("break_even_steps")
    if seconds is None:
        return ""
    took = f"; it takes {with_unit(seconds, SECONDS)} to compile"
    if verdict in ("confirmed", "no_difference") and steps:
        return f"{took}, which pays after {steps:,.0f} steps"
    never = verdict == "refuted" or (verdict == "no_difference" and (pair.speed.high or 0.0) <= 1)
    return f"{took}, which never pays" if never else took


TOPICS = (
    speed_topic(
        name="compile_pays",
        claim="torch.compile pays",
        partners=_in_eager_mode,
        words=_words,
        variant=lambda case: case.compile,
        tail=_price,
        suite="compile",
    ),
)
