"""What the pairs of a run come to: who gets a second look, who is slower, and what may not be said."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from bench import signed_rank
from bench.case import Case
from bench.comparing.comparison import Comparison, compare
from bench.comparing.two_stages import (
    FIRST_PAIRS,
    FRESH_PAIRS,
    Decision,
    canaries,
    decide,
    decided,
    is_suspect,
)
from bench.pair import Pair, Stage, Turns
from bench.result import Usage, Use
from bench.statistics import Interval
from tests.comparing.conftest import MakeSide

MARGIN = 0.02
BASE_SECONDS = 0.01
QUIET = Usage(cpu_seconds=0.1, involuntary_switches=0, run_delay_seconds=0.0)
BUSY = dataclasses.replace(QUIET, run_delay_seconds=0.02)
HOT = dataclasses.replace(QUIET, device_throttle_seconds=0.01)
"""Of the head alone; what holds both back alike disturbs nobody."""
STEADY = (0.999, 1.001) * 3


def _pair(case: Case, ratio: float, stage: Stage = "first", usage: Usage = QUIET) -> Pair:
    """Return a pair of two turns whose head takes *ratio* times as long."""
    use = Use(usage=usage, window_seconds=0.1, num_threads=1)
    quiet = Use(usage=QUIET, window_seconds=0.1, num_threads=1)
    base = Turns(step_seconds=(0.01,) * 2, uses=(quiet if usage == HOT else use,) * 2)
    head = Turns(step_seconds=(0.01 * ratio,) * 2, uses=(use,) * 2)
    return Pair(case=case, stage=stage, index=0, server=0, head_first=False, steps=10, base=base, head=head)


def _pairs(case: Case, ratios: Iterable[float], stage: Stage = "first", usage: Usage = QUIET) -> list[Pair]:
    return [_pair(case, ratio, stage, usage) for ratio in ratios]


def _ratios(below: Iterable[int], number: int) -> list[float]:
    """Return so many ratios that are 1, 2, 3, ... tenths of a per cent from the margin, those of *below* below it."""
    signs = [-1 if rank in set(below) else 1 for rank in range(1, number + 1)]
    return [(1 + MARGIN) * math.exp(0.001 * sign * rank) for rank, sign in enumerate(signs, start=1)]


def _fresh(case: Case, below: Iterable[int]) -> list[Pair]:
    """Return both stages of a case of whose fresh pairs those of these ranks lie below the margin."""
    return _pairs(case, _ratios((), FIRST_PAIRS)) + _pairs(case, _ratios(below, FRESH_PAIRS), "fresh")


def _only(pairs: Sequence[Pair]) -> Decision:
    (found,) = decide(pairs, MARGIN).values()
    return found


def _ratio_of(found: Decision) -> Interval:
    assert found.ratio is not None
    return found.ratio


def test_a_case_that_broke_costs_the_others_nothing(case: Case, make_case: Callable[..., Case]) -> None:
    """Its p-value must not take a place in Holm's family."""
    other = make_case(workload="cnn")
    below = range(1, 10)  # as many as one test alone still rejects, and one of two does not
    alone = decide(_fresh(case, below), MARGIN)[case.id]
    broken = dataclasses.replace(_pair(other, 1.0, "fresh"), status="crashed", broken="head", base=None, head=None)
    both = decide([*_fresh(case, below), *_fresh(other, ()), broken], MARGIN)
    assert both == {case.id: alone}


@pytest.fixture(name="case")
def _case(make_case: Callable[..., Case]) -> Case:
    return make_case()


@pytest.mark.parametrize(("below", "suspect"), [((4, 5), True), ((4, 6), False), (range(1, 7), False)])
def test_a_case_is_suspect_where_it_looks_slower_by_more_than_the_margin(
    case: Case, below: Sequence[int], suspect: bool
) -> None:
    # Of six, ranks that sum to 9 or less have a chance of 27/64, to 10 or less of 32/64.
    assert is_suspect(_pairs(case, _ratios(below, FIRST_PAIRS)), MARGIN) is suspect


def test_nobody_is_suspect_for_one_pair_or_for_pairs_that_were_disturbed(case: Case) -> None:
    assert not is_suspect([], MARGIN)
    assert not is_suspect([_pair(case, 2.0)], MARGIN)
    assert not is_suspect(_pairs(case, _ratios((), FIRST_PAIRS), usage=BUSY), MARGIN)


@pytest.mark.parametrize(("cases", "held"), [(1, 0), (3, 0), (4, 2), (11, 2), (12, 3), (100, 3)])
def test_from_four_cases_on_some_are_also_held_against_themselves(cases: int, held: int) -> None:
    assert canaries(cases) == held


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.0, "same"), (1.015, "same"), (0.95, "faster"), (0.985, "same"), (0.98, "inconclusive")]
)
def test_a_first_look_may_say_same_and_faster(case: Case, ratio: float, verdict: str) -> None:
    found = _only(_pairs(case, [ratio * noise for noise in STEADY]))
    assert found.verdict == verdict
    assert _ratio_of(found).value == pytest.approx(ratio, rel=1e-5)
    assert found.base_seconds == pytest.approx(BASE_SECONDS)
    assert found.head_seconds == pytest.approx(BASE_SECONDS * ratio, rel=1e-5)


def test_a_first_look_alone_never_says_slower(case: Case) -> None:
    found = _only(_pairs(case, [1.1 * noise for noise in STEADY]))
    assert found.verdict == "inconclusive"
    assert found.why.endswith("pairs would tell; raise --budget")


def test_what_the_fresh_pairs_confirm_is_slower_by_what_they_say_alone(case: Case) -> None:
    pairs = _pairs(case, [1.5 * noise for noise in STEADY]) + _pairs(case, _ratios((), FRESH_PAIRS), "fresh")
    found = _only(pairs)
    assert (found.verdict, found.why) == ("slower", "")
    assert _ratio_of(found).value == pytest.approx(1.02 * math.exp(0.0085))


def test_what_the_fresh_pairs_do_not_confirm_is_not_slower(case: Case) -> None:
    found = _only(_fresh(case, range(1, 9)))  # they sum to 36, and 35 would do
    assert found.verdict == "inconclusive"
    assert found.why.startswith("looked slower, and 16 fresh pairs do not confirm it; about ")
    assert found.why.endswith(" pairs would tell; raise --budget")
    assert _only(_fresh(case, (1, 4, 5, 8, 9, 12, 13, 16))).why.endswith("; too close to the margin to tell")
    steady = _pairs(case, _ratios((), FIRST_PAIRS)) + _pairs(case, (0.999, 1.001) * (FRESH_PAIRS // 2), "fresh")
    assert _only(steady).verdict == "same"


@pytest.mark.parametrize(
    ("below", "verdicts"),
    [
        (((16, 15, 2),), ("slower",)),  # they sum to 33: p = 0.038, and 0.05 is for it alone
        (((16, 15, 2),) * 2, ("inconclusive",) * 2),  # the first of two gets 0.025
        (((16, 15, 2), ()), ("slower", "slower")),  # what is rejected leaves 0.05 to the other
        (((16, 12),) * 3, ("inconclusive",) * 3),  # p = 0.021, and the first of three gets 0.017
    ],
)
def test_cases_share_one_chance_of_a_false_alarm(
    make_case: Callable[..., Case], below: Sequence[Sequence[int]], verdicts: Sequence[str]
) -> None:
    pairs = [pair for number, ranks in enumerate(below) for pair in _fresh(make_case(workload=f"w{number}"), ranks)]
    assert tuple(found.verdict for found in decide(pairs, MARGIN).values()) == verdicts


def test_cases_that_were_looked_at_once_take_nothing_of_it(make_case: Callable[..., Case]) -> None:
    once = [pair for number in range(9) for pair in _pairs(make_case(workload=f"w{number}"), STEADY)]
    case = make_case(workload="suspect")
    assert decide([*once, *_fresh(case, ())], MARGIN)[case.id].verdict == "slower"


def test_pairs_that_were_disturbed_do_not_count(case: Case) -> None:
    kept = _pairs(case, _ratios((), 12), "fresh")
    disturbed = _pairs(case, (3.0, 3.0), "fresh", BUSY) + _pairs(case, (0.3, 0.3), "fresh", HOT)
    found = _only([*_pairs(case, STEADY), *kept, *disturbed])  # 4 of 16 are a quarter
    assert found.verdict == "slower"
    assert _ratio_of(found) == signed_rank.interval([pair.ratio for pair in kept])
    assert found.head_seconds == pytest.approx(BASE_SECONDS * _ratio_of(found).value)


def test_with_more_than_three_in_ten_disturbed_nothing_is_decided(case: Case) -> None:
    kept = _pairs(case, [*_ratios((), 10), 1.1], "fresh")
    disturbed = _pairs(case, (3.0, 3.0), "fresh", BUSY) + _pairs(case, (3.0,) * 3, "fresh", HOT)
    found = _only([*_pairs(case, STEADY), *kept, *disturbed])
    assert found.verdict == "inconclusive"
    assert found.why == "of 16 pairs 2 contended, 3 throttled; stop other programs, or try again"
    assert _ratio_of(found).value < 1.2


def test_with_all_pairs_disturbed_there_is_not_even_a_ratio(case: Case) -> None:
    why = "of 6 pairs 6 contended; stop other programs, or try again"
    assert _only(_pairs(case, STEADY, usage=BUSY)) == Decision(verdict="inconclusive", why=why)


def test_one_pair_alone_decides_nothing(case: Case) -> None:
    assert _only([_pair(case, 1.0)]).why.startswith("of 1 pairs too few")


def test_a_case_of_which_a_pair_broke_has_no_decision(case: Case) -> None:
    broken = dataclasses.replace(_pair(case, 1.0), status="crashed", base=None, head=None)
    assert decide([*_pairs(case, STEADY), broken], MARGIN) == {}
    canary = dataclasses.replace(broken, stage="canary")
    assert _only([*_pairs(case, STEADY), canary]).verdict == "same"


def test_where_the_base_differs_from_itself_nobody_is_called_slower(make_case: Callable[..., Case]) -> None:
    slower, same, held = (make_case(workload=name) for name in ("slower", "same", "held"))
    pairs = _fresh(slower, ()) + _pairs(same, STEADY) + _pairs(held, STEADY)
    assert decide([*pairs, *_pairs(held, STEADY, "canary")], MARGIN)[slower.id].verdict == "slower"
    found = decide([*pairs, *_pairs(held, _ratios((), FIRST_PAIRS), "canary")], MARGIN)
    assert found[slower.id].verdict == "inconclusive"
    assert found[slower.id].why == (
        f"the base differs from itself here ({held.slug}), so the clock says nothing in this job"
    )
    assert [found[case.id].verdict for case in (same, held)] == ["inconclusive", "inconclusive"]


def test_a_suspect_that_got_no_second_look_for_the_base_s_sake_is_told_so(make_case: Callable[..., Case]) -> None:
    suspect, held = make_case(workload="suspect"), make_case(workload="held")
    pairs = _pairs(suspect, _ratios((), FIRST_PAIRS)) + _pairs(held, STEADY)
    found = decide([*pairs, *_pairs(held, _ratios((), FIRST_PAIRS), "canary")], MARGIN)
    assert found[suspect.id].why.startswith("the base differs from itself here")
    assert found[held.id].verdict == "inconclusive"


def test_a_base_that_is_faster_than_itself_is_as_bad(make_case: Callable[..., Case]) -> None:
    slower, held = make_case(workload="slower"), make_case(workload="held")
    pairs = _fresh(slower, ()) + _pairs(held, STEADY)
    faster = [1 / ratio for ratio in _ratios((), FIRST_PAIRS)]
    assert decide([*pairs, *_pairs(held, faster, "canary")], MARGIN)[slower.id].verdict == "inconclusive"


def test_what_holds_both_sides_back_alike_disturbs_nobody(case: Case) -> None:
    pair = _pair(case, 1.0)
    assert pair.base is not None
    held_back = Use(usage=HOT, window_seconds=0.1, num_threads=1)
    both = [dataclasses.replace(turns, uses=(held_back,) * 2) for turns in (pair.base, pair.base)]
    assert dataclasses.replace(pair, base=both[0], head=both[1]).disturbance == ""
    assert dataclasses.replace(pair, head=both[1]).disturbance == "throttled"


@pytest.mark.parametrize(
    ("field", "word", "cure"),
    [
        ("allocator_retries", "allocator_retry", "the device is too full for both sides: take a smaller batch"),
        ("compilations", "recompiled", "pin what changes between steps, so that nothing is compiled again"),
    ],
)
def test_what_only_happens_to_two_at_once_or_to_one_of_them_now_and_then_does_not_count(
    case: Case, field: str, word: str, cure: str
) -> None:
    seen = []
    for pair in _pairs(case, (1.5, 0.7) * 3):
        assert pair.head is not None
        changed: Any = {field: 1}
        uses = (pair.head.uses[0], dataclasses.replace(pair.head.uses[1], **changed))
        seen.append(dataclasses.replace(pair, head=dataclasses.replace(pair.head, uses=uses)))
    assert {pair.disturbance for pair in seen} == {word}
    (found,) = decide(seen, MARGIN).values()
    assert (found.verdict, found.why) == ("inconclusive", f"of 6 pairs 6 {word}; {cure}")


def test_what_was_only_held_against_itself_has_no_decision(case: Case) -> None:
    assert decide(_pairs(case, STEADY, "canary"), MARGIN) == {}


@pytest.fixture(name="exact")
def _exact(make_side: MakeSide) -> Comparison:
    """Return what single runs of three cases say, of whose clock nothing is believed."""
    flags = {"flags": ("contended", "throttled", "unsteady", "few_rounds", "skipped_steps")}
    cases = {"a": 0.01, "b": {"seconds": 0.02, **flags}, "c": 0.03}
    return compare(make_side(cases), make_side({**cases, "c": {"status": "error", "reason": "x"}}))


def _id_of(comparison: Comparison, label: str) -> str:
    return next(row.case_id for row in comparison.rows if row.label.startswith(label))


def test_the_clock_s_part_of_a_row_is_the_pairs_and_the_worst_comes_first(exact: Comparison) -> None:
    ratio = Interval(value=1.1, low=1.09, high=1.11)
    slower = Decision(verdict="slower", ratio=ratio, base_seconds=0.5, head_seconds=0.55)
    same = Decision(verdict="same", ratio=Interval(value=1.0, low=0.99, high=1.01))
    found = decided(exact, {_id_of(exact, "b"): slower, _id_of(exact, "a"): same})
    assert found.is_paired
    assert [row.label[0] for row in found.rows] == ["c", "b", "a"]
    row = found.rows[1]
    assert (row.ratio, row.base_seconds, row.current_seconds) == (ratio, 0.5, 0.55)
    assert (row.verdict, row.why) == ("inconclusive", "flagged skipped_steps")  # no verdict, whatever the pairs say
    assert "operators" in row.compared
    assert found.rows[2].verdict == "same"


def test_flags_of_a_moment_are_dropped_and_others_stay(exact: Comparison) -> None:
    found = {row.label[0]: row for row in decided(exact, {}).rows}
    assert found["b"].flags == ("skipped_steps",)


def test_a_case_without_a_decision_says_why_and_shows_no_time(exact: Comparison) -> None:
    found = {row.label[0]: row for row in decided(exact, {}, "the clock was not asked").rows}
    row = found["a"]
    assert (row.verdict, row.ratio, row.base_seconds, row.current_seconds) == (None, None, None, None)
    assert row.why == "the clock was not asked"
    assert (found["c"].why, found["c"].failure) == ("", "error: x")
