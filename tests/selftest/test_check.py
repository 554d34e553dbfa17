"""Three-valued verdicts: what is not known is never passed, and what fails has to fail twice."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from bench.running.pool import CallError
from bench.selftest import _check
from bench.selftest._check import Bar, Finding, OutOfTimeError, Seen, Verdict, ask, decide, worst_of
from bench.statistics import Interval

BAR = Bar(low=0.99, high=1.01, text="within ±1 %")


class ScriptedPool:
    """Whose workers give *answers* in turn, each after *seconds*."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: list[float | Exception], seconds: float = 0.0) -> None:
        self.now = 0.0
        self._answers = iter(answers)
        self._seconds = seconds
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def call(self, function: str, *, timeout_seconds: float, **arguments: Any) -> Seen:
        self.now += self._seconds
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return {"figures": [answer] * arguments["blocks"]}


def _judge(*verdicts: Verdict) -> Callable[[Seen], Finding]:
    """Return a judge that says *verdicts* one after the other, and how many figures it was shown."""
    rest = iter(verdicts)
    return lambda seen: Finding(verdict=next(rest), figure=str(len(seen["figures"])), bar="")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.995, 1.005, "holds"),
        (0.99, 1.01, "holds"),
        (0.985, 1.005, "undecidable"),
        (0.5, 2.0, "undecidable"),
        (1.005, 1.02, "undecidable"),
        (1.011, 1.02, "fails"),
        (0.97, 0.989, "fails"),
        (None, None, "undecidable"),
        (float("nan"), float("nan"), "undecidable"),
    ],
)
def test_only_an_interval_that_is_wholly_on_one_side_of_the_bar_decides(
    low: float | None, high: float | None, verdict: Verdict
) -> None:
    assert BAR.judge(Interval(value=1.0, low=low, high=high)) == verdict


def test_a_ratio_is_told_as_the_change_that_it_means(recorded: Callable[..., list[float]]) -> None:
    finding = BAR.judge_ratio({"top": recorded(1.02), "bottom": [1.0] * 10}, "top", "bottom", name="forward")
    assert (finding.verdict, finding.bar) == ("fails", "within ±1 %")
    assert finding.figure == "forward +2.00 % [+1.85, +2.15]"


@pytest.mark.parametrize(
    "seen",
    [
        {},
        {"top": [], "bottom": []},
        {"top": [1.0] * 10},
        {"top": [1.0] * 10, "bottom": [1.0] * 9},
        {"top": [1.0] * 9 + [float("nan")], "bottom": [1.0] * 10},
        {"top": [1.0] * 9 + [-1.0], "bottom": [1.0] * 10},
        {"top": [1.0] * 10, "bottom": [0.0] * 10},
    ],
)
def test_an_empty_or_contradictory_record_fails(seen: Seen) -> None:
    finding = BAR.judge_ratio(seen, "top", "bottom")
    assert finding.verdict == "fails"
    assert "no figure: " in finding.figure
    assert BAR.judge_mean({}, "top", str).verdict == "fails"


def test_fewer_blocks_than_one_worker_gives_decide_nothing(recorded: Callable[..., list[float]]) -> None:
    few = {"top": recorded(1.0)[:9], "bottom": [1.0] * 9}
    assert BAR.judge_ratio(few, "top", "bottom").verdict == "undecidable"


def test_a_check_of_several_parts_is_as_good_as_its_worst() -> None:
    parts = [Finding(verdict=verdict, figure=verdict, bar="1 %") for verdict in ("holds", "fails", "undecidable")]
    assert worst_of(parts) == Finding(verdict="fails", figure="holds; fails; undecidable", bar="1 %")
    assert worst_of([parts[0], parts[2]]).verdict == "undecidable"
    assert worst_of([parts[0], parts[0]]).verdict == "holds"


def test_what_the_first_worker_decides_needs_no_second(monkeypatch: pytest.MonkeyPatch) -> None:
    pool: Any = ScriptedPool(monkeypatch, [1.0])
    assert decide(pool, "module:function", _judge("holds")).figure == "10"


def test_the_judge_looks_after_one_two_four_and_eight_workers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pool: Any = ScriptedPool(monkeypatch, [1.0] * 8, seconds=0.1)
    finding = decide(pool, "module:function", _judge("undecidable", "undecidable", "undecidable", "holds"))
    assert (finding.verdict, finding.figure) == ("holds", "80")


def test_what_is_not_decided_when_the_time_is_up_stays_undecidable(monkeypatch: pytest.MonkeyPatch) -> None:
    pool: Any = ScriptedPool(monkeypatch, [1.0] * 8, seconds=_check.LIMIT_SECONDS / 2.5)
    judge = _judge("undecidable", "undecidable", "undecidable")
    finding = decide(pool, "module:function", judge)
    assert (finding.verdict, finding.figure) == ("undecidable", "30")


def test_what_fails_twice_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    pool: Any = ScriptedPool(monkeypatch, [1.0] * 2)
    assert decide(pool, "module:function", _judge("fails", "fails")).verdict == "fails"


@pytest.mark.parametrize("second", ["holds", "undecidable"])
def test_what_does_not_fail_again_on_fresh_data_is_undecidable_and_no_pass(
    monkeypatch: pytest.MonkeyPatch, second: Verdict
) -> None:
    pool: Any = ScriptedPool(monkeypatch, [1.0] * 8, seconds=_check.LIMIT_SECONDS)
    finding = decide(pool, "module:function", _judge("fails", second))
    assert (finding.verdict, finding.figure) == ("undecidable", "10, then 10")


def test_a_worker_that_is_killed_at_its_deadline_is_told_from_one_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    slow: Any = ScriptedPool(monkeypatch, [CallError("killed")], seconds=_check.TIMEOUT_SECONDS)
    with pytest.raises(OutOfTimeError, match=r"a worker was not done after 30 s"):
        ask(slow, "module:function", blocks=10)
    broken: Any = ScriptedPool(monkeypatch, [CallError("crashed")], seconds=1.0)
    with pytest.raises(CallError, match="crashed"):
        ask(broken, "module:function", blocks=10)
