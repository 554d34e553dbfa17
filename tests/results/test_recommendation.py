"""What to train with: the fastest, the leanest, and what lies between, of rows in no doubt."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bench.case import Case
from bench.result import CaseResult, SamplingPlan
from bench.results.frame import Run
from bench.results.recommendation import Recommendation, recommendations_of

MIB = 2**20
X = "\N{MULTIPLICATION SIGN}"

MakeCase = Callable[..., Case]
Advise = Callable[..., list[Recommendation]]


@pytest.fixture
def advise(make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]) -> Advise:
    """Take cases with their steps in milliseconds and their memory in MiB."""

    def recommended(*measured: tuple[Case, Sequence[float], float], **fields: Any) -> list[Recommendation]:
        results: list[CaseResult] = []
        for case, steps_ms, mebibytes in measured:
            steps = [milliseconds / 1e3 for milliseconds in steps_ms]
            results += make_rounds(case, steps, peak_allocated_bytes=int(mebibytes * MIB), **fields)
        return recommendations_of(make_run(results, sampling=SamplingPlan(min_rounds=3)))

    return recommended


def test_the_fastest_the_leanest_and_those_between_are_named_once(make_case: MakeCase, advise: Advise) -> None:
    quick, middle, lean, beaten = (
        make_case(precision="amp_fp16"),
        make_case(precision="amp_bf16"),
        make_case(),
        make_case(compile="default"),
    )
    (found,) = advise((lean, [8, 8, 8], 10), (beaten, [9, 9, 9], 25), (quick, [2, 2, 2], 30), (middle, [4, 4, 4], 20))
    assert found.front_ids == (quick.id, middle.id, lean.id)
    assert (found.fastest_id, found.leanest_id) == (quick.id, lean.id)
    assert found.sentence == (
        "mlp: cpu single amp_fp16 is the fastest (2.000 ms ±0.0 % a step, 30.0 MiB); the leanest is cpu single fp32 "
        f"(10.0 MiB, 0.2500{X} the speed); between them: cpu single amp_bf16"
    )


def test_one_case_may_be_both(make_case: MakeCase, advise: Advise) -> None:
    (found,) = advise((make_case(), [8, 8, 8], 10), (make_case(precision="amp_bf16"), [4, 4, 4], 7))
    assert found.sentence == (
        "mlp: cpu single amp_bf16 is the leanest (7.00 MiB) and the fastest (4.000 ms ±0.0 % a step)"
    )
    assert len(found.front_ids) == 1


def test_of_two_that_cannot_be_told_apart_the_leaner_is_taken(make_case: MakeCase, advise: Advise) -> None:
    (found,) = advise((make_case(), [8, 9, 8], 10), (make_case(precision="amp_bf16"), [8, 8, 8.5], 12))
    assert found.sentence.startswith("mlp: cpu single fp32 is the leanest (10.0 MiB) and none is certainly faster (")
    assert found.fastest_id == found.leanest_id == make_case().id


def test_a_fastest_one_with_a_rival_is_not_called_the_fastest(make_case: MakeCase, advise: Advise) -> None:
    (found,) = advise(
        (make_case(), [20, 20, 20], 5),
        (make_case(precision="amp_bf16"), [8, 9, 8], 10),
        (make_case(precision="amp_fp16"), [8, 8, 8.5], 12),
    )
    assert found.sentence.startswith("mlp: none is certainly faster than cpu single amp_bf16 (")
    assert found.front_ids == (make_case(precision="amp_bf16").id, make_case().id)


def test_what_a_cpu_holds_is_not_weighed_against_what_a_gpu_holds(make_case: MakeCase, advise: Advise) -> None:
    gpu, leaner = make_case(device="cuda"), make_case(device="cuda", precision="amp_bf16")
    (found,) = advise((make_case(), [8, 8, 8], 1), (gpu, [2, 2, 2], 100), (leaner, [3, 3, 3], 90))
    assert found.leanest_id == leaner.id


def test_rows_in_doubt_and_loops_that_read_the_loss_are_not_recommended(
    make_case: MakeCase, make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run], advise: Advise
) -> None:
    doubtful = [
        dataclasses.replace(result, flags=("contended",))
        for result in make_rounds(make_case(precision="amp_bf16"), [0.001] * 3)
    ]
    run = make_run([*make_rounds(make_case(), [0.004] * 3), *doubtful], sampling=SamplingPlan(min_rounds=3))
    assert recommendations_of(run) == []
    assert advise((make_case(), [8, 8, 8], 10), (make_case(loop="item"), [4, 4, 4], 10)) == []


def test_each_workload_and_batch_has_its_own_and_one_case_alone_has_none(make_case: MakeCase, advise: Advise) -> None:
    several = [
        (make_case(batch_size=batch, precision=precision), [8, 8, 8], 10)
        for batch in (8, 64)
        for precision in ("fp32", "amp_bf16")
    ]
    found = advise(*several, (make_case(workload="cnn"), [8, 8, 8], 10))
    assert [(entry.workload, entry.global_batch_size) for entry in found] == [("mlp", 8), ("mlp", 64)]
    assert [entry.sentence.partition(":")[0] for entry in found] == ["mlp (batch 8)", "mlp (batch 64)"]


def test_without_a_figure_of_memory_there_is_nothing_to_weigh(make_case: MakeCase, advise: Advise) -> None:
    measured = [(make_case(precision=precision), [8, 8, 8], 10.0) for precision in ("fp32", "amp_bf16")]
    assert advise(*measured, memory_source=None) == []
