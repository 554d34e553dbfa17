"""What a continued run gets of its budget, and what is said to be ahead."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench.case import Case
from bench.commands import _measure
from bench.commands._progress import Progress
from bench.result import CaseResult, DeviceInfo, Environment, Plan, SamplingPlan
from bench.running.journal import Journal
from bench.running.matrix import PlannedCase
from bench.running.pool import CallError, Pool


@pytest.fixture(name="stored")
def _stored(make_case: Callable[..., Case]) -> Journal:
    """A run that was given 90 s and has spent 30 of them on three visits, one of which hung."""
    case = make_case()
    results = [
        CaseResult(case=case, round=0, status="ok", duration_seconds=2.0),
        CaseResult(case=case, round=1, status="ok", duration_seconds=3.0),
        CaseResult(case=case, round=2, status="timeout", duration_seconds=25.0),
    ]
    plan = Plan(cases=(case,), sampling=SamplingPlan(budget_seconds=90.0), environment=Environment())
    return Journal(plan=plan, results=tuple(results))


def test_a_run_goes_on_with_what_was_left_of_its_budget(stored: Journal) -> None:
    plan = _measure._with_more_time(stored, None)
    assert plan.sampling.budget_seconds - _measure._spent_seconds(stored.results) == 60.0


def test_a_budget_that_is_given_counts_from_now_on(stored: Journal) -> None:
    plan = _measure._with_more_time(stored, 10.0)
    assert plan.sampling.budget_seconds - _measure._spent_seconds(stored.results) == 10.0
    assert plan == dataclasses.replace(stored.plan, sampling=plan.sampling)


@pytest.mark.parametrize(
    ("sampling", "estimate"),
    [
        ({"budget_seconds": 90.0}, "about 96 s at most (the budget, and the reports)"),
        ({"rounds": 10}, "roughly 72 s for 10 rounds"),  # 10 x (6 s and 0.6 s), and 5 s of reports
    ],
)
def test_the_time_ahead_is_said(
    make_case: Callable[..., Case], stored: Journal, sampling: dict[str, Any], estimate: str, tmp_path: Any
) -> None:
    planned = [PlannedCase(case=make_case()), PlannedCase(case=make_case(device="cuda"))]
    plan = Plan(cases=stored.plan.cases, sampling=SamplingPlan(**sampling), environment=Environment())
    work = _measure.Work(plan=plan, planned=planned, earlier=(), directory=tmp_path)
    assert _measure._estimate(work, planned).startswith(estimate)


class BusyMachine:
    """A pool whose workers see other programs as often as *others_ratios* says."""

    def __init__(self, *others_ratios: float) -> None:
        self.others_ratios = list(others_ratios)

    def call(self, function: str, **arguments: Any) -> dict[str, Any]:
        if not self.others_ratios:
            raise CallError("killed by signal 9")
        return {"flops_per_second": {"fp32": 1e11}, "others_ratio": self.others_ratios.pop(0), "bytes_per_second": 1.0}


@pytest.mark.parametrize(
    ("others_ratios", "rates", "said"),
    [
        ((0.0,), {"cpu/fp32": 1e11}, ""),
        ((0.5, 0.06, 0.04), {"cpu/fp32": 1e11}, ""),
        ((0.5, 0.5, 0.5, 0.0), {}, "other programs took the processor"),
        ((), {}, "killed by signal 9"),
    ],
)
def test_what_the_cpu_attains_is_measured_while_nobody_else_has_it(
    make_case: Callable[..., Case],
    stored: Journal,
    *,
    others_ratios: tuple[float, ...],
    rates: dict[str, float],
    said: str,
) -> None:
    heard: list[str] = []
    planned = [PlannedCase(case=make_case()), PlannedCase(case=make_case(device="cuda"))]
    work = _measure.Work(plan=stored.plan, planned=planned, earlier=(), directory=Path())
    found = _measure._with_attained_rates(
        work, cast("Pool", BusyMachine(*others_ratios)), cast("Progress", SimpleNamespace(say=heard.append))
    )
    assert found.plan.environment.attained_flops_per_second == rates
    assert "".join(heard).endswith(said)
    assert bool(heard) is bool(said)


def test_no_budget_pays_for_compilation(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]
) -> None:
    (cold,) = make_rounds(make_case(compile="default"), [0.01], compile_seconds=20.0, compiles_from_nothing=True)
    (warm,) = make_rounds(cold.case, [0.01], compile_seconds=2.0)  # it loads what the first one has compiled
    results = [
        dataclasses.replace(cold, duration_seconds=20.5),
        dataclasses.replace(warm, duration_seconds=2.5),
    ]
    assert _measure._spent_seconds(results) == pytest.approx(0.5 + 2.5)


def test_the_compiler_is_a_hard_key_where_something_is_compiled(make_case: Callable[..., Case]) -> None:
    here = Environment(hard={"cores": "2"})
    assert _measure._with_compiler(here, [make_case()]) == here
    found = _measure._with_compiler(here, [make_case(), make_case(compile="default")])
    assert found.hard.keys() == {"cores", "cxx", "triton"}


def test_peaks_that_are_given_are_the_accelerators_or_those_of_a_cpu_that_is_alone() -> None:
    tflops = {"bf16": 989.0}
    assert _measure._with_given_peaks(Environment(), tflops).given_flops_per_second == {"cpu/bf16": 989e12}
    gpu = Environment(devices=(DeviceInfo(type="cuda", index=0, name="a card"),))
    assert _measure._with_given_peaks(gpu, tflops).given_flops_per_second == {"cuda/bf16": 989e12}


def test_the_time_ahead_names_compilation_apart(
    make_case: Callable[..., Case], stored: Journal, tmp_path: Path
) -> None:
    planned = [PlannedCase(case=make_case(compile=mode)) for mode in ("eager", "default", "max_autotune")]
    work = _measure.Work(plan=stored.plan, planned=planned, earlier=(), directory=tmp_path)
    estimate = _measure._estimate(work, planned)
    assert estimate.startswith(
        "about 96 s at most (the budget, and the reports), and 40 s or more of compilation, unless"
    )
