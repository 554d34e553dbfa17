"""Several runs: what each is called, and what its cases are against those of the first."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.case import Case
from bench.result import CaseResult, DeviceInfo, Environment
from bench.results.frame import Run
from bench.results.side_by_side import RUN_RATIO, names_of, rows_of

MakeCase = Callable[..., Case]
MakeRounds = Callable[..., list[CaseResult]]
MakeRun = Callable[..., Run]


def on(*names: str, **fields: str) -> Environment:
    devices = tuple(DeviceInfo(type="cuda", index=index, name=name) for index, name in enumerate(names))
    return Environment(devices=devices, hard=fields)


@pytest.mark.parametrize(
    ("differences", "names"),
    [
        ([{"label": "before"}, {"label": "after"}], ("before", "after")),
        (
            [{"label": "x", "environment": on("A100", "A100")}, {"label": "x", "environment": on("H100")}],
            ("2 x A100", "H100"),
        ),
        (
            [{"environment": on(cpu_name="EPYC", cores="2")}, {"environment": on(cpu_name="EPYC", cores="4")}],
            ("EPYC, 2 cores", "EPYC, 4 cores"),
        ),
        ([{}, {}], ("run 1", "run 2")),
    ],
)
def test_runs_are_called_by_what_tells_them_apart(
    differences: list[dict[str, object]],
    names: tuple[str, ...],
    make_case: MakeCase,
    make_rounds: MakeRounds,
    make_run: MakeRun,
) -> None:
    runs = [make_run(make_rounds(make_case(), [0.004]), **fields) for fields in differences]
    assert names_of(runs) == names


def test_runs_that_nothing_else_tells_apart_are_called_by_their_directories(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    run = make_run(make_rounds(make_case(), [0.004]), label="same", environment=on("H100"))
    runs = [dataclasses.replace(run, directory=Path("reports") / name) for name in ("monday", "tuesday")]
    assert names_of(runs) == ("monday", "tuesday")


def test_a_single_run_has_no_name(mixed_cases: Run) -> None:
    assert {row.run_name for row in rows_of([mixed_cases])} == {""}
    assert not any(RUN_RATIO in row.columns for row in rows_of([mixed_cases]))


def test_the_same_case_of_all_runs_stands_together_with_its_ratio_to_the_first(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    shared, own, failed = make_case(), make_case(precision="amp_bf16"), make_case(precision="amp_fp16")
    crashed = CaseResult(case=failed, round=0, status="crashed", reason="no")
    first = make_run([*make_rounds(shared, [0.004, 0.004]), *make_rounds(failed, [0.1])], label="a")
    second = make_run([*make_rounds(own, [0.1]), *make_rounds(shared, [0.001, 0.001, 0.001]), crashed], label="b")
    found = rows_of([first, second])
    assert [(row.run_name, row.case.precision) for row in found] == [
        *(("a", "fp32"), ("b", "fp32")),
        *(("a", "amp_fp16"), ("b", "amp_fp16")),
        ("b", "amp_bf16"),
    ]
    ratios = [row.interval(RUN_RATIO) for row in found]
    assert [ratio.value if ratio else None for ratio in ratios] == [None, pytest.approx(4.0), None, None, None]
    assert ratios[1] is not None
    assert ratios[1].low == pytest.approx(4.0)
    assert ratios[1].high == pytest.approx(4.0)


@pytest.fixture(name="mixed_cases")
def _mixed_cases(make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun) -> Run:
    cases = [make_case(), make_case(precision="amp_bf16")]
    return make_run([result for case in cases for result in make_rounds(case, [0.1])])
