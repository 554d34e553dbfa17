"""What is looked at after the timed window arrives, and what fails there costs a note and never the timings."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench.case import Case
from bench.measuring import counters, extras, flops
from bench.measuring.ranks import Ranks
from bench.measuring.worker import Worker
from bench.result import Measurement

pytestmark = pytest.mark.usefixtures("torch_as_it_was")

FOREVER = 1e6

SOURCE = """
import torch

def make_batch(batch_size):
    return torch.randn(batch_size, 8), torch.randn(batch_size, 4)

def compute_loss(model, batch):
    return torch.nn.functional.mse_loss(model(batch[0]), batch[1])

def tiny():
    return torch.nn.Linear(8, 4), make_batch, compute_loss
"""

LOOKED_AT = {
    *("peak_allocated_bytes", "memory_source", "counters", "extras_seconds", "notes"),
    *("loss_deviation_ratio", "gradient_norm_deviation_ratio", "step_flops", "flops_source", "telemetry"),
}


@pytest.fixture
def worker(tmp_path: Path, make_case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker of a small model, warm."""
    path = tmp_path / "workloads_of_test_extras.py"
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)  # undone afterwards, and with it what loading adds
    case = make_case(workload=f"{path}:tiny", batch_size=6)
    made = Worker(case, rank=0, rendezvous=tmp_path / "rendezvous", deadline_seconds=FOREVER)
    made.prepare()
    return made


@pytest.fixture
def measurement(worker: Worker) -> Measurement:
    measured = worker.finish(worker.run_block(3), start_seconds=0.0)
    return dataclasses.replace(measured, notes=("a note of the window",))


def _timings(measurement: Measurement) -> dict[str, object]:
    """Return all that the timed window gave."""
    fields = {field.name: getattr(measurement, field.name) for field in dataclasses.fields(measurement)}
    return {name: value for name, value in fields.items() if name not in LOOKED_AT}


def test_memory_counters_and_check_arrive_and_their_time_is_known(worker: Worker, measurement: Measurement) -> None:
    seen = extras.with_extras(worker, measurement, FOREVER)
    assert (seen.memory_source, seen.loss_deviation_ratio, seen.gradient_norm_deviation_ratio) == ("allocator", 0, 0)
    assert seen.peak_allocated_bytes is not None
    assert seen.peak_allocated_bytes > 0
    assert seen.counters is not None
    assert (seen.counters.source, seen.counters.host_syncs) == ("dispatch", 0)
    assert seen.counters.operators is not None
    assert seen.counters.operators > 0
    assert (seen.step_flops, seen.flops_source) == (4 * 6 * 8 * 4, "meta")  # forward, and the weight's gradient
    assert seen.extras_seconds > 0
    assert seen.notes == measurement.notes
    assert _timings(seen) == _timings(measurement)


def test_a_profiler_that_fails_is_a_note_and_the_check_is_made_all_the_same(
    worker: Worker, measurement: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    def profiled(step: object, device: object, **options: object) -> None:
        raise RuntimeError("Kineto is busy\nand this is a second line")

    monkeypatch.setattr(counters, "profiled", profiled)
    seen = extras.with_extras(worker, measurement, FOREVER)
    assert seen.notes == ("a note of the window", "no memory or counters: RuntimeError: Kineto is busy")
    assert (seen.counters, seen.peak_allocated_bytes, seen.memory_source) == (None, None, None)
    assert seen.loss_deviation_ratio == 0
    assert seen.extras_seconds > 0
    assert _timings(seen) == _timings(measurement)


def test_flops_that_cannot_be_counted_are_a_note_and_the_rest_stays(
    worker: Worker, measurement: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(built: object) -> None:
        raise NotImplementedError("no such operator")

    monkeypatch.setattr(flops, "count", count)
    seen = extras.with_extras(worker, measurement, FOREVER)
    assert seen.notes[-1] == "no FLOPs: NotImplementedError: no such operator"
    assert (seen.step_flops, seen.flops_source, seen.loss_deviation_ratio) == (None, None, 0)


def test_a_rank_that_failed_gathers_nothing_more_with_the_others(
    worker: Worker, measurement: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(built: object) -> None:
        raise NotImplementedError("no such operator")

    monkeypatch.setattr(flops, "count", count)
    monkeypatch.setattr(Ranks, "agree", lambda ranks, value: value)
    monkeypatch.setattr(Ranks, "gather", lambda ranks, values: [list(values)])
    worker.ranks = dataclasses.replace(worker.ranks, in_group=True)
    seen = extras.with_extras(worker, measurement, FOREVER)
    assert seen.counters is not None
    assert seen.loss_deviation_ratio is None
    assert seen.notes[-1] == "no FLOPs: NotImplementedError: no such operator"
    assert not worker.is_in_step


def test_flops_are_those_of_all_ranks(
    worker: Worker, measurement: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.ranks = dataclasses.replace(worker.ranks, world_size=3)  # in no group, so nobody waits for the others
    assert extras.with_extras(worker, measurement, FOREVER).step_flops == 3 * 4 * 6 * 8 * 4


def test_a_check_that_fails_is_a_note_and_the_counters_stay(
    worker: Worker, measurement: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deviation_of(*arguments: object) -> None:
        raise ValueError("x" * 1000)

    monkeypatch.setattr(extras, "deviation_of", deviation_of)
    seen = extras.with_extras(worker, measurement, FOREVER)
    assert seen.counters is not None
    assert seen.peak_allocated_bytes is not None
    assert (seen.loss_deviation_ratio, seen.gradient_norm_deviation_ratio) == (None, None)
    assert seen.notes[-1].startswith("no check against fp32: ValueError: xxx")
    assert len(seen.notes[-1]) == extras.NOTE_LENGTH
    assert _timings(seen) == _timings(measurement)


@pytest.mark.parametrize(("remaining_steps", "is_looked_at"), [(1.1, True), (0.9, False)])
def test_with_too_little_time_left_nothing_is_looked_at_and_a_note_says_so(
    worker: Worker, measurement: Measurement, remaining_steps: float, is_looked_at: bool
) -> None:
    worker.warm_step_seconds = 1.0
    seen = extras.with_extras(worker, measurement, remaining_steps * extras.EXTRA_STEPS)
    assert (seen.counters is not None) is is_looked_at
    if not is_looked_at:
        note = "no memory, counters, FLOPs or check: too little time was left before the deadline"
        assert seen == dataclasses.replace(measurement, notes=(*measurement.notes, note))


def test_all_ranks_look_or_none_does(worker: Worker, measurement: Measurement, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ranks, "agree", lambda ranks, value: 0)  # rank 0 has too little time
    assert extras.with_extras(worker, measurement, FOREVER).counters is None


def test_memory_is_that_of_the_fullest_rank(
    worker: Worker, measurement: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gather(ranks: Ranks, values: Sequence[int]) -> list[list[int]]:
        return [list(values), [2**40]]

    monkeypatch.setattr(Ranks, "gather", gather)
    assert extras.with_extras(worker, measurement, FOREVER).peak_allocated_bytes == 2**40


def test_on_an_accelerator_the_peak_of_the_window_stays(
    worker: Worker, measurement: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = dataclasses.replace(measurement, peak_allocated_bytes=7, memory_source="allocator")
    monkeypatch.setattr(worker.device, "is_accelerator", True)
    seen = extras.with_extras(worker, measured, FOREVER)
    assert (seen.peak_allocated_bytes, seen.memory_source) == (7, "allocator")
    assert seen.counters is not None
