"""When compiling pays, by hand."""

from collections.abc import Callable, Mapping

import pytest

from bench.case import Case
from bench.results.break_even import break_even_steps

SAME = {0: 0.010, 1: 0.011, 2: 0.010}


@pytest.fixture(name="pair")
def _pair(make_case: Callable[..., Case]) -> list[Case]:
    return [make_case(), make_case(compile="default")]


def _steps(pair: list[Case], eager: Mapping[int, float], compiled: Mapping[int, float]) -> Mapping[str, int]:
    by_case = {pair[0].id: eager, pair[1].id: compiled}
    return break_even_steps(pair, by_case, {pair[1].id: 12.0})


def test_it_is_the_time_to_compile_over_what_a_step_saves(pair: list[Case]) -> None:
    found = _steps(pair, dict.fromkeys(range(3), 0.010), dict.fromkeys(range(3), 0.004))
    assert found == {pair[1].id: 2000}  # 12 s / 6 ms


def test_a_part_of_a_step_is_a_step(pair: list[Case]) -> None:
    found = _steps(pair, dict.fromkeys(range(3), 0.010), dict.fromkeys(range(3), 0.003))
    assert found == {pair[1].id: 1715}  # 1714.3


@pytest.mark.parametrize("compiled", [SAME, {0: 0.012, 1: 0.013, 2: 0.012}, {0: 0.004, 1: 0.018, 2: 0.005}])
def test_what_is_not_certainly_faster_never_pays(pair: list[Case], compiled: Mapping[int, float]) -> None:
    assert _steps(pair, SAME, compiled) == {}


def test_only_rounds_that_both_have_are_compared_and_one_says_nothing(pair: list[Case]) -> None:
    assert _steps(pair, SAME, {3: 0.001, 4: 0.001}) == {}
    assert _steps(pair, SAME, {2: 0.001}) == {}


def test_without_the_eager_case_or_the_time_there_is_nothing_to_say(pair: list[Case]) -> None:
    fast = dict.fromkeys(range(3), 0.001)
    assert break_even_steps(pair[1:], {pair[1].id: fast}, {pair[1].id: 12.0}) == {}
    assert break_even_steps(pair, {pair[0].id: SAME, pair[1].id: fast}, {}) == {}


def test_the_partner_differs_in_nothing_else(make_case: Callable[..., Case]) -> None:
    cases = [make_case(precision="amp_bf16"), make_case(compile="default")]
    steps = {cases[0].id: SAME, cases[1].id: dict.fromkeys(range(3), 0.001)}
    assert break_even_steps(cases, steps, {cases[1].id: 12.0}) == {}
