"""The harness against a hand-written loop of the same step, taking turns in one process."""

import gc
import itertools
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.case import Case
from bench.measuring.worker import Worker
from bench.selftest.bare_loop import bare
from bench.statistics import paired_ratio
from tests.benchmarks.replay import ReplayTimer

BAR_RATIO = 0.01
PAIRS = 60
"""At 0.75 % noise of a pair's ratio their mean is known to ±0.2 %."""
STEPS = 20
"""A block of at least 100 ms: shorter ones are all transition."""

TIMER = ReplayTimer()
CASE = Case(workload="mlp:small", device="cpu", strategy="single", precision="fp32", batch_size=64)


@pytest.fixture(name="worker")
def _worker(tmp_path: Path) -> Iterator[Worker]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a second one waits for the first where cores are shared, which says nothing of loops
    worker = Worker(CASE, rank=0, rendezvous=tmp_path / "rendezvous", deadline_seconds=60.0)
    worker.prepare()
    yield worker
    gc.unfreeze()  # what `prepare` froze; this process goes on
    torch.set_num_threads(threads)


@pytest.mark.benchmark(group="harness", timer=TIMER.read)
def test_the_harness_is_within_one_percent_of_a_hand_written_loop(worker: Worker, benchmark: BenchmarkFixture) -> None:
    harness_seconds: list[float] = []
    bare_seconds: list[float] = []
    orders = itertools.cycle([(True, False), (False, True)])  # who goes first changes from pair to pair

    def pair() -> None:
        for is_harness in next(orders):
            steps = worker.run_block(STEPS).samples_seconds["step"] if is_harness else bare(worker.step)(STEPS)
            median = statistics.median(steps[1:])  # the first step pays for the change of turns
            (harness_seconds if is_harness else bare_seconds).append(median)
        TIMER.advance(harness_seconds[-1])

    pair()
    harness_seconds.clear()
    bare_seconds.clear()
    benchmark.pedantic(pair, rounds=PAIRS, iterations=1, warmup_rounds=0)  # type: ignore[no-untyped-call]  # as the plugin has it

    ratio = paired_ratio(harness_seconds, bare_seconds)
    assert ratio.low is not None
    assert ratio.high is not None
    benchmark.extra_info.update(
        harness_over_bare=ratio.value, low=ratio.low, high=ratio.high, pairs=PAIRS, bar_ratio=BAR_RATIO
    )
    print(
        f"harness over hand-written loop: {ratio.value:.4f} [{ratio.low:.4f}, {ratio.high:.4f}], "
        f"median step {1e3 * statistics.median(bare_seconds):.3f} ms"
    )
    assert abs(ratio.value - 1) <= BAR_RATIO
