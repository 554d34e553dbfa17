"""How long `report` takes with a thousand cases, every format and the start of the program included."""

import itertools
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.case import Case
from bench.registry import PACKAGE_DIR
from bench.result import CaseResult, Environment, Plan, SamplingPlan
from bench.running.journal import FILE_NAME, JournalWriter

BAR_SECONDS = 20.0
ROUNDS = 8


@pytest.fixture(name="directory")
def _directory(
    tmp_path: Path,
    make_case: Callable[..., Case],
    make_rounds: Callable[..., list[CaseResult]],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Return the directory of a run of five workloads in four precisions and 25 batch sizes, in one process and two."""
    monkeypatch.setattr("os.fsync", lambda _file: None)
    noise = random.Random(1)
    axes = itertools.product(range(5), ("fp32", "tf32", "amp_bf16", "amp_fp16"), range(25), (("single", 1), ("ddp", 2)))
    cases = [
        make_case(
            workload=f"model_{number}.py:small",
            precision=precision,
            strategy=strategy,
            num_devices=devices,
            batch_size=8 * (size + 1) // devices,
        )
        for number, precision, size, (strategy, devices) in axes
    ]
    journal = JournalWriter(tmp_path / FILE_NAME)
    journal.write_plan(Plan(cases=tuple(cases), sampling=SamplingPlan(), environment=Environment()))
    for case in cases:
        seconds = [1e-4 * case.global_batch_size * noise.lognormvariate(0, 0.02) for _ in range(ROUNDS)]
        peak = int(1e6 * case.global_batch_size * noise.lognormvariate(0, 0.1))
        for result in make_rounds(case, seconds, peak_allocated_bytes=peak):
            journal.write_result(result)
    journal.close()
    return tmp_path


@pytest.mark.benchmark(group="report")
def test_a_thousand_cases_in_every_format(directory: Path, benchmark: BenchmarkFixture) -> None:
    command = [sys.executable, str(PACKAGE_DIR.parent / "run_bench.py"), "report", str(directory)]

    def report() -> None:
        subprocess.run(command, check=True, capture_output=True)

    benchmark.pedantic(report, rounds=2, iterations=1)  # type: ignore[no-untyped-call]  # as the plugin has it
    assert benchmark.stats is not None
    assert benchmark.stats.stats.min <= BAR_SECONDS
