"""Resuming: the journal's plan is the plan, and whatever differs from it is named in one line."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.case import Case
from bench.errors import JournalError, UsageError
from bench.result import CaseResult, DeviceInfo, Environment, Plan, SamplingPlan
from bench.running import journal, resume

DIRECTORY = Path("reports/one")
H100 = DeviceInfo(type="cuda", index=0, name="NVIDIA H100 80GB HBM3", capability=(9, 0))


@pytest.fixture(name="plan")
def _plan(make_case: Callable[..., Case]) -> Plan:
    cases = tuple(make_case(workload=name) for name in ("a", "b", "c"))
    environment = Environment(hard={"torch": "2.13.0", "cores": "2"}, soft={"hostname": "here"})
    return Plan(cases=cases, sampling=SamplingPlan(rounds=4), environment=environment, label="before")


def _refusal(function: Callable[..., None], *arguments: Any) -> str:
    with pytest.raises(UsageError) as caught:
        function(*arguments, DIRECTORY)
    text = str(caught.value)
    assert "\n" not in text
    return text


def _plan_refusal(stored: Plan, **changes: Any) -> str:
    return _refusal(resume.refuse_other_plan, stored, dataclasses.replace(stored, **changes))


def test_the_same_plan_is_resumed(plan: Plan) -> None:
    resume.refuse_other_plan(plan, plan, DIRECTORY)


def test_what_does_not_change_the_measurement_may_differ(plan: Plan) -> None:
    other = dataclasses.replace(plan, label="after", command=("run_bench.py", "--resume"), commit="abc", started_at="x")
    resume.refuse_other_plan(plan, other, DIRECTORY)


def test_the_order_of_the_matrix_may_differ(plan: Plan) -> None:
    resume.refuse_other_plan(plan, dataclasses.replace(plan, cases=plan.cases[::-1]), DIRECTORY)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("rounds", 5, "--rounds was 4 and is now 5"),
        ("rounds", None, "--rounds was 4 and is now None"),
        ("target_ratio", 0.05, "--target was 0.025 and is now 0.05"),
        ("timeout_seconds", 60.0, "--timeout was 30.0 and is now 60.0"),
    ],
)
def test_another_sampling_is_named(plan: Plan, field: str, value: Any, complaint: str) -> None:
    refusal = _plan_refusal(plan, sampling=dataclasses.replace(plan.sampling, **{field: value}))
    assert refusal == (f"--resume 'reports/one': {complaint}; leave the options out to continue it, or start a new one")


def test_another_seed_is_named(plan: Plan) -> None:
    assert "--seed was 0 and is now 3; " in _plan_refusal(plan, seed=3)


def test_a_case_that_is_missing_is_named(plan: Plan) -> None:
    refusal = _plan_refusal(plan, cases=plan.cases[1:])
    assert f"the matrix was {plan.cases[0].slug} and is now without that; " in refusal


def test_a_case_that_is_new_is_named(plan: Plan, make_case: Callable[..., Case]) -> None:
    new = make_case(workload="d")
    assert f"the matrix was without that and is now {new.slug}; " in _plan_refusal(plan, cases=(*plan.cases, new))


def test_of_many_differences_in_the_matrix_two_are_named(plan: Plan, make_case: Callable[..., Case]) -> None:
    refusal = _plan_refusal(plan, cases=(make_case(workload="d"),))
    first, second, _ = (case.slug for case in plan.cases)
    assert f"the matrix was {first}, {second} and 1 more and is now {make_case(workload='d').slug}; " in refusal


def test_the_same_machine_is_fine_whatever_its_soft_keys_say(plan: Plan) -> None:
    here = dataclasses.replace(plan.environment, soft={"hostname": "there"})
    resume.refuse_other_machine(plan.environment, here, DIRECTORY)


@pytest.mark.parametrize(
    ("hard", "complaint"),
    [
        ({"torch": "2.14.0", "cores": "2"}, "torch was 2.13.0 and is now 2.14.0"),
        ({"torch": "2.13.0", "cores": "2", "OMP_NUM_THREADS": "1"}, "OMP_NUM_THREADS was unset and is now 1"),
        ({"cores": "2"}, "torch was 2.13.0 and is now unset"),
    ],
)
def test_a_hard_key_that_differs_is_named(plan: Plan, hard: dict[str, str], complaint: str) -> None:
    refusal = _refusal(resume.refuse_other_machine, plan.environment, dataclasses.replace(plan.environment, hard=hard))
    assert refusal == f"--resume 'reports/one': {complaint}; times would not be comparable, start a new run"


def test_other_accelerators_are_named(plan: Plan) -> None:
    here = dataclasses.replace(plan.environment, devices=(H100,))
    assert _refusal(resume.refuse_other_machine, plan.environment, here) == (
        "--resume 'reports/one': accelerators was none and is now cuda:0 NVIDIA H100 80GB HBM3; times would not be "
        "comparable, start a new run"
    )


@pytest.fixture(name="directory")
def _directory(tmp_path: Path, plan: Plan) -> Path:
    writer = journal.JournalWriter(tmp_path / journal.FILE_NAME)
    writer.write_plan(plan)
    writer.write_result(CaseResult(case=plan.cases[0], round=0, status="ok"))
    writer.close()
    return tmp_path


def test_a_run_is_reopened_with_its_plan_and_results(directory: Path, plan: Plan) -> None:
    stored = resume.reopen(directory)
    assert stored.plan == plan
    assert [result.case for result in stored.results] == [plan.cases[0]]


def test_a_torn_last_line_is_left_out_and_only_looked_at(directory: Path) -> None:
    path = directory / journal.FILE_NAME
    torn = path.read_bytes() + b'{"kind": "res'
    path.write_bytes(torn)
    assert len(resume.reopen(directory).results) == 1
    assert path.read_bytes() == torn


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resume.reopen(tmp_path / "reports")
    assert str(caught.value) == (
        f"--resume '{tmp_path / 'reports'}' holds no results.jsonl; give the directory of a run"
    )


def test_a_damaged_journal_is_refused_with_file_and_line(directory: Path) -> None:
    path = directory / journal.FILE_NAME
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(JournalError, match=r"results\.jsonl:1: neither a plan nor a result"):
        resume.reopen(directory)


def test_another_peak_is_named(plan: Plan) -> None:
    given = dataclasses.replace(plan.environment, given_flops_per_second={"cuda/bf16": 989e12})
    assert "--peak-tflops was not given and is now cuda/bf16=989; " in _plan_refusal(plan, environment=given)
