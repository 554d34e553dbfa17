"""Whether mixed precision is faster."""

from bench.results.finding import Verdict
from bench.results.pairs import Evidence, Pair
from bench.results.sentences import Words, change_of_memory, place
from bench.results.topics._amp import NAMES, in_fp32
from bench.results.topics._speed import speed_topic


def _words(pair: Pair, evidence: Evidence) -> Words:
    case = pair.ours.case
    return Words(ours=NAMES[case.precision], theirs="fp32", place=place(case, evidence.devices))


def _memory_too(pair: Pair, verdict: Verdict) -> str:
    """Return what it needs besides; an open question is long enough without."""
    ratio = pair.memory_ratio
    return "" if ratio is None or verdict == "inconclusive" else f" and needs {change_of_memory(ratio)}"


TOPICS = (speed_topic(name="amp_speed", claim="AMP is faster", partners=in_fp32, words=_words, tail=_memory_too),)
