"""Two ranks of which one sleeps, and instruments that do not see which."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from bench.result import CaseResult, Measurement
from bench.running.pool import Pool, usual_start_method
from bench.selftest import _workloads, slowest_rank


@pytest.fixture
def visited(make_measurement: Callable[..., Measurement]) -> Callable[..., CaseResult]:
    def visited(forward_seconds: Sequence[float], step_seconds: float = 0.022) -> CaseResult:
        seen = make_measurement(step_seconds, rank_forward_seconds=tuple(forward_seconds))
        return CaseResult(case=slowest_rank.CASE, round=0, status="ok", measurement=seen)

    return visited


@pytest.mark.parametrize(
    ("forward_seconds", "step_seconds", "verdict"),
    [
        ((0.0004, 0.0205), 0.022, "holds"),
        ((0.0004, 0.0205), 0.0199, "fails"),  # the fast rank's step was taken
        ((0.0004, 0.0205), float("nan"), "fails"),
        ((0.0205, 0.0004), 0.022, "fails"),  # the other one is said to be slow
        ((0.0004, 0.0004), 0.022, "fails"),
        ((0.0, 0.0175), 0.022, "fails"),  # a part of the sleep was lost
        ((0.0004, 0.0304), 0.032, "undecidable"),
        ((0.0205,), 0.022, "fails"),
        ((), 0.022, "fails"),
        ((0.0004, float("nan")), 0.022, "fails"),
    ],
)
def test_the_second_rank_has_to_be_the_slow_one_by_its_sleep_and_the_step_as_long(
    visited: Callable[..., CaseResult], forward_seconds: Sequence[float], step_seconds: float, verdict: str
) -> None:
    assert slowest_rank.judge(visited(forward_seconds, step_seconds)).verdict == verdict


@pytest.mark.parametrize(("status", "verdict"), [("timeout", "undecidable"), ("error", "fails"), ("crashed", "fails")])
def test_a_visit_that_did_not_end_well_never_holds(status: Any, verdict: str) -> None:
    result = CaseResult(case=slowest_rank.CASE, round=0, status=status, reason="because")
    finding = slowest_rank.judge(result)
    assert (finding.verdict, finding.figure) == (verdict, f"{status}: because")


@pytest.mark.parametrize(
    ("leads", "verdict", "visits"),
    [((0.03, 0.03, 0.0205), "holds", 3), ((0.03,) * 3, "undecidable", 3), ((0.0205,), "holds", 1)],
)
def test_what_a_busy_machine_leaves_open_is_visited_again(
    visited: Callable[..., CaseResult], leads: Sequence[float], verdict: str, visits: int
) -> None:
    class ScriptedPool:
        asked = 0

        def visit(self, *arguments: Any, **keywords: Any) -> CaseResult:
            self.asked += 1
            return visited((0.0, leads[self.asked - 1]), 0.04)

    pool: Any = ScriptedPool()
    assert slowest_rank.run(pool).verdict == verdict
    assert pool.asked == visits


@pytest.mark.parametrize(("rank", "is_slow"), [("0", False), ("1", True)])
def test_only_rank_1_sleeps(monkeypatch: pytest.MonkeyPatch, rank: str, is_slow: bool) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setenv("RANK", rank)
    workload = _workloads.slow_second_rank()
    loss = workload.compute_loss(workload.model, workload.make_batch(3))
    assert torch.isfinite(loss)
    assert slept == ([slowest_rank.SLEEP_SECONDS] if is_slow else [])


def test_the_sleep_is_the_one_that_the_parent_expects() -> None:
    assert slowest_rank.SLEEP_SECONDS == _workloads.WAIT_SECONDS


def test_two_real_ranks_are_told_apart() -> None:
    with Pool(1, usual_start_method(), dict(os.environ)) as pool:
        result = pool.visit(slowest_rank.CASE, num_processes=2, round_index=0, timeout_seconds=60.0, with_extras=False)
    assert (result.status, result.reason) == ("ok", None)
    seen = result.measurement
    assert seen is not None
    assert seen.window_seconds / seen.window_steps >= 0.02
    assert seen.rank_forward_seconds[1] >= 0.02
    assert seen.rank_forward_seconds[0] < seen.rank_forward_seconds[1]
