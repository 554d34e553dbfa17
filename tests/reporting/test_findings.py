"""A title claims only what its interval bears out."""

import dataclasses
from collections.abc import Callable, Sequence

import pytest

from bench.case import Case
from bench.reporting import _findings
from bench.result import CaseResult, DeviceInfo, SamplingPlan
from bench.results.frame import Run
from bench.results.rows import rows

MakeCase = Callable[..., Case]
X = "\N{MULTIPLICATION SIGN}"
FP32 = [0.004, 0.004, 0.004]


@pytest.fixture
def title(make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]) -> Callable[..., str]:
    def throughput(*measured: tuple[Case, Sequence[float]], devices: Sequence[DeviceInfo] = ()) -> str:
        results = [result for case, seconds in measured for result in make_rounds(case, seconds)]
        run = make_run(results, sampling=SamplingPlan(min_rounds=3))
        return _findings.throughput(rows(run), devices)

    return throughput


def test_a_sure_speedup_is_the_title(make_case: MakeCase, title: Callable[..., str]) -> None:
    found = title((make_case(), FP32), (make_case(precision="amp_bf16"), [0.00221, 0.00222, 0.00223]))
    assert found == f"amp_bf16 trains mlp 1.80{X} faster than fp32 on this CPU"


def test_a_speedup_whose_interval_holds_1_is_no_title(make_case: MakeCase, title: Callable[..., str]) -> None:
    found = title((make_case(), FP32), (make_case(precision="amp_bf16"), [0.001, 0.004, 0.005]))
    assert found == "Throughput of mlp (2 cases)"


def test_a_speedup_below_the_margin_is_no_title(make_case: MakeCase, title: Callable[..., str]) -> None:
    found = title((make_case(), FP32), (make_case(precision="amp_bf16"), [0.00395, 0.00395, 0.00395]))
    assert found == "Throughput of mlp (2 cases)"


def test_a_speedup_of_one_round_is_no_title(make_case: MakeCase, title: Callable[..., str]) -> None:
    assert title((make_case(), [0.004]), (make_case(precision="amp_bf16"), [0.001])) == "Throughput of mlp (2 cases)"


def test_a_speedup_of_fewer_rounds_than_an_interval_needs_is_no_title(
    make_case: MakeCase, title: Callable[..., str]
) -> None:
    found = title((make_case(), [0.004, 0.004]), (make_case(precision="amp_bf16"), [0.00221, 0.00222]))
    assert found == "Throughput of mlp (2 cases)"


def test_a_sure_slowdown_is_the_title_where_nothing_is_faster(make_case: MakeCase, title: Callable[..., str]) -> None:
    found = title((make_case(), FP32), (make_case(precision="amp_fp16"), [0.0119, 0.0120, 0.0121]))
    assert found == f"amp_fp16 trains mlp 3.00{X} slower than fp32 on this CPU"


def test_the_largest_speedup_wins_and_devices_are_named(make_case: MakeCase, title: Callable[..., str]) -> None:
    found = title(
        (make_case(), FP32),
        (make_case(precision="amp_bf16"), [0.002, 0.002, 0.002]),
        (make_case(device="cuda", precision="amp_bf16"), [0.0001, 0.0001, 0.0001]),
    )
    assert found == f"cuda amp_bf16 trains mlp 40.00{X} faster than cpu fp32"


def test_a_comparison_within_one_gpu_names_it(make_case: MakeCase, title: Callable[..., str]) -> None:
    found = title(
        (make_case(device="cuda"), FP32),
        (make_case(device="cuda", compile="default"), [0.002, 0.002, 0.002]),
        devices=[DeviceInfo(type="cuda", index=0, name="NVIDIA H100")],
    )
    assert found == f"compile default trains mlp 2.000{X} faster than eager on NVIDIA H100"


def test_the_batch_is_named_where_a_workload_has_several(make_case: MakeCase, title: Callable[..., str]) -> None:
    found = title(
        (make_case(), FP32),
        (make_case(batch_size=8), FP32),
        (make_case(batch_size=8, precision="amp_bf16"), [0.002, 0.002, 0.002]),
    )
    assert found == f"amp_bf16 trains mlp (batch 8) 2.000{X} faster than fp32 on this CPU"


def test_an_implausible_row_makes_no_headline(
    make_case: MakeCase, make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    wild = [
        dataclasses.replace(result, flags=("implausible",))
        for result in make_rounds(make_case(precision="amp_bf16"), [0.0001, 0.0001])
    ]
    run = make_run([*make_rounds(make_case(), [0.004, 0.004]), *wild])
    assert "faster" not in _findings.throughput(rows(run))


def test_memory_that_the_precision_saves_is_the_title(mixed_run: Run) -> None:
    # 9 MiB against 12 MiB.
    assert _findings.memory(rows(mixed_run)) == "amp_bf16 trains mlp in 25 % less memory than fp32 on this CPU"


def test_memory_is_not_compared_between_strategies_or_devices(
    make_case: MakeCase, make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    split = make_case(strategy="ddp", num_devices=2, batch_size=32, precision="amp_bf16")
    run = make_run([*make_rounds(make_case(), [0.1]), *make_rounds(split, [0.1], peak_allocated_bytes=1)])
    assert _findings.memory(rows(run)) == "Peak memory of mlp (2 cases)"


def test_the_longest_phase_of_every_case_is_the_title(mixed_run: Run) -> None:
    assert _findings.phases(rows(mixed_run)) == "The backward pass is the longest part of the step in every case (50 %)"


def test_no_phase_is_the_title_where_cases_disagree(
    make_case: MakeCase, make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    samples = {"forward": (0.07,), "backward": (0.03,), "step": (0.1,)}
    run = make_run(
        [*make_rounds(make_case(), [0.1]), *make_rounds(make_case(workload="cnn"), [0.1], samples_seconds=samples)]
    )
    assert _findings.phases(rows(run)) == "Time of each phase of a step of mlp, cnn (2 cases)"


def test_many_workloads_are_counted_instead_of_listed(make_case: MakeCase, title: Callable[..., str]) -> None:
    measured = [(make_case(workload=f"w{number}"), [0.1]) for number in range(5)]
    assert title(*measured) == "Throughput of 5 workloads (5 cases)"


@pytest.mark.parametrize("flagged", [0, 1])
@pytest.mark.parametrize("flag", ["contended", "unsteady", "diverged"])
def test_a_row_in_doubt_is_on_neither_side_of_a_title(
    make_case: MakeCase,
    make_rounds: Callable[..., list[CaseResult]],
    make_run: Callable[..., Run],
    flag: str,
    flagged: int,
) -> None:
    sides = [make_rounds(make_case(), FP32), make_rounds(make_case(precision="amp_bf16"), [0.002, 0.002, 0.002])]
    sides[flagged] = [dataclasses.replace(result, flags=(flag,)) for result in sides[flagged]]
    run = make_run([*sides[0], *sides[1]], sampling=SamplingPlan(min_rounds=3))
    assert _findings.throughput(rows(run)) == "Throughput of mlp (2 cases)"
    assert _findings.speedup(rows(run)) == "Nothing is certainly faster or slower than its reference"
    if flag == "diverged":
        assert _findings.memory(rows(run)) == "Peak memory of mlp (2 cases)"
