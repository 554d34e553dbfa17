"""The worker, in this process, on workloads so small that a step takes microseconds."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bench.case import Case
from bench.measuring import building, extras, incidents
from bench.measuring import worker as worker_module
from bench.measuring.clock import Window
from bench.measuring.incidents import State
from bench.measuring.ranks import Ranks
from bench.measuring.training_step import StepError
from bench.measuring.warm_up import CPU_PLAN, warm_up
from bench.measuring.worker import UNSETTLED_NOTE, NonFiniteLossError, Worker, measure
from bench.result import Measurement

pytestmark = pytest.mark.usefixtures("torch_as_it_was")

FOREVER = 1e6
PARAMETERS = 8 * 4 + 4
BATCH_SIZE = 6

SOURCE = """
import time
import torch

def make_batch(batch_size):
    return torch.randn(batch_size, 8), torch.randn(batch_size, 4)

def compute_loss(model, batch):
    return torch.nn.functional.mse_loss(model(batch[0]), batch[1])

def tiny():
    return torch.nn.Linear(8, 4), make_batch, compute_loss

def nan():
    return torch.nn.Linear(8, 4), make_batch, lambda model, batch: compute_loss(model, batch) * float("nan")

def diverges():
    steps = []
    def loss(model, batch):
        steps.append(None)
        return compute_loss(model, batch) / (len(steps) < 13)
    return torch.nn.Linear(8, 4), make_batch, loss

def vector():
    return torch.nn.Linear(8, 4), make_batch, lambda model, batch: model(batch[0]).mean(dim=1)

def raises():
    def loss(model, batch):
        raise ValueError("the labels are wrong")
    return torch.nn.Linear(8, 4), make_batch, loss

def slow():
    def loss(model, batch):
        time.sleep(0.05)
        return compute_loss(model, batch)
    return torch.nn.Linear(8, 4), make_batch, loss

def busy():
    def loss(model, batch):
        end = time.process_time() + 0.002
        while time.process_time() < end:
            pass
        return compute_loss(model, batch)
    return torch.nn.Linear(8, 4), make_batch, loss

def drops_out():
    return torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Dropout(0.5)), make_batch, compute_loss

def tokens():
    import bench
    model = torch.nn.Linear(8, 4)
    sgd = lambda parameters: torch.optim.SGD(parameters, lr=0.5)
    return bench.Workload(model=model, make_batch=make_batch, compute_loss=compute_loss, item="token",
                          items_per_sample=16, optimizer=sgd)

def eager_for_tf32():
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    return tiny()

def frozen():
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 4))
    model[0].requires_grad_(False)
    model.eval()
    return model, make_batch, compute_loss
"""

Make = Callable[..., Worker]


@pytest.fixture
def make(tmp_path: Path, make_case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return the maker of a worker for a function of the file above."""
    path = tmp_path / "workloads_of_test_worker.py"
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)  # undone afterwards, and with it what loading adds

    def make_worker(function: str = "tiny", **axes: Any) -> Worker:
        case = make_case(workload=f"{path}:{function}", **{"batch_size": BATCH_SIZE, **axes})
        return Worker(case, rank=0, rendezvous=tmp_path / "rendezvous", deadline_seconds=FOREVER)

    return make_worker


def _measured(worker: Worker, *, with_extras: bool = False) -> Measurement:
    now_ns = time.monotonic_ns()
    seen = measure(worker, ordered_at_ns=now_ns, start_seconds=0.02, deadline_seconds=FOREVER)
    return extras.with_extras(worker, seen, FOREVER) if with_extras else seen


@pytest.mark.parametrize("precision", ["fp32", "amp_bf16", "amp_fp16"])
def test_prepare_run_block_and_finish_give_a_measurement_that_agrees_with_itself(make: Make, precision: str) -> None:
    worker = make(precision=precision)
    worker.prepare()
    block = worker.run_block(20)
    seen = worker.finish(block, start_seconds=0.02)
    assert seen.clock == "host"
    assert seen.window_steps == 20
    assert set(seen.samples_seconds) == {"forward", "backward", "optimizer", "step"}
    assert {len(values) for values in seen.samples_seconds.values()} == {20}
    assert sum(seen.samples_seconds["step"]) == pytest.approx(seen.window_seconds, abs=1e-7)
    phases = zip(*(seen.samples_seconds[phase] for phase in ("forward", "backward", "optimizer")), strict=True)
    assert [sum(step) for step in phases] == pytest.approx(seen.samples_seconds["step"], abs=3e-9)
    assert seen.rank_window_seconds == (seen.window_seconds,)
    assert seen.parameters == PARAMETERS
    assert seen.final_loss < seen.first_loss
    assert (seen.item, seen.items_per_sample) == ("sample", 1)
    assert seen.num_threads == 1
    assert seen.start_seconds == 0.02
    assert seen.build_seconds > 0


def test_the_first_step_and_the_warm_up_are_recorded_apart_from_the_window(make: Make) -> None:
    worker = make()
    seen = _measured(worker)
    warm_up = seen.warmup_seconds["step"]
    assert len(warm_up) == 10
    assert seen.first_step_seconds == pytest.approx(warm_up[0], abs=1e-8)
    assert sum(warm_up) <= seen.warmup_total_seconds
    assert {len(values) for values in seen.warmup_seconds.values()} == {10}


def test_the_first_loss_is_that_of_the_untrained_model(make: Make) -> None:
    worker, fresh = make(), make()
    worker.prepare()
    fresh._build()
    loss = fresh.built.workload.compute_loss(fresh.built.workload.model, fresh.step.batch)
    assert worker.first_loss == pytest.approx(loss.item(), rel=1e-6)


def test_an_ordinary_visit_times_between_15_and_300_steps(make: Make) -> None:
    assert 8 <= _measured(make()).window_steps <= 300


def test_a_visit_with_little_time_left_times_few_steps(make: Make) -> None:
    # Ten steps of warm-up take 0.5 s, so 0.1 s are left, of which six tenths may be used.
    now_ns = time.monotonic_ns()
    seen = measure(make("slow"), ordered_at_ns=now_ns, start_seconds=0.0, deadline_seconds=0.65)
    assert 1 <= seen.window_steps <= 2


def test_the_window_is_the_wall_clocks(make: Make) -> None:
    worker = make("slow")
    worker.prepare()
    started = time.perf_counter()
    block = worker.run_block(4)
    elapsed = time.perf_counter() - started
    assert 4 * 0.05 <= block.wall_seconds <= elapsed
    assert min(block.samples_seconds["forward"]) >= 0.05


def test_the_wall_runs_from_the_first_rank_that_leaves_the_barrier_to_the_last_that_ends(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make()
    worker.prepare()
    second = 1_000_000_000

    def gather(ranks: Ranks, values: Sequence[int]) -> list[list[int]]:
        return [list(values), [1 * second, 12 * second, *values[2:]], [2 * second, 3 * second, *values[2:]]]

    monkeypatch.setattr(Ranks, "gather", gather)
    window = Window(start_ns=4 * second, end_ns=9 * second, interval_seconds=())
    monkeypatch.setattr(worker.clock, "end", lambda: window)
    block = worker.run_block(1)
    assert block.wall_seconds == 11.0
    assert block.rank_seconds == (5.0, 11.0, 1.0)


@pytest.mark.parametrize("function", ["nan", "diverges"])
def test_a_loss_that_is_no_number_fails_the_case_at_once_or_later(make: Make, function: str) -> None:
    with pytest.raises(NonFiniteLossError, match=r"the loss is (nan|inf) on rank 0"):
        _measured(make(function))


def test_a_workload_that_cannot_be_trained_is_told_why(make: Make) -> None:
    with pytest.raises(StepError, match=rf"compute_loss returned shape \({BATCH_SIZE},\)"):
        make("vector").prepare()


def test_what_the_workload_raises_comes_through(make: Make) -> None:
    with pytest.raises(ValueError, match="the labels are wrong"):
        make("raises").prepare()


def test_the_same_seed_gives_the_same_losses_and_another_seed_others(make: Make) -> None:
    first, again, other = (_trained_losses(make(seed=seed)) for seed in (3, 3, 4))
    assert first == again
    assert set(first).isdisjoint(other)


def test_precisions_start_from_the_same_parameters_and_batch(make: Make) -> None:
    full, half = make(precision="fp32"), make(precision="amp_bf16")
    full._build()
    half._build()
    for one, same in zip(full.built.workload.model.parameters(), half.built.workload.model.parameters(), strict=True):
        assert torch.equal(one, same)
    assert torch.equal(full.step.batch[0], half.step.batch[0])


def _trained_losses(worker: Worker) -> list[float]:
    worker.prepare()
    losses = []
    for _ in range(3):
        worker.run_block(1)
        losses.append(worker._check_loss())
    return losses


def test_the_workload_may_bring_its_optimizer_and_its_item(make: Make) -> None:
    worker = make("tokens")
    seen = _measured(worker)
    assert (seen.item, seen.items_per_sample) == ("token", 16)
    assert isinstance(worker.step.optimizer, torch.optim.SGD)


def test_the_usual_optimizer_is_fused_adamw(make: Make) -> None:
    worker = make()
    worker._build()
    assert isinstance(worker.step.optimizer, torch.optim.AdamW)
    assert worker.step.optimizer.defaults["fused"]


def test_the_model_trains_and_frozen_parameters_are_counted_but_not_optimized(make: Make) -> None:
    worker = make("frozen")
    worker._build()
    assert worker.built.workload.model.training
    optimized = sum(parameter.numel() for group in worker.step.optimizer.param_groups for parameter in group["params"])
    assert optimized == PARAMETERS
    assert _measured(worker).parameters == 8 * 8 + 8 + PARAMETERS


def test_memory_is_asked_for_or_empty_and_never_zero(make: Make) -> None:
    without, with_extras = _measured(make()), _measured(make(), with_extras=True)
    assert (without.peak_allocated_bytes, without.memory_source) == (None, None)
    assert without.peak_reserved_bytes is None
    assert with_extras.memory_source == "allocator"
    assert with_extras.peak_allocated_bytes is not None
    state = 3 * PARAMETERS * 4 + 2 * 4 + BATCH_SIZE * (8 + 4) * 4  # parameters, two moments, step counts, batch
    gradients_and_output = (PARAMETERS + BATCH_SIZE * 4) * 4
    assert state + gradients_and_output <= with_extras.peak_allocated_bytes <= state + 4 * gradients_and_output


def test_the_extra_steps_leave_the_final_loss_alone(make: Make) -> None:
    worker = make()
    worker.prepare()
    block = worker.run_block(3)
    loss = worker._check_loss()
    assert extras.with_extras(worker, worker.finish(block, start_seconds=0.0), FOREVER).final_loss == loss


def test_the_largest_peak_of_all_ranks_counts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = make()
    worker.prepare()
    block = worker.run_block(1)

    def gather(ranks: Ranks, values: Sequence[int]) -> list[list[int]]:
        return [[5, -1, 70], [9, -1, 30]] if len(values) == 3 else [list(values)]

    monkeypatch.setattr(Ranks, "gather", gather)
    seen = worker.finish(block, start_seconds=0.0)
    assert (seen.peak_allocated_bytes, seen.peak_reserved_bytes, seen.process_peak_bytes) == (9, None, 70)


def test_a_pageable_batch_is_moved_in_a_phase_of_its_own(make: Make) -> None:
    samples = _measured(make(input="pageable")).samples_seconds
    assert set(samples) == {"h2d", "forward", "backward", "optimizer", "step"}


@pytest.mark.parametrize(("loop", "host_syncs"), [("clean", 0), ("item", 1), ("numpy", 0)])  # .cpu() is free on a CPU
def test_a_loop_that_reads_the_loss_is_timed_as_a_whole_and_counted(make: Make, loop: str, host_syncs: int) -> None:
    seen = _measured(make(loop=loop), with_extras=True)
    assert set(seen.samples_seconds) - {"read"} == {"forward", "backward", "optimizer", "step"}
    assert ("read" in seen.samples_seconds) == (loop != "clean")
    assert sum(seen.samples_seconds["step"]) == pytest.approx(seen.window_seconds, abs=1e-6)
    assert seen.counters is not None
    assert (seen.counters.host_syncs, seen.counters.optimizer_host_syncs) == (host_syncs, 0)
    assert seen.notes == ()


def test_the_worker_stops_where_all_ranks_stop(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def agree(ranks: Ranks, value: int) -> int:
        asked.append(value)
        return 17 if len(asked) == 4 else value  # the fourth question is how long the window is

    monkeypatch.setattr(Ranks, "agree", agree)
    assert _measured(make()).window_steps == 17
    assert asked[:3] == [2, 7, 0]


def test_every_block_begins_at_the_common_barrier(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    worker = make()
    worker.prepare()
    monkeypatch.setattr(Ranks, "barrier", lambda ranks: calls.append("barrier"))
    begin = worker.clock.begin

    def noted_begin() -> None:
        calls.append("begin")
        begin()

    monkeypatch.setattr(worker.clock, "begin", noted_begin)
    worker.run_block(2)
    assert calls == ["barrier", "begin"]


def test_that_no_other_process_is_on_a_device_is_known_and_not_empty(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make()
    worker.prepare()
    block = worker.run_block(1)
    monkeypatch.setattr(worker.driver, "foreign_processes", lambda: 0)
    assert worker.finish(block, start_seconds=0.0).foreign_processes == 0
    monkeypatch.setattr(worker.driver, "foreign_processes", lambda: None)
    assert worker.finish(block, start_seconds=0.0).foreign_processes is None


def test_a_block_says_how_the_processor_treated_it(make: Make) -> None:
    seen = _measured(make("busy"))
    assert seen.usage is not None
    assert seen.usage.cpu_seconds > 0
    assert seen.usage.involuntary_switches >= 0


def test_nothing_is_left_to_drain_on_the_cpu_and_no_scaler_skips_there(make: Make) -> None:
    seen = _measured(make())
    assert (seen.drain_seconds, seen.skipped_steps, seen.allocator_retries) == (None, None, None)
    assert (seen.window_compilations, seen.foreign_processes) == (0, None)


@pytest.mark.parametrize("change", [{"scale": 2.0}, {"reserved_bytes": 9}, {"compilations": 1}, {"retries": 1}])
def test_a_block_in_which_anything_changes_is_not_settled(
    make: Make, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    worker = make()
    worker.prepare()
    calm = State(scale=1.0, reserved_bytes=8, retries=0, compilations=0)
    _look(monkeypatch, [calm, calm, calm, dataclasses.replace(calm, **change)])
    assert worker.run_block(1).is_settled
    assert not worker.run_block(1).is_settled


def _look(monkeypatch: pytest.MonkeyPatch, states: Sequence[State]) -> Iterator[State]:
    """Let the worker see *states*, one after the other, before and after each block."""
    left = iter(states)
    monkeypatch.setattr(incidents, "look", lambda step, device: next(left))
    return left


def _scales(*scales: float) -> list[State]:
    return [State(scale=scale, reserved_bytes=None, retries=None, compilations=0) for scale in scales]


def test_fp16_is_not_warm_while_its_scale_still_falls(make: Make) -> None:
    worker = make(precision="amp_fp16")
    worker._build()
    falls = iter([True] * 12)
    layer = worker.built.workload.model
    assert isinstance(layer, nn.Linear)
    layer.weight.register_hook(lambda gradient: gradient * (math.inf if next(falls, False) else 1.0))
    warm_up(CPU_PLAN, worker._warm_up_block, worker.ranks.agree)
    assert len(worker.warmup_samples["step"]) == 20  # 10, 5 in which it fell twice more, 5 in which it did not
    assert worker.step.scaler.get_scale() == 65536.0 / 2**12


def test_a_window_in_which_the_scale_changes_is_run_once_more(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = make()
    # Before and after: three blocks of warm-up, a window, another.
    left = _look(monkeypatch, _scales(*[1.0] * 6, 1.0, 2.0, 2.0, 2.0))
    assert _measured(worker).notes == ()
    assert next(left, None) is None


def test_a_window_that_never_settles_says_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = make()
    _look(monkeypatch, _scales(*[1.0] * 6, 0.0, 1.0, 2.0, 3.0))
    assert _measured(worker).notes == (UNSETTLED_NOTE,)


def test_only_the_first_steps_of_a_long_warm_up_are_kept_and_all_are_counted(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.measuring.worker.MAX_STEPS", 4)
    seen = _measured(make())
    assert seen.warmup_steps == 10
    assert {len(values) for values in seen.warmup_seconds.values()} == {4}


def test_tf32_is_as_the_precision_says_whatever_the_workloads_file_did(make: Make) -> None:
    worker = make("eager_for_tf32")
    worker._build()
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


@pytest.fixture(name="compiles_quickly")
def _compiles_quickly(monkeypatch: pytest.MonkeyPatch, forgetful_dynamo: None) -> None:
    """Let Dynamo trace and nothing be generated."""
    del forgetful_dynamo
    torch._dynamo.utils.counters.clear()

    def compiled(model: nn.Module, compile_mode: str) -> Any:
        return model if compile_mode == "eager" else torch.compile(model, backend="eager")

    monkeypatch.setattr(building, "compiled", compiled)


@pytest.mark.usefixtures("compiles_quickly")
def test_what_compiling_took_is_kept_apart_and_said_to_whoever_keeps_the_deadline(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    worker = make("slow", compile="default")  # 50 ms a step, which are not for compiling
    steps_at_marks: list[int] = []
    monkeypatch.setattr(worker, "_mark_compiling", lambda: steps_at_marks.append(worker.warmup_steps))
    seen = _measured(worker)
    assert steps_at_marks == [0, 1 + CPU_PLAN.few_steps]  # the first step compiles, the block after it does not
    assert seen.compile_seconds == pytest.approx(seen.first_step_seconds - worker.warm_step_seconds)
    assert 0 < (seen.compile_seconds or 0.0) < seen.first_step_seconds - 0.04
    assert (seen.compiles_from_nothing, seen.notes) == (True, ())


@pytest.mark.usefixtures("compiles_quickly")
def test_a_visit_that_compiled_for_long_has_the_time_and_the_steps_of_one_that_did_not(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[float, float]] = []

    def steps(startup_seconds: float, step_seconds: float, remaining_seconds: float) -> int:
        del step_seconds
        asked.append((startup_seconds, remaining_seconds))
        return 8

    monkeypatch.setattr(worker_module, "steps_per_worker", steps)
    worker = make(compile="default")
    monkeypatch.setattr(Worker, "compile_seconds", property(lambda _worker: 100.0))
    long_ago_ns = time.monotonic_ns() - 101 * 10**9
    measure(worker, ordered_at_ns=long_ago_ns, start_seconds=0.0, deadline_seconds=30.0)
    ((startup_seconds, remaining_seconds),) = asked
    assert 1 < startup_seconds < 15
    assert startup_seconds + remaining_seconds == pytest.approx(30.0)


def test_a_case_that_compiles_nothing_has_no_time_for_it(make: Make) -> None:
    assert _measured(make()).compile_seconds is None


@pytest.mark.usefixtures("compiles_quickly")
def test_a_case_of_which_nothing_is_compiled_has_none_either_and_says_so(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "compiled", lambda model, _mode: model)
    marks: list[None] = []
    worker = make(compile="default")
    monkeypatch.setattr(worker, "_mark_compiling", lambda: marks.append(None))
    seen = _measured(worker)
    assert (len(marks), seen.compile_seconds) == (2, None)
    assert seen.notes == ("torch.compile compiled nothing of this model; it ran in eager mode",)


@pytest.mark.usefixtures("compiles_quickly")
def test_a_compiled_step_that_draws_random_numbers_is_not_checked_and_no_false_alarm(make: Make) -> None:
    for function, is_checked in (("drops_out", False), ("tiny", True)):
        seen = _measured(make(function, compile="default"), with_extras=True)
        assert (seen.loss_deviation_ratio is not None) == is_checked
        assert any("draws random numbers" in note for note in seen.notes) != is_checked
    eager = _measured(make("drops_out"), with_extras=True)
    assert eager.loss_deviation_ratio == pytest.approx(0.0, abs=1e-6)
