"""Warm-up by evidence, on steps of scripted duration."""

from collections.abc import Callable

import pytest

from bench.measuring.warm_up import ACCELERATOR_PLAN, CPU_PLAN, WarmUpPlan, warm_up


class Script:
    """
    Steps whose duration is known, and evidence that changes for so many blocks.

    Args:
        first_seconds: Of the first step.
        step_seconds: Of every other.
        changes: How many of the looks at the evidence find it changed; the first look is number one.
    """

    def __init__(self, first_seconds: float, step_seconds: float, changes: int = 0) -> None:
        self.first_seconds = first_seconds
        self.step_seconds = step_seconds
        self.changes = changes
        self.blocks: list[int] = []
        self.looks = 0
        self.asked: list[int] = []

    def run_block(self, steps: int) -> float:
        seconds = steps * self.step_seconds
        if not self.blocks:
            seconds += self.first_seconds - self.step_seconds
        self.blocks.append(steps)
        return seconds

    def evidence(self) -> list[object]:
        self.looks += 1
        return [min(self.looks, self.changes), "what never changes"]

    def agree(self, value: int) -> int:
        self.asked.append(value)
        return value

    def warm_up(self, plan: WarmUpPlan, agree: Callable[[int], int] | None = None) -> int:
        """Return how many steps were run in all."""
        warm_up(plan, self.run_block, self.evidence, agree or self.agree)
        return sum(self.blocks)

    @property
    def seconds(self) -> float:
        return self.first_seconds + (sum(self.blocks) - 1) * self.step_seconds


def test_the_cpu_is_warm_after_ten_steps() -> None:
    script = Script(first_seconds=0.05, step_seconds=0.005)
    assert script.warm_up(CPU_PLAN) == 10
    assert script.blocks == [1, 9]


@pytest.mark.parametrize(
    ("first_seconds", "step_seconds"),
    [(1.5, 1.5), (4.0, 2.0), (10.0, 10.0)],
)
def test_slow_steps_are_warm_after_few(first_seconds: float, step_seconds: float) -> None:
    script = Script(first_seconds, step_seconds)
    assert script.warm_up(CPU_PLAN) == CPU_PLAN.few_steps == 3


def test_steps_of_middling_speed_are_warm_when_it_took_long_enough() -> None:
    script = Script(first_seconds=0.7, step_seconds=0.7)
    assert script.warm_up(CPU_PLAN) == 5
    assert script.seconds >= CPU_PLAN.long_enough_seconds


def test_a_slow_first_step_does_not_pass_for_a_slow_case() -> None:
    script = Script(first_seconds=2.0, step_seconds=0.005)
    assert script.warm_up(CPU_PLAN) == 10


def test_an_accelerator_needs_twenty_steps() -> None:
    script = Script(first_seconds=0.2, step_seconds=0.2)
    assert script.warm_up(ACCELERATOR_PLAN) == 20


@pytest.mark.parametrize("first_seconds", [0.001, 0.5])
def test_an_accelerator_needs_two_seconds_for_its_clocks(first_seconds: float) -> None:
    script = Script(first_seconds, step_seconds=0.001)
    steps = script.warm_up(ACCELERATOR_PLAN)
    assert steps >= 20
    assert 2.0 <= script.seconds < 2.1


def test_an_accelerator_with_slow_steps_is_warm_after_six_seconds() -> None:
    script = Script(first_seconds=1.4, step_seconds=1.4)
    assert script.warm_up(ACCELERATOR_PLAN) == 5


@pytest.mark.parametrize("plan", [CPU_PLAN, ACCELERATOR_PLAN])
def test_evidence_that_changes_prolongs_the_warm_up_block_by_block(plan: WarmUpPlan) -> None:
    calm, restless = Script(0.2, 0.2), Script(0.2, 0.2, changes=6)
    steps = calm.warm_up(plan)
    assert restless.warm_up(plan) == steps + 3 * plan.block_steps
    assert restless.blocks[-3:] == [plan.block_steps] * 3


def test_only_what_changes_during_a_block_is_held_against_it() -> None:
    looks = iter([["a"], ["b"], ["c"], ["c"]])  # before and after each block but the first
    script = Script(0.005, 0.005)
    warm_up(CPU_PLAN, script.run_block, lambda: next(looks), script.agree)
    assert script.blocks == [1, 9, 5]


def test_evidence_that_never_settles_ends_with_the_time_allowed() -> None:
    script = Script(first_seconds=0.5, step_seconds=0.5, changes=10_000)
    script.warm_up(CPU_PLAN)
    assert CPU_PLAN.max_seconds <= script.seconds <= CPU_PLAN.max_seconds + CPU_PLAN.block_steps * 0.5


def test_a_first_step_that_takes_all_the_time_allowed_is_all() -> None:
    assert Script(first_seconds=60.0, step_seconds=60.0).warm_up(CPU_PLAN) == 1


def test_the_ranks_are_asked_after_every_block_and_told_when_it_is_enough() -> None:
    script = Script(0.005, 0.005, changes=4)
    script.warm_up(CPU_PLAN)
    assert script.asked == [*script.blocks[1:], 0]


def test_a_rank_does_what_rank_zero_decides_and_not_what_it_thinks_itself() -> None:
    decisions = iter([2, 4, 0])
    script = Script(0.005, 0.005)
    script.warm_up(CPU_PLAN, lambda value: next(decisions))
    assert script.blocks == [1, 2, 4]


@pytest.mark.parametrize("step_seconds", [1e-6, 1e-4, 0.01, 0.3, 1.0, 5.0, 59.0])
@pytest.mark.parametrize("plan", [CPU_PLAN, ACCELERATOR_PLAN])
def test_whatever_a_step_takes_the_warm_up_ends_and_has_at_least_few_steps(
    plan: WarmUpPlan, step_seconds: float
) -> None:
    script = Script(step_seconds, step_seconds)
    assert script.warm_up(plan) >= plan.few_steps
    assert script.seconds <= max(plan.long_enough_seconds, plan.few_steps * step_seconds) + step_seconds
    assert len(script.blocks) <= 5
