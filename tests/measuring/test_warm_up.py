"""Warm-up by evidence, on steps of scripted duration."""

from collections.abc import Callable

import pytest

from bench.measuring.warm_up import ACCELERATOR_PLAN, CPU_PLAN, WarmUpPlan, warm_up


class Script:
    """
    Steps whose duration is known, and blocks in which something changes.

    Args:
        first_seconds: Of the first step.
        step_seconds: Of every other.
        restless_blocks: How many of the blocks after the first step see something change.
    """

    def __init__(self, first_seconds: float, step_seconds: float, restless_blocks: int = 0) -> None:
        self.first_seconds = first_seconds
        self.step_seconds = step_seconds
        self.restless_blocks = restless_blocks
        self.blocks: list[int] = []
        self.asked: list[int] = []

    def run_block(self, steps: int) -> tuple[float, bool]:
        is_first = not self.blocks
        self.blocks.append(steps)
        seconds = self.first_seconds if is_first else steps * self.step_seconds
        return seconds, len(self.blocks) - 1 > self.restless_blocks

    def agree(self, value: int) -> int:
        self.asked.append(value)
        return value

    def warm_up(self, plan: WarmUpPlan, agree: Callable[[int], int] | None = None) -> int:
        """Return how many steps were run in all, the first included."""
        warm_up(plan, self.run_block, agree or self.agree)
        return sum(self.blocks)

    @property
    def seconds(self) -> float:
        """Of all steps but the first."""
        return (sum(self.blocks) - 1) * self.step_seconds


@pytest.mark.parametrize("first_seconds", [0.005, 0.05, 3.2, 61.0])
def test_the_cpu_is_warm_after_ten_steps_whatever_the_first_one_took(first_seconds: float) -> None:
    script = Script(first_seconds, step_seconds=0.005)
    assert script.warm_up(CPU_PLAN) == 10
    assert script.blocks[0] == 1


@pytest.mark.parametrize("step_seconds", [1.5, 2.0, 10.0])
def test_slow_steps_are_warm_after_few(step_seconds: float) -> None:
    assert Script(step_seconds, step_seconds).warm_up(CPU_PLAN) == 1 + CPU_PLAN.few_steps == 3


def test_steps_of_middling_speed_are_warm_when_it_took_long_enough() -> None:
    script = Script(first_seconds=0.7, step_seconds=0.7)
    assert script.warm_up(CPU_PLAN) == 6
    assert script.seconds >= CPU_PLAN.long_enough_seconds


def test_an_accelerator_needs_twenty_steps() -> None:
    assert Script(first_seconds=0.2, step_seconds=0.2).warm_up(ACCELERATOR_PLAN) == 1 + 20


@pytest.mark.parametrize("first_seconds", [0.001, 0.5, 2.1, 6.5, 61.0])
def test_an_accelerator_needs_two_seconds_for_its_clocks_whatever_the_first_step_took(first_seconds: float) -> None:
    script = Script(first_seconds, step_seconds=0.001)
    assert script.warm_up(ACCELERATOR_PLAN) > 20
    assert 2.0 <= script.seconds < 2.1
    assert len(script.blocks) <= 4


def test_an_accelerator_with_slow_steps_is_warm_after_six_seconds() -> None:
    script = Script(first_seconds=1.4, step_seconds=1.4)
    assert script.warm_up(ACCELERATOR_PLAN) == 6
    assert script.seconds >= ACCELERATOR_PLAN.long_enough_seconds


@pytest.mark.parametrize("plan", [CPU_PLAN, ACCELERATOR_PLAN])
def test_a_change_prolongs_the_warm_up_block_by_block(plan: WarmUpPlan) -> None:
    calm = Script(0.2, 0.2)
    steps = calm.warm_up(plan)
    restless = Script(0.2, 0.2, restless_blocks=len(calm.blocks) - 1 + 2)
    assert restless.warm_up(plan) == steps + 3 * plan.block_steps
    assert restless.blocks[-3:] == [plan.block_steps] * 3


def test_a_change_before_the_last_block_is_forgiven() -> None:
    assert Script(0.005, 0.005, restless_blocks=1).warm_up(CPU_PLAN) == 10


def test_changes_that_never_end_end_with_the_time_allowed() -> None:
    script = Script(first_seconds=0.5, step_seconds=0.5, restless_blocks=10_000)
    script.warm_up(CPU_PLAN)
    assert CPU_PLAN.max_seconds <= script.seconds <= CPU_PLAN.max_seconds + CPU_PLAN.block_steps * 0.5


def test_the_ranks_are_asked_after_every_block_and_told_when_it_is_enough() -> None:
    script = Script(0.005, 0.005, restless_blocks=4)
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
    assert script.warm_up(plan) >= 1 + plan.few_steps
    assert script.seconds <= max(plan.long_enough_seconds, plan.few_steps * step_seconds) + step_seconds
    assert len(script.blocks) <= 6
