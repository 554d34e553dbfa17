"""What happens in the middle of a block: made to happen in the real worker, and worked out by hand."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.case import Case
from bench.flags import raised_by
from bench.measuring import incidents
from bench.measuring.incidents import Incidents, State
from bench.measuring.worker import UNSETTLED_NOTE, Worker
from bench.result import CaseResult, Measurement

pytestmark = pytest.mark.usefixtures("torch_as_it_was")

WARM_UP_STEPS = 10
"""Of the worker on a CPU: the first step, and nine until nothing changes."""
CALM = State(scale=65536.0, reserved_bytes=None, retries=None, compilations=0)

SOURCE = f"""
import torch

def make_batch(batch_size):
    return torch.randn(batch_size, 8), torch.randn(batch_size, 4)

def compute_loss(model, batch):
    return torch.nn.functional.mse_loss(model(batch[0]).float(), batch[1])

def tiny():
    return torch.nn.Linear(8, 4), make_batch, compute_loss

def overflows():
    # In the third and the fourth step after the warm-up the loss is finite, and its product with the scale is not.
    steps = []
    def loss(model, batch):
        steps.append(None)
        return compute_loss(model, batch) * (1e36 if len(steps) in ({WARM_UP_STEPS} + 3, {WARM_UP_STEPS} + 4) else 1.0)
    return torch.nn.Linear(8, 4), make_batch, loss

def changes_shape():
    steps = []
    compiled = torch.compile(torch.nn.Linear(8, 4), backend="eager", dynamic=False)
    def loss(model, batch):
        steps.append(None)
        rows = 6 if len(steps) <= {WARM_UP_STEPS} else 6 - len(steps) % 3
        return compute_loss(model, (batch[0][:rows], batch[1][:rows]))
    return compiled, make_batch, loss
"""

Make = Callable[..., Worker]


@pytest.fixture
def make(tmp_path: Path, make_case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return the maker of a warm worker for a function of the file above."""
    path = tmp_path / "workloads_of_test_incidents.py"
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)  # undone afterwards, and with it what loading adds

    def make_worker(function: str, precision: str = "fp32") -> Worker:
        case = make_case(workload=f"{path}:{function}", precision=precision, batch_size=6)
        worker = Worker(case, rank=0, rendezvous=tmp_path / "rendezvous", deadline_seconds=1e6)
        worker.prepare()
        assert worker.warmup_steps == WARM_UP_STEPS
        return worker

    return make_worker


def _measured(worker: Worker, steps: int) -> Measurement:
    return worker.finish(worker.run_block(steps), start_seconds=0.0)


def _flags(worker: Worker, measurement: Measurement) -> tuple[str, ...]:
    return raised_by(CaseResult(case=worker.case, round=0, status="ok", measurement=measurement))


def test_steps_that_the_scaler_leaves_out_are_counted_and_flagged(make: Make) -> None:
    worker = make("overflows", precision="amp_fp16")
    seen = _measured(worker, 10)
    assert seen.skipped_steps == 2
    assert worker.step.scaler.get_scale() == 65536.0 / 2**2
    assert UNSETTLED_NOTE in seen.notes
    assert "skipped_steps" in _flags(worker, seen)
    assert _measured(worker, 10).skipped_steps == 0


def test_a_step_that_overflows_without_a_scaler_is_none_that_was_left_out(make: Make) -> None:
    assert _measured(make("tiny"), 3).skipped_steps is None
    assert _measured(make("tiny", precision="amp_bf16"), 3).skipped_steps is None


def test_retries_of_the_allocator_are_those_of_the_block(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = make("tiny")
    retries = iter([3, 5, 5, 5])
    monkeypatch.setattr(worker.device, "allocator_retries", lambda: next(retries))
    troubled, calm = _measured(worker, 3), _measured(worker, 3)
    assert (troubled.allocator_retries, calm.allocator_retries) == (2, 0)
    assert "allocator_retry" in _flags(worker, troubled)
    assert "allocator_retry" not in _flags(worker, calm)


@pytest.mark.usefixtures("forgetful_dynamo")
def test_what_is_compiled_inside_the_window_is_counted_and_flagged(make: Make) -> None:
    worker = make("changes_shape")
    assert incidents.num_compilations() == 1
    seen = _measured(worker, 6)
    # Six rows were compiled in the warm-up; five and four are new.
    assert seen.window_compilations == 2
    assert UNSETTLED_NOTE in seen.notes
    assert "recompiled" in _flags(worker, seen)
    again = _measured(worker, 6)
    assert again.window_compilations == 0
    assert "recompiled" not in _flags(worker, again)


def test_where_nothing_was_compiled_the_count_is_0() -> None:
    assert incidents.num_compilations() == 0


@pytest.mark.parametrize(
    ("scale", "skipped"),
    [
        (65536.0, 0),
        (131072.0, 0),  # grown after 2000 good steps
        (32768.0, 1),
        (65536.0 / 2**7, 7),
        (60000.0, 1),  # less than one halving, as where it also grew
        (0.0, 0),
    ],
)
def test_each_halving_of_the_scale_is_a_step_left_out(scale: float, skipped: int) -> None:
    after = dataclasses.replace(CALM, scale=scale)
    scaler = torch.amp.GradScaler("cpu")
    assert incidents.between(CALM, after, scaler).skipped_steps == skipped


def test_another_backoff_is_reckoned_with() -> None:
    scaler = torch.amp.GradScaler("cpu", backoff_factor=0.1)
    assert incidents.between(CALM, dataclasses.replace(CALM, scale=655.36), scaler).skipped_steps == 2


def test_between_equal_states_nothing_happened() -> None:
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    assert incidents.between(CALM, CALM, scaler) == Incidents(
        allocator_retries=None, skipped_steps=None, compilations=0
    )


def test_retries_that_are_known_at_one_moment_only_are_unknown() -> None:
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    known = dataclasses.replace(CALM, retries=4)
    assert incidents.between(CALM, known, scaler).allocator_retries is None
    assert incidents.between(known, CALM, scaler).allocator_retries is None
