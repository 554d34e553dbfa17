"""Runs whose figures can be worked out in the head."""

from collections.abc import Callable

import pytest

from bench.case import Case
from bench.result import CaseResult, SamplingPlan
from bench.results.frame import Run

MIB = 2**20


@pytest.fixture
def mixed_run(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> Run:
    """
    Two measured cases, one failed and three skipped.

    At batch 64, fp32 takes 4 ms (16,000 samples/s) and amp_bf16 2 ms (32,000 samples/s) in both rounds.
    """
    fp32, bf16 = make_case(), make_case(precision="amp_bf16")
    ddp = make_case(strategy="ddp", num_devices=2, batch_size=32)
    cuda = [make_case(device="cuda", precision=precision) for precision in ("fp32", "tf32")]
    other = make_case(workload="cnn", device="cuda")
    results = [
        *make_rounds(fp32, [0.004, 0.004]),
        *make_rounds(bf16, [0.002, 0.002], peak_allocated_bytes=9 * MIB),
        CaseResult(case=ddp, round=0, status="crashed", reason="rank 1: signal 11 [SIGSEGV]"),
        *(
            CaseResult(case=case, round=0, status="skipped", reason="needs 1 CUDA device, found 0")
            for case in (*cuda, other)
        ),
    ]
    return make_run(results, sampling=SamplingPlan(min_rounds=2))
