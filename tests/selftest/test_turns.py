"""Turns: who goes when, and what is kept of them."""

import statistics

import pytest

from bench.selftest import _turns
from bench.selftest._turns import Train, take_turns


def _scripted(name: str, order: list[str], step_seconds: float) -> Train:
    """Return a side whose first steps of a turn are slow."""

    def train(steps: int) -> list[float]:
        order.append(name)
        return [9.0] * _turns.STEPS_TO_DROP + [step_seconds] * (steps - _turns.STEPS_TO_DROP)

    return train


def test_who_goes_first_changes_from_turn_to_turn() -> None:
    order: list[str] = []
    take_turns(_scripted("c", order, 2.0), _scripted("b", order, 1.0), 1, lambda: order.append("|"))
    assert "".join(order) == "|" + "bccb" * (_turns.TURNS // 2)


def test_the_first_steps_of_a_turn_are_dropped_and_each_pair_has_one_figure_a_side() -> None:
    seen = take_turns(_scripted("c", [], 2.0), _scripted("b", [], 1.0), 3)
    assert seen == {"candidate_seconds": [2.0] * 3, "baseline_seconds": [1.0] * 3}
    assert 0 < _turns.STEPS_TO_DROP < _turns.STEPS
    assert _turns.TURNS % 2 == 0


@pytest.mark.usefixtures("_torch_as_it_was")
def test_the_harness_s_way_is_the_step_of_a_run() -> None:
    worker = _turns.prepared()
    steps = _turns.harness(worker)(3)
    assert len(steps) == 3
    assert 0 < statistics.median(steps) < 1
