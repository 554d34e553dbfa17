"""The harness against a hand-written loop of the same step, taking turns in one process."""

import gc
import statistics
from collections.abc import Iterator

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench.measuring.worker import Worker
from bench.pytest_plugin import ReplayTimer
from bench.selftest import _turns
from bench.selftest.bare_loop import bare
from bench.statistics import paired_ratio

BAR_RATIO = 0.01
PAIRS = 100
"""Their mean is known to about ±0.3 %."""

TIMER = ReplayTimer()


@pytest.fixture(name="worker")
def _worker() -> Iterator[Worker]:
    threads = torch.get_num_threads()
    yield _turns.prepared()
    gc.unfreeze()  # what `prepare` froze; this process goes on
    torch.set_num_threads(threads)


@pytest.mark.benchmark(group="harness", timer=TIMER.read)
def test_the_harness_is_within_one_percent_of_a_hand_written_loop(worker: Worker, benchmark: BenchmarkFixture) -> None:
    harness_seconds: list[float] = []
    bare_seconds: list[float] = []
    harness, by_hand = _turns.harness(worker), bare(worker.step)

    def pair() -> None:
        seen = _turns.take_turns(harness, by_hand, 1)
        harness_seconds.extend(seen["candidate_seconds"])
        bare_seconds.extend(seen["baseline_seconds"])
        TIMER.advance(harness_seconds[-1])

    benchmark.pedantic(pair, rounds=PAIRS, iterations=1, warmup_rounds=0)  # type: ignore[no-untyped-call]  # as the plugin has it

    ratio = paired_ratio(harness_seconds, bare_seconds)
    assert ratio.low is not None
    assert ratio.high is not None
    benchmark.extra_info.update(
        harness_over_bare=ratio.value, low=ratio.low, high=ratio.high, pairs=PAIRS, bar_ratio=BAR_RATIO
    )
    print(
        f"harness over hand-written loop: {ratio.value:.4f} [{ratio.low:.4f}, {ratio.high:.4f}], "
        f"step {1e3 * statistics.median(bare_seconds):.3f} ms"
    )
    assert abs(ratio.value - 1) <= BAR_RATIO
