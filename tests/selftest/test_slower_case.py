"""An injected slowdown: found, missed, and one that was never there."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.measuring.training_step import TrainingStep
from bench.selftest import _other_clock, slower_case
from bench.selftest.slower_case import Brake
from bench.statistics import Interval, Verdict

Recorded = Callable[..., list[float]]


@pytest.mark.parametrize(
    ("ratio", "noise", "verdict"),
    [
        (1.05, 1, "holds"),
        (1.04, 1, "holds"),
        (1.0, 1, "fails"),
        (0.95, 1, "fails"),
        (1.02, 1, "fails"),
        (1.03, 1, "undecidable"),
        (1.05, 20, "undecidable"),
        (1.1, 1, "undecidable"),
        (1.12, 1, "fails"),
    ],
)
def test_five_percent_are_found_neither_two_less_nor_twice_as_many(
    recorded: Recorded, ratio: float, noise: float, verdict: str
) -> None:
    seen = {"candidate_seconds": recorded(0.005 * ratio, noise), "baseline_seconds": [0.005] * 10}
    assert slower_case.judge(seen).verdict == verdict


def test_a_comparison_that_calls_nothing_slower_fails(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    def always(_ratio: Interval) -> Verdict:
        return "same"

    monkeypatch.setattr(slower_case, "verdict_of", always)
    seen = {"candidate_seconds": recorded(0.00525), "baseline_seconds": [0.005] * 10}
    assert slower_case.judge(seen).verdict == "fails"


def test_an_empty_record_fails() -> None:
    assert slower_case.judge({}).verdict == "fails"


class Time:
    """Simulated: looking at the clock takes 10 ns."""

    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        self.ns += 10
        return self.ns


class Step:
    """A training step that takes 2 ms, all of it in forward."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.compute_loss: Callable[[Any, Any], Any] = self.forward

    def forward(self, _model: Any, _batch: Any) -> str:
        self.time.ns += 2_000_000
        return "loss"


class Worker:
    """Trains it."""

    def __init__(self, step: Step) -> None:
        self.step = step

    def train(self, steps: int) -> None:
        for _ in range(steps):
            self.step.compute_loss(None, None)


def test_the_brake_makes_forward_longer_by_five_percent_of_the_step_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time()
    monkeypatch.setattr(_other_clock, "now_ns", time.now_ns)
    step = Step(time)
    worker: Any = Worker(step)
    brake = Brake(worker)
    for _ in range(2):  # the second time the wait of the first is not measured with the step
        brake.adjust()
        before_ns = time.ns
        assert step.compute_loss(None, None) == "loss"
        assert time.ns - before_ns == pytest.approx(2_100_000, rel=1e-3)


@pytest.mark.usefixtures("_torch_as_it_was", "_short_turns")
def test_the_slowed_worker_is_the_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slower_case, "INJECTED_RATIO", 20.0)  # no noise hides that
    seen = slower_case.observe(2)
    assert min(seen["candidate_seconds"]) > 2 * max(seen["baseline_seconds"])


@pytest.mark.usefixtures("_torch_as_it_was", "_short_turns")
def test_a_slowdown_that_is_not_there_is_not_found(
    monkeypatch: pytest.MonkeyPatch, make_pool: Callable[..., Any]
) -> None:
    def loses_it(brake: Brake) -> None:
        step: TrainingStep = brake._worker.step
        step.compute_loss = brake._compute_loss

    monkeypatch.setattr(Brake, "adjust", loses_it)
    monkeypatch.setattr(slower_case, "BAR", slower_case.BAR.__class__(low=3.0, high=7.0, text=""))  # beyond all noise
    assert slower_case.run(make_pool()).verdict == "fails"
