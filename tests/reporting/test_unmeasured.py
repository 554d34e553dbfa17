"""The cases without a figure, by reason."""

from collections.abc import Callable

from bench.case import Case
from bench.reporting._unmeasured import groups
from bench.result import CaseResult, Status
from bench.results.frame import Run
from bench.results.rows import rows

X2 = "\N{MULTIPLICATION SIGN}2"


def test_cases_are_folded_by_reason_with_failures_first(mixed_run: Run) -> None:
    crashed, skipped = groups(rows(mixed_run))
    assert (crashed.status, crashed.reason, crashed.count) == ("crashed", "rank 1: signal 11 [SIGSEGV]", "1 case")
    assert crashed.names == f"mlp on cpu ddp{X2} fp32"
    assert (skipped.status, skipped.reason, skipped.count) == ("skipped", "needs 1 CUDA device, found 0", "3 cases")
    assert skipped.names == "mlp on cuda single fp32, tf32 | cnn on cuda single fp32"
    assert (crashed.is_failure, skipped.is_failure) == (True, False)


def test_what_workloads_share_is_said_once(make_case: Callable[..., Case], make_run: Callable[..., Run]) -> None:
    results = [
        CaseResult(
            case=make_case(
                workload=workload, device="cuda", strategy=strategy, num_devices=number, batch_size=64 // number
            ),
            round=0,
            status="skipped",
            reason="none here",
        )
        for workload in ("mlp", "cnn")
        for strategy, number in (("single", 1), ("ddp", 2))
    ]
    (group,) = groups(rows(make_run(results)))
    assert group.names == f"mlp, cnn on cuda single fp32; cuda ddp{X2} fp32"


def test_the_batch_is_named_where_only_it_tells_the_failed_case_from_the_one_that_ran(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    oom = CaseResult(case=make_case(batch_size=512), round=0, status="oom", reason="3 GiB\nwanted")
    (group,) = groups(rows(make_run([*make_rounds(make_case(), [0.1]), oom])))
    assert group.names == "mlp on cpu single fp32 (batch 512)"
    assert group.reason == "3 GiB wanted"


def test_the_worst_failure_comes_first(make_case: Callable[..., Case], make_run: Callable[..., Run]) -> None:
    statuses: list[Status] = ["unsupported", "oom", "skipped", "crashed"]
    results = [CaseResult(case=make_case(workload=status), round=0, status=status, reason="why") for status in statuses]
    assert [group.status for group in groups(rows(make_run(results)))] == ["crashed", "oom", "unsupported", "skipped"]


def test_a_failure_that_newcomers_meet_has_its_explanation_and_a_row_that_never_ran_has_none(
    make_case: Callable[..., Case], make_run: Callable[..., Run]
) -> None:
    reason = "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
    statuses: list[Status] = ["oom", "skipped"]
    results = [
        CaseResult(case=make_case(workload=status), round=0, status=status, reason=reason) for status in statuses
    ]
    failed, skipped = groups(rows(make_run(results)))
    assert failed.explanation is not None
    assert failed.explanation.name == "cuda_out_of_memory"
    assert skipped.explanation is None
