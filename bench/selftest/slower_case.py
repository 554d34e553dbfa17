"""A step made 5 % slower on purpose is found to be."""

import dataclasses
import statistics
from typing import TYPE_CHECKING, Any

from bench.running.pool import Pool
from bench.selftest import _other_clock
from bench.selftest._check import Bar, Finding, Seen, decide
from bench.statistics import verdict_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bench.measuring.worker import Worker

INJECTED_RATIO = 0.05
BAR = Bar(low=1.03, high=1.1, text="from +3 % to +10 %")
"""
What was injected, less the smallest change that matters (method.md, section 5); above there is more room, since a wait
costs more than itself: who shares the core's caches takes them meanwhile (5.5 to 7.7 % measured).
"""
STEPS_TO_KNOW = 10
"""Whose median tells how long 5 % is: before every pair, since a busy machine's speed drifts."""


def run(pool: Pool) -> Finding:
    """Let a worker and its slowed copy take turns until it is known."""
    return decide(pool, "bench.selftest.slower_case:observe", judge)


def judge(seen: Seen) -> Finding:
    """Hold the slowed step over the other against the bar, and against what a comparison would say."""
    finding = BAR.judge_ratio(seen, "candidate_seconds", "baseline_seconds")
    if finding.interval is None:
        return finding
    word = verdict_of(finding.interval)
    verdict = "fails" if finding.verdict == "holds" and word != "slower" else finding.verdict
    return dataclasses.replace(finding, verdict=verdict, figure=f"{word}: {finding.figure}")


def observe(blocks: int) -> dict[str, list[float]]:
    """Return the slowed step (the candidate) and the other in each of *blocks* pairs; in a worker."""
    from bench.selftest import _turns  # noqa: PLC0415 (imports torch)

    candidate, baseline = _turns.two_prepared()
    brake = Brake(candidate)
    return _turns.take_turns(_turns.harness(candidate), _turns.harness(baseline), blocks, brake.adjust)


class Brake:
    """Makes the step of *worker* slower by a busy wait in its forward, once `adjust` was called."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._compute_loss = worker.step.compute_loss
        self._wait_seconds = 0.0

    def adjust(self) -> None:
        """Measure the step as it was, by another clock than the harness's, and set the wait to its share."""
        self._worker.step.compute_loss = self._compute_loss
        seconds = []
        for _ in range(STEPS_TO_KNOW):
            start_ns = _other_clock.now_ns()
            self._worker.train(1)
            seconds.append((_other_clock.now_ns() - start_ns) / 1e9)
        self._wait_seconds = INJECTED_RATIO * statistics.median(seconds)
        self._worker.step.compute_loss = self._compute_slowly

    def _compute_slowly(self, model: "nn.Module", batch: Any) -> "Tensor":
        _other_clock.wait(self._wait_seconds, since_ns=_other_clock.now_ns())
        return self._compute_loss(model, batch)
