"""
What only a machine with an NVIDIA GPU can show: its clock, its memory, its precisions, its ranks.

Run with ``python -m pytest -m "cuda or multi_gpu"``; elsewhere every test here is skipped.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from bench import registry
from bench.case import Case
from bench.commands import _doctor
from bench.doctor._checks import judge
from bench.flags import raised_by
from bench.measuring import arithmetic
from bench.measuring.clock import ClockError, Event, EventClock, Window
from bench.measuring.device import AcceleratorDevice
from bench.measuring.loading import load_workload
from bench.pair import Pair
from bench.precisions import PRECISIONS
from bench.result import CaseResult
from bench.running.pairs import PairPlan, PairSide, run_pair
from bench.running.pool import Place, Pool, usual_start_method
from bench.selftest._cuda import WaitingEvent
from bench.strategies._base import Strategy
from tests.launch import DEADLINE_SECONDS, run_ranks

NUM_GPUS = torch.cuda.device_count() if torch.cuda.is_available() else 0
GPU = torch.device("cuda", 0)
SLEEP_CYCLES = 100_000_000
"""About 0.05 s at 2 GHz; `torch.cuda._sleep` counts cycles, so its time is measured and never assumed."""
NUM_SLEEPS = 5
NUM_RANKS = 2
SEED = 5
BATCH_SIZE = 4
RELATIVE_TOLERANCE = 1e-5
"""Between two ranks and one process, in fp32 without TF32: other orders of addition, and atomics in the embedding."""

OUT_OF_MEMORY = """
import torch

def make_batch(batch_size):
    return torch.randn(batch_size, 8)

def greedy():
    def compute_loss(model, inputs):
        inputs.new_empty(2**42)  # 16 TiB
        return model(inputs).mean()
    return torch.nn.Linear(8, 4), make_batch, compute_loss

def modest():
    return torch.nn.Linear(8, 4), make_batch, lambda model, inputs: model(inputs).square().mean()
"""

MORE_THAN_HALF = """
import torch

held = []

def make_batch(batch_size):
    return torch.randn(batch_size, 8)

def greedy():
    def compute_loss(model, inputs):
        if not held:
            _, total = torch.cuda.mem_get_info(inputs.device)
            held.append(torch.empty(int(0.6 * total), dtype=torch.uint8, device=inputs.device))
        return model(inputs).square().mean()
    return torch.nn.Linear(8, 4), make_batch, compute_loss
"""

LOOKS = """
import torch

def make_batch(batch_size):
    return torch.randn(batch_size, 8)

def _looking(look):
    def compute_loss(model, inputs):
        loss = model(inputs).square().mean()
        look(loss.detach())
        return loss
    return torch.nn.Linear(8, 4), make_batch, compute_loss

def plain():
    return _looking(lambda loss: None)

def item():
    return _looking(lambda loss: loss.item())

def tolist():
    return _looking(lambda loss: loss.reshape(1).tolist())
"""


Test = TypeVar("Test", bound=Callable[..., None])


def needs_gpu(test: Test) -> Test:
    skip = pytest.mark.skipif(NUM_GPUS < 1, reason="needs one NVIDIA GPU, found 0")
    marked: Test = pytest.mark.cuda(skip(test))
    return marked


def needs_two_gpus(test: Test) -> Test:
    skip = pytest.mark.skipif(NUM_GPUS < 2, reason=f"needs two NVIDIA GPUs, found {NUM_GPUS}")
    marked: Test = pytest.mark.multi_gpu(skip(test))
    return marked


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1, usual_start_method(), dict(os.environ)) as started:
        yield started


def _visit(pool: Pool, case: Case) -> CaseResult:
    num_processes = _strategy(case.strategy).num_processes(case)
    return pool.visit(
        case, num_processes=num_processes, round_index=0, timeout_seconds=DEADLINE_SECONDS, with_extras=True
    )


def _strategy(name: str) -> Strategy:
    strategy: Strategy = registry.load("strategies", name).STRATEGY
    return strategy


def _skip_without_tf32(precision: str) -> None:
    needed = PRECISIONS[precision].min_cuda_capability
    if needed is not None and torch.cuda.get_device_capability(GPU) < needed:
        pytest.skip(f"{precision} needs compute capability {needed}")


# The clock


class _MissesSynchronise(AcceleratorDevice):
    """A CUDA device whose synchronise was forgotten."""

    def synchronize(self) -> None:
        pass


class _MissesSynchroniseUnnoticed(_MissesSynchronise):
    def record_event(self) -> Event:
        return WaitingEvent(super().record_event())


@pytest.fixture
def _idle_gpu() -> Iterator[None]:
    torch.cuda._sleep(SLEEP_CYCLES)  # loads the kernel, which the first call would else count
    torch.cuda.synchronize()
    yield
    torch.cuda.synchronize()


def _sleep_in_window(clock: EventClock) -> Window:
    clock.begin()
    for _ in range(NUM_SLEEPS):
        torch.cuda._sleep(SLEEP_CYCLES)
        clock.border()
    return clock.end()


@needs_gpu
@pytest.mark.usefixtures("_idle_gpu")
def test_cuda_gets_the_event_clock() -> None:
    assert isinstance(AcceleratorDevice([GPU]).clock(), EventClock)


@needs_gpu
@pytest.mark.usefixtures("_idle_gpu")
def test_the_events_agree_with_the_synchronised_host_clock() -> None:
    started = time.perf_counter()
    window = _sleep_in_window(EventClock(AcceleratorDevice([GPU])))
    elapsed = time.perf_counter() - started
    assert elapsed >= 0.1
    assert sum(window.interval_seconds) == pytest.approx(elapsed, rel=0.01)
    assert window.seconds == pytest.approx(elapsed, rel=0.01)


@needs_gpu
@pytest.mark.usefixtures("_idle_gpu")
def test_nothing_waits_inside_the_window() -> None:
    clock = EventClock(AcceleratorDevice([GPU]))
    clock.begin()
    started = time.perf_counter()
    for _ in range(NUM_SLEEPS):
        torch.cuda._sleep(SLEEP_CYCLES)
        clock.border()
    enqueued = time.perf_counter() - started
    assert enqueued < 0.1 * clock.end().seconds


@needs_gpu
@pytest.mark.usefixtures("_idle_gpu")
def test_a_planted_missing_synchronise_is_refused_by_cuda() -> None:
    with pytest.raises(RuntimeError, match=r"must be completed|not ready"):
        _sleep_in_window(EventClock(_MissesSynchronise([GPU])))


@needs_gpu
@pytest.mark.usefixtures("_idle_gpu")
def test_a_planted_missing_synchronise_is_caught_by_the_clock_where_cuda_does_not_notice() -> None:
    with pytest.raises(ClockError, match="synchronise is missing"):
        _sleep_in_window(EventClock(_MissesSynchroniseUnnoticed([GPU])))


# Cases, through the pool as an ordinary run visits them


@needs_gpu
@pytest.mark.parametrize("precision", list(PRECISIONS))
@pytest.mark.parametrize("workload", registry.names("workloads"))
def test_a_single_gpu_is_measured_in_every_precision(
    pool: Pool, make_case: Callable[..., Case], workload: str, precision: str
) -> None:
    _skip_without_tf32(precision)
    result = _visit(pool, make_case(workload=f"{workload}:small", device="cuda", precision=precision))
    assert (result.status, result.reason) == ("ok", None)
    assert result.measurement is not None
    seen = result.measurement
    assert seen.clock == "event"
    assert len(seen.samples_seconds["step"]) == seen.window_steps - 1  # the first is dropped
    assert sum(seen.samples_seconds["step"]) <= seen.window_seconds
    assert len(seen.warmup_seconds["step"]) >= 10  # at least 20 steps, less the first of every block
    assert seen.warmup_total_seconds >= 2.0
    assert seen.final_loss < seen.first_loss
    assert seen.memory_source == "allocator"
    assert seen.peak_allocated_bytes is not None
    assert seen.peak_reserved_bytes is not None
    assert seen.parameters * 4 <= seen.peak_allocated_bytes <= seen.peak_reserved_bytes
    assert seen.drain_seconds is not None
    assert 0 <= seen.drain_seconds <= seen.window_seconds
    assert seen.allocator_retries == 0
    assert (seen.skipped_steps is None) == (precision != "amp_fp16")
    assert "diverged" not in raised_by(result)
    assert seen.counters is not None
    assert (seen.counters.source, seen.counters.host_syncs) == ("dispatch", 0)
    assert seen.counters.kernels is not None
    assert seen.counters.kernels > 0
    assert seen.counters.allocated_bytes is not None
    assert seen.counters.allocated_bytes > 0


@needs_gpu
def test_one_item_is_one_host_synchronisation_and_one_tolist_too(
    pool: Pool, make_case: Callable[..., Case], tmp_path: Path
) -> None:
    path = tmp_path / "looking.py"
    path.write_text(LOOKS)
    seen = [_visit(pool, make_case(workload=f"{path}:{name}", device="cuda")) for name in ("plain", "item", "tolist")]
    counted = [result.measurement.counters for result in seen if result.measurement]
    assert [found.host_syncs for found in counted if found] == [0, 1, 1]


@needs_gpu
@pytest.mark.parametrize(("loop", "waits"), [("clean", 0), ("item", 1), ("numpy", 1)])
def test_a_loop_that_reads_the_loss_waits_once_a_step_outside_the_optimizer(
    pool: Pool, make_case: Callable[..., Case], loop: str, waits: int
) -> None:
    result = _visit(pool, make_case(workload="mlp:small", device="cuda", loop=loop))
    assert (result.status, result.reason) == ("ok", None)
    assert result.measurement is not None
    assert result.measurement.counters is not None
    assert result.measurement.counters.host_syncs == waits
    assert sum(result.measurement.samples_seconds["step"]) <= result.measurement.window_seconds


@needs_gpu
def test_a_batch_from_pinned_memory_is_moved_in_a_phase_of_its_own(pool: Pool, make_case: Callable[..., Case]) -> None:
    result = _visit(pool, make_case(workload="mlp:small", device="cuda", input="pinned"))
    assert (result.status, result.reason) == ("ok", None)
    assert result.measurement is not None
    assert "h2d" in result.measurement.samples_seconds


@needs_gpu
def test_an_allocation_that_cannot_be_is_one_oom_row_and_the_next_visit_is_well(
    pool: Pool, make_case: Callable[..., Case], tmp_path: Path
) -> None:
    path = tmp_path / "hungry.py"
    path.write_text(OUT_OF_MEMORY)
    greedy = _visit(pool, make_case(workload=f"{path}:greedy", device="cuda"))
    assert greedy.status == "oom"
    assert greedy.reason is not None
    assert "out of memory" in greedy.reason
    assert "\n" not in greedy.reason
    modest = _visit(pool, make_case(workload=f"{path}:modest", device="cuda"))
    assert (modest.status, modest.reason) == ("ok", None)


# Two sides that take turns


def _pair(pool: Pool, base: Case, head: Case, *, is_in_one_process: bool = False) -> Pair:
    place = Place(working_directory=Path.cwd())
    plan = PairPlan(
        base=PairSide(pool=pool, place=place, case=base),
        head=PairSide(pool=pool, place=place, case=head),
        stage="first",
        seconds=0.5,
        timeout_seconds=DEADLINE_SECONDS,
        is_in_one_process=is_in_one_process,
    )
    return run_pair(plan, 0, head_first=True)


def _check_took_turns(pair: Pair) -> None:
    assert (pair.status, pair.reason) == ("ok", "")
    assert pair.base is not None
    assert pair.head is not None
    assert len(pair.base.uses) == len(pair.head.uses) >= 2
    assert not any(use.allocator_retries or use.compilations for use in (*pair.base.uses, *pair.head.uses))
    assert 0.5 < pair.ratio < 2.0  # the same work twice, on whatever card


@needs_gpu
def test_two_workers_take_turns_on_one_gpu(pool: Pool, make_case: Callable[..., Case]) -> None:
    case = make_case(workload="transformer:small", device="cuda", batch_size=BATCH_SIZE)
    _check_took_turns(_pair(pool, case, case))


@needs_gpu
def test_two_modes_take_turns_in_one_process_on_one_gpu(pool: Pool, make_case: Callable[..., Case]) -> None:
    eager, other = (
        make_case(workload="mlp:small", device="cuda", batch_size=BATCH_SIZE, input=where)
        for where in ("resident", "pageable")
    )
    _check_took_turns(_pair(pool, eager, other, is_in_one_process=True))


@needs_gpu
def test_a_gpu_that_does_not_hold_both_sides_is_no_fault_of_the_head(
    pool: Pool, make_case: Callable[..., Case], tmp_path: Path
) -> None:
    path = tmp_path / "greedy.py"
    path.write_text(MORE_THAN_HALF)
    case = make_case(workload=f"{path}:greedy", device="cuda")
    assert _visit(pool, case).status == "ok"
    pair = _pair(pool, case, case)
    assert (pair.status, pair.broken) == ("oom", "")
    assert pair.reason.startswith("the device does not hold both sides at once: ")


# Two ranks on one GPU: NCCL refuses that, gloo does not


def _shard(workload_name: str, rank: int) -> tuple[nn.Module, Callable[[nn.Module], Tensor]]:
    """Return the model and the loss on the shard of *rank*, seeded as the worker's ranks are."""
    arithmetic.set_tf32(PRECISIONS["fp32"])
    torch.manual_seed(SEED)
    workload = load_workload(f"{workload_name}:small")
    torch.manual_seed(SEED + 1 + rank)
    batch = [tensor.to(GPU) for tensor in workload.make_batch(BATCH_SIZE)]
    return workload.model.to(GPU), lambda model: workload.compute_loss(model, batch)


def _gradients(model: nn.Module) -> dict[str, Tensor]:
    gradients = {}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        gradients[name] = parameter.grad.cpu()
    return gradients


def _backward_as_ranks(rank: int, folder: str, workload_name: str) -> None:
    """Run forward and backward of one rank, and leave its loss and gradients."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=NUM_RANKS)
    model, loss_of = _shard(workload_name, rank)
    wrapped = _strategy("ddp").wrap(model, [GPU], contextlib.nullcontext)
    loss = loss_of(wrapped)
    torch.autograd.backward(loss)
    torch.save({"loss": loss.item(), "gradients": _gradients(model)}, Path(folder) / f"{rank}.pt")
    dist.barrier()
    os._exit(0)  # as the worker's process does, see bench.measuring.process: freeing DDP's reducer can hang


def _losses_and_gradients(folder: Path, workload_name: str) -> list[dict[str, Any]]:
    """Return what two processes left; they end, or are killed at the deadline."""
    run_ranks(_backward_as_ranks, str(folder), workload_name, num_ranks=NUM_RANKS)
    return [torch.load(folder / f"{rank}.pt") for rank in range(NUM_RANKS)]


@pytest.fixture
def _fp32() -> Iterator[None]:
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with torch.random.fork_rng(devices=[0]):
        yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


@needs_gpu
@pytest.mark.usefixtures("_fp32")
@pytest.mark.parametrize("workload_name", ["mlp", "transformer"])
def test_losses_and_gradients_are_those_of_one_process_that_averages_the_losses(
    workload_name: str, tmp_path: Path
) -> None:
    ranks = _losses_and_gradients(tmp_path, workload_name)
    shards = [_shard(workload_name, rank) for rank in range(NUM_RANKS)]
    model = shards[0][0]
    losses = [loss_of(model) for _, loss_of in shards]
    torch.autograd.backward(torch.stack(losses).mean())
    alone = _gradients(model)
    assert [rank["loss"] for rank in ranks] == pytest.approx([loss.item() for loss in losses], rel=RELATIVE_TOLERANCE)
    for rank in ranks:
        for name, gradient in alone.items():
            difference = (rank["gradients"][name] - gradient).norm() / gradient.norm()
            assert difference <= RELATIVE_TOLERANCE, name


# Two GPUs


@needs_two_gpus
@pytest.mark.parametrize("precision", ["fp32", "amp_bf16", "amp_fp16"])
@pytest.mark.parametrize("strategy", ["data_parallel", "ddp"])
@pytest.mark.parametrize("workload", registry.names("workloads"))
def test_two_gpus_train_together(
    pool: Pool, make_case: Callable[..., Case], workload: str, strategy: str, precision: str
) -> None:
    case = make_case(
        workload=f"{workload}:small",
        device="cuda",
        strategy=strategy,
        precision=precision,
        batch_size=4,
        num_devices=2,
    )
    result = _visit(pool, case)
    assert (result.status, result.reason) == ("ok", None)
    assert result.measurement is not None
    seen = result.measurement
    assert seen.clock == "event"
    assert seen.final_loss < seen.first_loss
    assert len(seen.rank_window_seconds) == (2 if strategy == "ddp" else 1)
    assert max(seen.rank_window_seconds) <= seen.window_seconds


@needs_two_gpus
def test_the_ranks_of_two_sides_take_turns_on_two_gpus(pool: Pool, make_case: Callable[..., Case]) -> None:
    case = make_case(workload="mlp:small", device="cuda", strategy="ddp", batch_size=BATCH_SIZE, num_devices=2)
    _check_took_turns(_pair(pool, case, case))


@needs_gpu
def test_doctor_finds_the_card_its_driver_and_its_libraries_and_nothing_red() -> None:
    facts = _doctor.look(lambda _text: None)
    assert [finding for finding in judge(facts) if finding.severity == "error"] == []
    assert len(facts.cuda_devices) == NUM_GPUS
    assert facts.torch is not None
    assert (facts.torch.error, facts.driver.outcome) == ("", "ok")
    assert all((facts.driver.version, facts.torch.cudnn, facts.torch.nccl, facts.torch.architectures))
    assert {proof.device for proof in facts.proofs if proof.status == "ok"} >= {"cpu", "cuda:0"}


@needs_two_gpus
def test_replicas_compute_in_the_dtype_of_the_precision() -> None:
    devices = [torch.device("cuda", index) for index in range(2)]
    autocast = arithmetic.autocast_for(PRECISIONS["amp_bf16"], "cuda")
    wrapped = _strategy("data_parallel").wrap(nn.Linear(4, 2).to(devices[0]), devices, autocast)
    with autocast():
        output = wrapped(torch.randn(8, 4, device=devices[0]))
    assert output.dtype == torch.bfloat16
    assert output.device == devices[0]


@needs_two_gpus
def test_the_clock_waits_for_the_device_that_is_not_the_primary_one() -> None:
    devices = [torch.device("cuda", index) for index in range(2)]
    clock = EventClock(AcceleratorDevice(devices))
    with torch.cuda.device(1):
        torch.cuda._sleep(SLEEP_CYCLES)
    clock.begin()
    started = time.perf_counter()
    with torch.cuda.device(1):
        for _ in range(NUM_SLEEPS):
            torch.cuda._sleep(SLEEP_CYCLES)
    clock.border()
    window = clock.end()
    torch.cuda.synchronize(1)
    assert window.seconds == pytest.approx(time.perf_counter() - started, rel=0.01)
    assert window.seconds > 0.1
