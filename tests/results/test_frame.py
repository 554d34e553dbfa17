"""The frames of a run, on rounds whose figures can be worked out by hand."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.case import Case
from bench.metrics import METRICS, Metric
from bench.result import (
    NOT_REACHED,
    CaseResult,
    Counters,
    Environment,
    Failure,
    Measurement,
    SamplingPlan,
    Status,
    Usage,
)
from bench.results.frame import COLUMNS, Run, load
from bench.running.journal import FILE_NAME, JournalWriter

MakeCase = Callable[..., Case]
MakeRounds = Callable[..., list[CaseResult]]
MakeRun = Callable[..., Run]

DESIGN_COLUMNS = """
case_id, workload, device, strategy, precision, compile, input, loop, batch_size, global_batch_size,
num_devices, num_nodes, status, reason, rounds, samples, step_seconds, step_seconds_low, step_seconds_high,
forward_seconds, backward_seconds, optimizer_seconds, h2d_seconds, first_step_seconds, compile_seconds,
throughput_samples_per_second, throughput_items_per_second, item, peak_allocated_bytes, peak_reserved_bytes,
memory_source, process_peak_bytes, speedup, speedup_low, speedup_high, reference_case_id, step_flops,
flops_per_second, mfu_ratio, parameters, final_loss, flags, deviation_ratio, operators, host_syncs,
optimizer_host_syncs, allocated_bytes, kernels, graph_breaks, recompiles, collectives, collective_bytes,
counters_source, num_threads, clock, notes, flops_source, peak_source,
step_energy_joules, sample_energy_joules, mean_power_watts, break_even_steps,
accessed_bytes, memory_bytes_per_second, memory_bandwidth_ratio,
energy_source, read_seconds
"""


def failed(case: Case, status: Status, reason: str | None = None, number: int = 0) -> CaseResult:
    return CaseResult(case=case, round=number, status=status, reason=reason)


def row(run: Run, case: Case) -> dict[str, Any]:
    (found,) = run.cases[run.cases["case_id"] == case.id].to_dict("records")
    return {str(name): value for name, value in found.items()}


def test_the_columns_are_those_of_the_design_in_its_order() -> None:
    assert ", ".join(COLUMNS) == DESIGN_COLUMNS.strip().replace("\n", " ")


def test_there_is_one_row_a_case_in_the_order_of_the_plan(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    first, second = make_case(workload="lstm"), make_case(workload="cnn")
    run = make_run(
        [*make_rounds(second, [0.1]), *make_rounds(first, [0.1]), *make_rounds(second, [0.1])], [first, second]
    )
    assert list(run.cases["workload"]) == ["lstm", "cnn"]
    assert list(run.cases.columns) == list(COLUMNS)


def test_the_step_time_is_the_geometric_mean_over_workers_and_throughput_follows_from_it(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    case = make_case(batch_size=64)
    found = row(make_run(make_rounds(case, [0.001, 0.004], items_per_sample=8, item="token")), case)
    assert found["step_seconds"] == pytest.approx(0.002)
    assert found["step_seconds_low"] == pytest.approx(0.002 * 2**-12.7062, rel=1e-4)
    assert found["step_seconds_high"] == pytest.approx(0.002 * 2**12.7062, rel=1e-4)
    assert found["throughput_samples_per_second"] == pytest.approx(32_000)
    assert found["throughput_items_per_second"] == pytest.approx(256_000)
    assert found["backward_seconds"] == pytest.approx(0.001)
    assert found["first_step_seconds"] == pytest.approx(0.008)
    assert (found["item"], found["rounds"], found["samples"], found["num_threads"]) == ("token", 2, 20, 2)


def test_a_phase_that_does_not_happen_and_a_figure_nobody_measures_yet_are_empty(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    cases = make_run(make_rounds(make_case(), [0.1])).cases
    for name in (
        "h2d_seconds",
        "compile_seconds",
        "step_flops",
        "mfu_ratio",
        "peak_reserved_bytes",
        "step_seconds_low",
    ):
        assert cases[name].isna().all(), name


def test_the_rate_is_that_of_the_whole_step_and_its_share_that_of_the_machine(
    make_case: MakeCase, make_measurement: Callable[..., Measurement], make_run: MakeRun
) -> None:
    case = make_case()
    counted = make_measurement(0.1, step_flops=10**9, flops_source="meta")
    results = [
        CaseResult(case=case, round=0, status="ok", measurement=counted),
        CaseResult(case=case, round=1, status="ok", measurement=make_measurement(0.1)),  # the first round alone counts
    ]
    environment = Environment(attained_flops_per_second={"cpu/fp32": 4e10})
    found = row(make_run(results, environment=environment), case)
    assert (found["step_flops"], found["flops_source"], found["peak_source"]) == (10**9, "meta", "measured")
    assert found["flops_per_second"] == pytest.approx(1e10)
    assert found["mfu_ratio"] == pytest.approx(0.25)
    found = row(make_run(results), case)
    assert found["flops_per_second"] == pytest.approx(1e10)
    assert math.isnan(found["mfu_ratio"])


def test_memory_is_the_largest_over_rounds_and_stays_a_whole_number(
    make_case: MakeCase, make_measurement: Callable[..., Measurement], make_run: MakeRun
) -> None:
    case, skipped = make_case(), make_case(workload="cnn")
    peaks = [2**53 + 1, 5]
    results = [
        CaseResult(case=case, round=number, status="ok", measurement=make_measurement(peak_allocated_bytes=peak))
        for number, peak in enumerate(peaks)
    ]
    run = make_run([*results, failed(skipped, "skipped", "no data")])
    assert row(run, case)["peak_allocated_bytes"] == 2**53 + 1
    assert list(run.cases["peak_allocated_bytes"].isna()) == [False, True]


def test_a_row_s_status_is_the_worst_over_its_rounds_with_that_round_s_reason(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    case = make_case()
    results = [*make_rounds(case, [0.1, 0.1]), failed(case, "crashed", "signal 11", 2), failed(case, "oom", "3 GiB", 3)]
    found = row(make_run(results), case)
    assert (found["status"], found["reason"], found["rounds"]) == ("crashed", "signal 11", 2)
    assert math.isnan(found["speedup"])


def test_a_failure_without_a_reason_gives_its_message(make_case: MakeCase, make_run: MakeRun) -> None:
    result = CaseResult(case=make_case(), round=0, status="error", failure=Failure(message="ValueError: no"))
    assert row(make_run([result]), result.case)["reason"] == "ValueError: no"


def test_a_case_that_an_interrupted_run_did_not_reach_is_skipped(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    reached, missing = make_case(), make_case(workload="cnn")
    found = row(make_run(make_rounds(reached, [0.1]), [reached, missing]), missing)
    assert (found["status"], found["reason"], found["rounds"]) == ("skipped", NOT_REACHED, 0)
    assert math.isnan(found["step_seconds"])


def test_flags_are_the_union_over_rounds_and_few_rounds_comes_with_too_few(
    make_case: MakeCase, make_measurement: Callable[..., Measurement], make_run: MakeRun
) -> None:
    case = make_case()
    crowded = Usage(cpu_seconds=1.0, involuntary_switches=0, run_delay_seconds=1.0)
    measured = [
        make_measurement(usage=crowded),
        make_measurement(),
        make_measurement(usage=crowded, foreign_processes=1),
    ]
    results = [CaseResult(case=case, round=i, status="ok", measurement=found) for i, found in enumerate(measured)]
    assert row(make_run(results), case)["flags"] == "contended foreign_process few_rounds"
    assert row(make_run(results, sampling=SamplingPlan(min_rounds=3)), case)["flags"] == "contended foreign_process"


def test_a_flag_that_a_visit_brought_along_stays(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    case = make_case()
    results = make_rounds(case, [0.1, 0.1])
    results[1] = dataclasses.replace(results[1], flags=("teardown_abort", "from_a_newer_version"))
    assert row(make_run(results), case)["flags"] == "teardown_abort few_rounds from_a_newer_version"


def test_a_failed_row_is_not_said_to_have_few_rounds(make_case: MakeCase, make_run: MakeRun) -> None:
    case = make_case()
    assert row(make_run([failed(case, "oom", "3 GiB")]), case)["flags"] == ""


def test_speedup_pairs_the_rounds_that_both_have(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    # The machine is ten times slower in round 1, for both; round 2 belongs to the reference alone.
    reference, fast = make_case(), make_case(precision="amp_bf16")
    run = make_run([*make_rounds(fast, [0.05, 0.5]), *make_rounds(reference, [0.1, 1.0, 77.0])], [fast, reference])
    found = row(run, fast)
    assert (found["speedup"], found["speedup_low"], found["speedup_high"]) == pytest.approx((2.0, 2.0, 2.0))
    assert found["reference_case_id"] == reference.id


def test_the_reference_has_speedup_one_without_an_interval(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    case = make_case()
    found = row(make_run(make_rounds(case, [0.1, 0.2])), case)
    assert (found["speedup"], found["reference_case_id"]) == (1.0, case.id)
    assert math.isnan(found["speedup_low"])


def test_speedup_is_only_between_equal_global_batches_of_one_workload(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    reference = make_case(batch_size=64)
    split = make_case(batch_size=32, strategy="ddp", num_devices=2)
    larger = make_case(batch_size=64, strategy="ddp", num_devices=2)
    other = make_case(workload="mlp:large")
    run = make_run([result for case in (reference, split, larger, other) for result in make_rounds(case, [0.1])])
    assert list(run.cases["reference_case_id"]) == [reference.id, reference.id, larger.id, other.id]


@pytest.mark.parametrize("status", ["oom", "skipped"])
def test_without_an_ok_cpu_reference_the_first_ok_row_takes_its_place(
    status: Status, make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    reference, first, second = make_case(), make_case(precision="amp_bf16"), make_case(device="cuda")
    results = [failed(reference, status, "why"), *make_rounds(first, [0.2]), *make_rounds(second, [0.1])]
    run = make_run(results, [reference, first, second])
    assert list(run.cases["reference_case_id"].fillna("")) == ["", first.id, first.id]
    assert row(run, second)["speedup"] == pytest.approx(2.0)


def test_without_a_common_round_there_is_no_speedup(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    reference, other = make_case(), make_case(device="cuda")
    later = [dataclasses.replace(result, round=5) for result in make_rounds(other, [0.1])]
    assert math.isnan(row(make_run([*make_rounds(reference, [0.1]), *later]), other)["speedup"])


def test_counters_and_deviation_are_those_of_the_round_that_looked_and_stay_whole_numbers(
    make_case: MakeCase, make_measurement: Callable[..., Measurement], make_run: MakeRun
) -> None:
    case = make_case()
    looked = make_measurement(
        counters=Counters(source="dispatch", operators=61, host_syncs=0, allocated_bytes=2**53 + 1),
        loss_deviation_ratio=1e-7,
        gradient_norm_deviation_ratio=3e-7,
    )
    measured = [looked, make_measurement(), make_measurement()]
    results = [CaseResult(case=case, round=i, status="ok", measurement=found) for i, found in enumerate(measured)]
    cases = make_run(results).cases
    found = cases.iloc[0]
    assert (found["operators"], found["host_syncs"], found["allocated_bytes"]) == (61, 0, 2**53 + 1)
    assert (found["deviation_ratio"], found["counters_source"]) == (3e-7, "dispatch")
    unknown = ["optimizer_host_syncs", "kernels", "graph_breaks", "recompiles", "collectives", "collective_bytes"]
    assert cases[unknown].isna().all(axis=None)


def test_where_nobody_counted_counters_are_empty_and_not_zero(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    cases = make_run(make_rounds(make_case(), [0.1])).cases
    assert cases[["operators", "host_syncs", "counters_source", "deviation_ratio"]].isna().all(axis=None)


def test_notes_are_said_once(make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun) -> None:
    case = make_case()
    assert row(make_run(make_rounds(case, [0.1, 0.1], notes=("oneDNN is off.",))), case)["notes"] == "oneDNN is off."


def test_a_new_metric_becomes_the_last_column(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = Metric(name="build_seconds", better="lower", summary="", function=lambda found, _case: found.build_seconds)
    monkeypatch.setitem(METRICS, metric.name, metric)
    cases = make_run(make_rounds(make_case(), [0.1])).cases
    assert cases.columns[-1] == "build_seconds"
    assert list(cases["build_seconds"]) == pytest.approx([0.1])


def test_samples_hold_every_phase_of_every_step(
    make_case: MakeCase, make_measurement: Callable[..., Measurement], make_run: MakeRun
) -> None:
    case = make_case()
    measurement = make_measurement(
        samples_seconds={"step": (3.0, 4.0), "forward": (1.0, 2.0)},
        warmup_seconds={"forward": (9.0,), "step": (10.0,)},
        warmup_steps=3,  # of which the first alone was kept
    )
    samples = make_run([CaseResult(case=case, round=7, status="ok", measurement=measurement)]).samples
    assert list(samples.columns) == ["case_id", "round", "step_index", "is_warmup", "phase", "seconds"]
    assert samples.drop(columns=["case_id", "round"]).to_numpy().tolist() == [
        [0, True, "forward", 9.0],
        [0, True, "step", 10.0],
        [3, False, "forward", 1.0],
        [4, False, "forward", 2.0],
        [3, False, "step", 3.0],
        [4, False, "step", 4.0],
    ]
    assert set(samples["case_id"]) == {case.id}
    assert set(samples["round"]) == {7}


def test_a_run_without_a_measurement_has_no_samples(make_case: MakeCase, make_run: MakeRun) -> None:
    assert make_run([failed(make_case(), "skipped", "why")]).samples.empty


def test_a_run_is_loaded_from_its_directory_or_its_journal(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(make_rounds(make_case(), [0.1, 0.2]))
    writer = JournalWriter(tmp_path / FILE_NAME)
    writer.write_plan(run.plan)
    for result in run.results:
        writer.write_result(result)
    writer.close()
    for path in (tmp_path, tmp_path / FILE_NAME):
        loaded = load(path)
        assert loaded.directory == tmp_path
        pd.testing.assert_frame_equal(loaded.cases, run.cases)
        pd.testing.assert_frame_equal(loaded.samples, run.samples)


def test_the_source_of_a_memory_figure_is_that_of_the_round_that_took_it(
    make_case: Callable[..., Case], make_measurement: Callable[..., Measurement], make_run: Callable[..., Run]
) -> None:
    case = make_case()
    later = make_measurement(peak_allocated_bytes=None, memory_source=None)
    measured = [make_measurement(), later, later]
    results = [CaseResult(case=case, round=i, status="ok", measurement=found) for i, found in enumerate(measured)]
    row = make_run(results).cases.iloc[0]
    assert row["memory_source"] == "allocator"
    assert row["peak_allocated_bytes"] == 12 * 2**20


@pytest.mark.parametrize(
    ("gigabytes", "gigaflops", "ratio"),
    [
        (1, 1, 0.5),  # 10 of 20 GB/s against 10 of 100 GFLOP/s
        (1, 8, None),  # the arithmetic is nearer to its limit
        (1, None, None),  # nobody knows how near the arithmetic is
        (0.5, 1, None),  # a quarter of the bandwidth: something else is what it waits for
        (3, 1, None),  # more than the memory can do: caches served it
    ],
)
def test_the_bandwidth_is_given_where_memory_is_what_limits(
    make_rounds: MakeRounds, make_run: MakeRun, gigabytes: float, gigaflops: int | None, ratio: float | None
) -> None:
    case = Case(workload="mlp", device="cpu", strategy="single", precision="fp32", batch_size=64)
    here = Environment(
        attained_flops_per_second={"cpu/fp32": 1e11},
        attained_bytes_per_second={"cpu": 2e10},
    )
    counters = Counters(source="dispatch", accessed_bytes=round(gigabytes * 10**9))
    step_flops = None if gigaflops is None else gigaflops * 10**9
    found = row(make_run(make_rounds(case, [0.1], counters=counters, step_flops=step_flops), environment=here), case)
    assert found["accessed_bytes"] == gigabytes * 10**9
    if ratio is None:
        assert pd.isna(found["memory_bandwidth_ratio"])
        assert pd.isna(found["memory_bytes_per_second"])
    else:
        assert found["memory_bandwidth_ratio"] == pytest.approx(ratio)
        assert found["memory_bytes_per_second"] == pytest.approx(ratio * 2e10)
