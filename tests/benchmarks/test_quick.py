"""The cases of the quick suite: a round is one fresh worker, and its figure is the worker's own."""

import itertools

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import suite
from bench.case import Case
from bench.comparing.pytest_benchmark import ROUND_IS_WORKER, ROUND_KEY
from bench.metrics import METRICS, step_seconds
from bench.pytest_plugin import ReplayTimer
from bench.result import Measurement
from bench.running.matrix import expand, judge, num_processes
from bench.running.pool import Pool
from bench.suite import AxisValues

ROUNDS = 8
"""The fewest after which a 95 % interval over workers holds what it says."""
TIMEOUT_SECONDS = 60.0
PHASES = ("h2d_seconds", "forward_seconds", "backward_seconds", "optimizer_seconds")

TIMER = ReplayTimer()
CASES = [entry.case for entry in expand(suite.load("quick"), AxisValues(), devices=(), seed=0)]


@pytest.mark.benchmark(group="quick", timer=TIMER.read)
@pytest.mark.parametrize("case", CASES, ids=[case.slug for case in CASES])
def test_a_step_of(case: Case, pool: Pool, benchmark: BenchmarkFixture) -> None:
    if reason := judge(case, pool.environment.devices).reason:
        pytest.skip(reason)
    measurements: list[Measurement] = []
    rounds = itertools.count()

    def visit() -> None:
        round_index = next(rounds)
        result = pool.visit(
            case,
            num_processes=num_processes(case),
            round_index=round_index,
            timeout_seconds=TIMEOUT_SECONDS,
            with_extras=round_index == 0,
        )
        assert result.measurement is not None, result.reason
        measurements.append(result.measurement)
        TIMER.advance(step_seconds(result.measurement))

    # A worker warms up by itself.
    benchmark.pedantic(visit, rounds=ROUNDS, iterations=1, warmup_rounds=0)  # type: ignore[no-untyped-call]  # as the plugin has it

    figures = {name: [METRICS[name].function(measurement, case) for measurement in measurements] for name in PHASES}
    known = {name: [value for value in values if value is not None] for name, values in figures.items()}
    phases = {name: METRICS[name].combine(values) for name, values in known.items() if values}
    benchmark.extra_info.update(
        case_id=case.id,
        **{ROUND_KEY: ROUND_IS_WORKER},
        rounds=len(measurements),
        peak_allocated_bytes=measurements[0].peak_allocated_bytes,
        **phases,
    )
    assert benchmark.stats is not None
    assert benchmark.stats.stats.data == pytest.approx([step_seconds(measurement) for measurement in measurements])
    assert {"forward_seconds", "backward_seconds", "optimizer_seconds"} <= phases.keys()
