"""The harness against a hand-written loop: what would pass, and a harness that is slower on purpose."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.measuring.worker import Block, Worker
from bench.selftest import _turns, bare_loop

Recorded = Callable[..., list[float]]


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.0, "holds"), (1.006, "holds"), (1.03, "fails"), (0.97, "fails"), (1.0105, "undecidable")]
)
def test_the_harness_may_be_one_percent_from_the_bare_loop(recorded: Recorded, ratio: float, verdict: str) -> None:
    seen = {"candidate_seconds": recorded(0.005 * ratio), "baseline_seconds": [0.005] * 10}
    assert bare_loop.judge(seen).verdict == verdict


def test_noise_is_undecidable(recorded: Recorded) -> None:
    seen = {"candidate_seconds": recorded(0.005, noise=20), "baseline_seconds": [0.005] * 10}
    assert bare_loop.judge(seen).verdict == "undecidable"


def test_an_empty_record_fails() -> None:
    assert bare_loop.judge({}).verdict == "fails"


@pytest.mark.usefixtures("_torch_as_it_was", "_short_turns")
def test_a_harness_that_says_thrice_the_time_fails(
    monkeypatch: pytest.MonkeyPatch, make_pool: Callable[..., Any]
) -> None:
    run_block = Worker.run_block

    def exaggerated(worker: Worker, steps: int, lead_steps: int = 0) -> Block:
        block = run_block(worker, steps, lead_steps)
        block.samples_seconds["step"][:] = [3 * seconds for seconds in block.samples_seconds["step"]]
        return block

    monkeypatch.setattr(Worker, "run_block", exaggerated)
    finding = bare_loop.run(make_pool())
    assert finding.verdict == "fails"
    assert finding.interval is not None
    assert 2 < finding.interval.value < 4


@pytest.mark.usefixtures("_torch_as_it_was")
def test_the_bare_loop_trains_the_same_model() -> None:
    worker = _turns.prepared()
    before = [parameter.clone() for parameter in worker.step.model.parameters()]
    seconds = bare_loop.bare(worker.step)(3)
    assert len(seconds) == 3
    assert min(seconds) > 0
    after = list(worker.step.model.parameters())
    assert not any(old.equal(new) for old, new in zip(before, after, strict=True))
    assert all(parameter.grad is None for parameter in after)
