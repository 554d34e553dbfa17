"""The schedule: when a case has enough, who waits, and in which order a round goes."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from bench.case import Case
from bench.result import CaseResult, SamplingPlan
from bench.running.schedule import Schedule

STEADY = (1.00, 1.01)
"""Step times that alternate: after eight rounds the interval is about ±0.5 %."""
SHAKY = (1.0, 1.5)
"""Never within ±2.5 % in a test's number of rounds."""

Visited = Callable[..., CaseResult]


@pytest.fixture(name="visited")
def _visited(make_rounds: Callable[..., list[CaseResult]]) -> Visited:
    """Return the maker of an ok result of one visit."""

    def visited(case: Case, step_seconds: float = 1.0, *, round_index: int = 0, duration: float = 1.0) -> CaseResult:
        result = make_rounds(case, [step_seconds])[0]
        return dataclasses.replace(result, round=round_index, duration_seconds=duration)

    return visited


def _failed(case: Case) -> CaseResult:
    return CaseResult(case=case, round=0, status="crashed", duration_seconds=1.0)


def _schedule(cases: Sequence[Case], budget_seconds: float = 1e6, **sampling: Any) -> Schedule:
    return Schedule(cases, SamplingPlan(**sampling), seed=0, budget_seconds=budget_seconds)


class Simulation:
    """Runs a schedule against a clock that visits push forward, as `run_rounds` does with real ones."""

    def __init__(self, schedule: Schedule, visited: Visited, cost: Mapping[str, float], budget_seconds: float) -> None:
        self.schedule = schedule
        self.now = 0.0
        self.visits: list[str] = []
        round_index = before = 0
        while round_index == 0 or len(self.visits) > before:
            before = len(self.visits)
            for case in schedule.order(round_index):
                if not schedule.may_visit(case, budget_seconds - self.now):
                    continue
                seconds = cost[case.id]
                self.now += seconds
                self.visits.append(case.id)
                figure = SHAKY[round_index % 2]
                schedule.add(visited(case, figure, round_index=round_index, duration=seconds))
            round_index += 1

    def rounds(self, case: Case) -> int:
        return Counter(self.visits)[case.id]


def test_a_case_stops_at_the_target_but_not_before_eight_rounds(
    make_case: Callable[..., Case], visited: Visited
) -> None:
    case = make_case()
    schedule = _schedule([case])
    for number in range(8):
        assert not schedule.is_finished(case)
        assert schedule.order(number) == [case]
        schedule.add(visited(case, STEADY[number % 2]))
    half_width = schedule.half_width_ratio(case)
    assert half_width is not None
    assert half_width < 0.025
    assert schedule.is_finished(case)
    assert schedule.order(8) == []


def test_a_case_with_a_wide_interval_goes_on_after_eight_rounds(
    make_case: Callable[..., Case], visited: Visited
) -> None:
    case = make_case()
    schedule = _schedule([case])
    for number in range(30):
        schedule.add(visited(case, SHAKY[number % 2]))
    assert not schedule.is_finished(case)


def test_a_wider_target_is_reached_sooner(make_case: Callable[..., Case], visited: Visited) -> None:
    case = make_case()
    schedule = _schedule([case], target_ratio=0.5)
    for number in range(8):
        schedule.add(visited(case, SHAKY[number % 2]))
    assert schedule.is_finished(case)


def test_the_half_width_is_not_known_before_two_rounds(make_case: Callable[..., Case], visited: Visited) -> None:
    case = make_case()
    schedule = _schedule([case])
    assert schedule.half_width_ratio(case) is None
    schedule.add(visited(case))
    assert schedule.half_width_ratio(case) is None
    assert schedule.rounds_of(case) == 1


def test_a_reference_stays_until_its_last_partner_is_done(make_case: Callable[..., Case], visited: Visited) -> None:
    reference, partner = make_case(), make_case(precision="amp_bf16")
    stranger = make_case(workload="cnn")
    schedule = _schedule([reference, partner, stranger])
    for number in range(8):
        schedule.add(visited(reference, STEADY[number % 2]))
        schedule.add(visited(stranger, STEADY[number % 2]))
        schedule.add(visited(partner, SHAKY[number % 2]))
    assert schedule.is_finished(stranger)
    assert not schedule.is_finished(reference)
    assert not schedule.is_finished(partner)
    schedule.add(_failed(partner))
    assert schedule.is_finished(reference)


def test_a_partner_does_not_wait_for_its_reference(make_case: Callable[..., Case], visited: Visited) -> None:
    reference, partner = make_case(), make_case(precision="amp_bf16")
    schedule = _schedule([reference, partner])
    for number in range(8):
        schedule.add(visited(partner, STEADY[number % 2]))
        schedule.add(visited(reference, SHAKY[number % 2]))
    assert schedule.is_finished(partner)
    assert not schedule.is_finished(reference)


def test_where_the_reference_failed_the_next_case_takes_its_place(
    make_case: Callable[..., Case], visited: Visited
) -> None:
    reference, heir, partner = make_case(), make_case(precision="amp_bf16"), make_case(strategy="ddp", batch_size=64)
    schedule = _schedule([reference, heir, partner], rounds=1)
    schedule.add(_failed(reference))
    schedule.add(visited(heir))
    assert schedule.is_finished(reference)
    assert not schedule.is_finished(heir)
    schedule.add(visited(partner))
    assert schedule.order(1) == []


def test_a_case_that_failed_is_not_visited_again(make_case: Callable[..., Case], visited: Visited) -> None:
    bad, good = make_case(), make_case(precision="amp_bf16")
    schedule = _schedule([bad, good], rounds=5)
    schedule.add(visited(bad))
    schedule.add(_failed(bad))
    assert schedule.is_finished(bad)
    assert schedule.order(1) == [good]


def test_a_fixed_number_of_rounds_asks_neither_for_the_target_nor_for_the_budget(
    make_case: Callable[..., Case], visited: Visited
) -> None:
    case = make_case()
    schedule = _schedule([case], budget_seconds=0.0, rounds=3)
    for number in range(3):
        assert schedule.order(number) == [case]
        assert schedule.may_visit(case, remaining_seconds=-100.0)
        schedule.add(visited(case, SHAKY[number % 2], duration=50.0))
    assert schedule.order(3) == []


def test_every_case_gets_its_first_visit_however_little_time_is_left(
    make_case: Callable[..., Case], visited: Visited
) -> None:
    first, second = make_case(), make_case(workload="cnn")
    schedule = _schedule([first, second], budget_seconds=1.0)
    schedule.add(visited(first, duration=10.0))
    assert schedule.may_visit(second, remaining_seconds=-9.0)
    assert not schedule.may_visit(first, remaining_seconds=-9.0)


def test_a_visit_that_would_end_after_the_budget_does_not_begin(
    make_case: Callable[..., Case], visited: Visited
) -> None:
    case = make_case()
    schedule = _schedule([case], budget_seconds=100.0)
    schedule.add(visited(case, duration=4.0))  # with the memory profile
    schedule.add(visited(case, duration=3.0, round_index=1))
    assert schedule.expected_seconds(case) == 3.0
    assert schedule.may_visit(case, remaining_seconds=3.0)
    assert not schedule.may_visit(case, remaining_seconds=2.9)


def test_a_slow_case_does_not_cost_the_quick_ones_their_eight_rounds(
    make_case: Callable[..., Case], visited: Visited
) -> None:
    slow = make_case(workload="slow")
    quick = [make_case(workload=f"quick{number}") for number in range(4)]
    cost = {slow.id: 10.0, **{case.id: 0.5 for case in quick}}
    simulation = Simulation(_schedule([slow, *quick], budget_seconds=60.0), visited, cost, 60.0)
    assert min(simulation.rounds(case) for case in quick) >= 8
    assert 1 < simulation.rounds(slow) < 8  # what was left over is its own
    assert simulation.now <= 60.0


def test_the_slow_case_takes_its_second_visit_only_when_the_others_have_their_rounds(
    make_case: Callable[..., Case], visited: Visited
) -> None:
    slow, quick = make_case(workload="slow"), make_case(workload="quick")
    cost = {slow.id: 30.0, quick.id: 1.0}
    simulation = Simulation(_schedule([slow, quick], budget_seconds=100.0), visited, cost, 100.0)
    second = [number for number, case_id in enumerate(simulation.visits) if case_id == slow.id][1]
    assert simulation.visits[:second].count(quick.id) >= 8


def test_a_reference_with_partners_does_not_wait_whatever_it_costs(
    make_case: Callable[..., Case], visited: Visited
) -> None:
    reference, partner, stranger = make_case(), make_case(precision="amp_bf16"), make_case(workload="cnn")
    schedule = _schedule([reference, partner, stranger], budget_seconds=30.0)
    schedule.add(visited(reference, duration=8.0))
    schedule.add(visited(partner, duration=8.0))
    schedule.add(visited(stranger, duration=1.0))
    assert schedule.may_visit(reference, remaining_seconds=13.0)  # the ratios of others are paired with its visits
    assert not schedule.may_visit(partner, remaining_seconds=13.0)


def test_a_visit_that_the_machine_held_up_does_not_count_against_the_case(
    make_case: Callable[..., Case], visited: Visited
) -> None:
    case, other = make_case(), make_case(workload="cnn")
    schedule = _schedule([case, other], budget_seconds=20.0)
    schedule.add(visited(other))
    schedule.add(visited(case, duration=30.0))
    assert not schedule.may_visit(case, remaining_seconds=50.0)
    schedule.add(visited(case, duration=1.0))
    assert schedule.may_visit(case, remaining_seconds=50.0)


def test_all_cases_over_their_share_do_not_wait_for_each_other(
    make_case: Callable[..., Case], visited: Visited
) -> None:
    cases = [make_case(workload="a"), make_case(workload="b")]
    cost = {case.id: 30.0 for case in cases}
    simulation = Simulation(_schedule(cases, budget_seconds=100.0), visited, cost, 100.0)
    assert len(simulation.visits) == 3  # 30 + 30 is over each one's share of 50, and 90 + 30 over the budget
    assert simulation.now == 90.0


def test_a_budget_smaller_than_the_first_round_is_one_round(make_case: Callable[..., Case], visited: Visited) -> None:
    cases = [make_case(workload=name) for name in ("a", "b", "c")]
    simulation = Simulation(_schedule(cases, budget_seconds=20.0), visited, {case.id: 10.0 for case in cases}, 20.0)
    assert Counter(simulation.visits) == {case.id: 1 for case in cases}


def test_each_round_has_an_order_of_its_own_that_the_seed_repeats(make_case: Callable[..., Case]) -> None:
    cases = [make_case(workload=f"w{number}") for number in range(8)]
    orders = [[case.workload for case in _schedule(cases).order(number)] for number in range(6)]
    again = [[case.workload for case in _schedule(cases).order(number)] for number in range(6)]
    other = Schedule(cases, SamplingPlan(), seed=1, budget_seconds=1.0)
    assert orders == again
    assert len({tuple(order) for order in orders}) == 6
    assert [case.workload for case in other.order(0)] != orders[0]
    assert all(sorted(order) == sorted(case.workload for case in cases) for order in orders)


def test_the_order_of_those_left_does_not_depend_on_who_is_finished(
    make_case: Callable[..., Case], visited: Visited
) -> None:
    cases = [make_case(workload=f"w{number}") for number in range(8)]
    before = _schedule(cases, rounds=1).order(0)
    resumed = _schedule(cases, rounds=1)
    for case in before[:3]:
        resumed.add(visited(case))
    assert resumed.order(0) == before[3:]


def test_what_a_case_compiles_counts_neither_against_it_nor_as_what_its_next_visit_takes(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]
) -> None:
    case = make_case(compile="default")
    (cold,) = make_rounds(case, [0.01], compile_seconds=20.0, compiles_from_nothing=True)
    schedule = _schedule([case], budget_seconds=3.0)
    schedule.add(dataclasses.replace(cold, duration_seconds=20.5))
    assert schedule.expected_seconds(case) == pytest.approx(0.5)
    assert schedule.may_visit(case, remaining_seconds=1.0)
    (warm,) = make_rounds(case, [0.01], compile_seconds=2.0)
    schedule.add(dataclasses.replace(warm, duration_seconds=2.5))
    assert schedule.expected_seconds(case) == 2.5
    assert schedule.compile_seconds == 20.0


def test_what_an_earlier_sitting_compiled_is_not_counted_again_and_a_failed_compilation_costs_no_budget(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]
) -> None:
    case = make_case(compile="default")
    (cold,) = make_rounds(case, [0.01], compile_seconds=20.0, compiles_from_nothing=True)
    schedule = _schedule([case])
    schedule.add(dataclasses.replace(cold, duration_seconds=20.5), is_earlier=True)
    assert schedule.compile_seconds == 0.0
    schedule.add(CaseResult(case=case, round=1, status="timeout", duration_seconds=600.0))
    assert schedule.compile_seconds == 600.0
