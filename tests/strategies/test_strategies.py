"""
The strategies: what they answer, how they wrap, and that DDP trains what one process would.

DDP is compared with one process that averages the losses of the ranks' shards; a process with the whole batch would
differ in the statistics of BatchNorm, which are therefore frozen here.
"""

import dataclasses
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench import registry
from bench.case import Case
from bench.measuring import arithmetic
from bench.measuring import worker as worker_module
from bench.measuring.device import CpuDevice
from bench.measuring.loading import load_workload
from bench.measuring.ranks import Ranks
from bench.measuring.worker import Worker
from bench.precisions import PRECISIONS
from bench.strategies._autocast import AutocastForward
from bench.strategies._base import Strategy
from bench.workload import Workload
from tests.launch import DEADLINE_SECONDS, run_ranks

NUM_RANKS = 2
NUM_STEPS = 3
SEED = 5
RELATIVE_TOLERANCE = 2e-6
"""
Of a parameter's norm. Only the order of additions differs: mlp, cnn and lstm come out equal to the bit here, and the
transformer, whose tied weight adds up four gradients, differs by at most 4e-7 (in a bias that began at zero).
"""
WORKLOADS = ("mlp", "cnn", "transformer", "lstm")
BATCH_SIZE = 4
CPU = torch.device("cpu")


def _with_sgd(name: str) -> Workload:
    """
    Return the small size of a built-in workload, trained by SGD.

    AdamW divides each gradient by its own size, so that where a gradient is near zero, a difference in its last bit
    becomes one of a whole learning rate: that would test AdamW, not DDP.
    """
    workload = load_workload(f"{name}:small")
    return dataclasses.replace(workload, optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.05))


def mlp() -> Workload:
    return _with_sgd("mlp")


def cnn() -> Workload:
    return _with_sgd("cnn")


def transformer() -> Workload:
    return _with_sgd("transformer")


def lstm() -> Workload:
    return _with_sgd("lstm")


def _freeze_statistics(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def _train_as_ranks(rank: int, folder: str) -> None:
    """Train every workload as the worker of one rank does, and leave the parameters before and after."""
    torch.set_num_threads(1)
    workers = []
    for name in WORKLOADS:
        case = Case(
            workload=f"{__file__}:{name}",
            device="cpu",
            strategy="ddp",
            precision="fp32",
            batch_size=BATCH_SIZE,
            num_devices=NUM_RANKS,
            seed=SEED,
        )
        rendezvous = Path(folder) / f"rendezvous-{name}"
        worker = Worker(case, rank=rank, rendezvous=rendezvous, deadline_seconds=DEADLINE_SECONDS)
        worker._build()
        _freeze_statistics(worker.built.workload.model)
        before = _copy_of_parameters(worker.built.workload.model)
        for _ in range(NUM_STEPS):
            worker.step.run(lambda: None)
        after = _copy_of_parameters(worker.built.workload.model)
        torch.save({"before": before, "after": after}, Path(folder) / f"{name}-{rank}.pt")
        worker.ranks.leave()
        workers.append(worker)
    os._exit(0)  # as the worker's process does, see bench.measuring.process: freeing DDP's reducer can hang


def _copy_of_parameters(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def _train_alone(name: str, shards: Iterable[int] = range(NUM_RANKS)) -> dict[str, Tensor]:
    """Return the parameters after one process averaged the losses of the *shards*, seeded as the worker's ranks are."""
    torch.manual_seed(SEED)
    workload = _with_sgd(name)
    _freeze_statistics(workload.model)
    batches = []
    for rank in shards:
        torch.manual_seed(SEED + 1 + rank)
        batches.append(workload.make_batch(BATCH_SIZE))
    assert workload.optimizer is not None
    optimizer = workload.optimizer(workload.model.parameters())
    for _ in range(NUM_STEPS):
        losses = torch.stack([workload.compute_loss(workload.model, batch) for batch in batches])
        torch.autograd.backward(losses.mean())
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return _copy_of_parameters(workload.model)


def _largest_difference(ones: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    """Return the largest relative difference of any parameter."""
    assert ones.keys() == others.keys()
    return max(float((ones[name] - others[name]).norm() / others[name].norm().clamp_min(1e-12)) for name in ones)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train all workloads in one launch of two processes, which end or are killed at the deadline."""
    folder = tmp_path_factory.mktemp("ddp")
    run_ranks(_train_as_ranks, str(folder), num_ranks=NUM_RANKS)
    return folder


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.set_num_threads(1)  # as in the ranks, so that sums are added in the same order
    with torch.random.fork_rng(devices=[]):
        yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
    torch.set_num_threads(threads)


def _saved(folder: Path, name: str, rank: int, when: str) -> dict[str, Tensor]:
    saved: dict[str, dict[str, Tensor]] = torch.load(folder / f"{name}-{rank}.pt")
    return saved[when]


@pytest.mark.parametrize("name", WORKLOADS)
def test_two_ddp_ranks_train_what_one_process_trains_that_averages_their_losses(trained: Path, name: str) -> None:
    after = _saved(trained, name, 0, "after")
    assert _largest_difference(after, _train_alone(name)) <= RELATIVE_TOLERANCE


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_comparison_would_see_a_rank_that_trains_on_its_own_shard_alone(trained: Path, name: str) -> None:
    after = _saved(trained, name, 0, "after")
    assert _largest_difference(after, _train_alone(name, shards=[0])) > 100 * RELATIVE_TOLERANCE


@pytest.mark.parametrize("name", WORKLOADS)
def test_ddp_ranks_begin_and_end_with_the_same_parameters_and_every_one_of_them_moves(trained: Path, name: str) -> None:
    before, after = (_saved(trained, name, 0, when) for when in ("before", "after"))
    other_before, other_after = (_saved(trained, name, 1, when) for when in ("before", "after"))
    assert _largest_difference(before, other_before) == 0.0
    assert _largest_difference(after, other_after) == 0.0
    assert [key for key in before if torch.equal(before[key], after[key])] == []


def _strategy(name: str) -> Strategy:
    strategy: Strategy = registry.load("strategies", name).STRATEGY
    return strategy


def test_the_strategies_are_found_by_the_names_of_their_files() -> None:
    assert set(registry.names("strategies")) >= {"single", "data_parallel", "ddp"}


@pytest.mark.parametrize(
    ("name", "device_type", "found", "usual"),
    [
        ("single", "cpu", 1, 1),
        ("single", "cuda", 8, 1),
        ("data_parallel", "cuda", 8, 8),
        ("data_parallel", "cuda", 1, 2),  # one device would be no test of it: the row says that two are needed
        ("data_parallel", "cuda", 0, 2),
        ("ddp", "cuda", 8, 8),
        ("ddp", "cuda", 1, 2),
        ("ddp", "cpu", 1, 2),
        ("ddp", "cpu", 64, 2),
    ],
)
def test_a_case_that_does_not_say_takes_the_usual_number_of_devices(
    name: str, device_type: str, found: int, usual: int
) -> None:
    assert _strategy(name).usual_num_devices(device_type, found) == usual


@pytest.mark.parametrize(
    ("name", "axes", "sentence"),
    [
        ("single", {"device": "cpu"}, None),
        ("single", {"device": "cuda:1"}, None),
        (
            "single",
            {"device": "cuda", "num_devices": 2},
            "single uses one device; take data_parallel or ddp for 2",
        ),
        ("data_parallel", {"device": "cuda:1", "num_devices": 2}, None),
        (
            "data_parallel",
            {"device": "cpu", "num_devices": 2},
            "DataParallel on cpu is the plain module; it copies models between GPUs only",
        ),
        (
            "data_parallel",
            {"device": "xpu", "num_devices": 2},
            "DataParallel on xpu is the plain module; it copies models between GPUs only",
        ),
        (
            "data_parallel",
            {"device": "cuda", "num_devices": 1},
            "DataParallel on one device is the plain module; take single, or more devices",
        ),
        ("ddp", {"device": "cpu", "num_devices": 2}, None),
        ("ddp", {"device": "cuda", "num_devices": 4}, None),
        ("ddp", {"device": "mps", "num_devices": 2}, "torch.distributed has no backend for mps"),
    ],
)
def test_a_combination_that_makes_no_sense_is_refused_in_one_sentence(
    make_case: Callable[..., Case], name: str, axes: dict[str, Any], sentence: str | None
) -> None:
    assert _strategy(name).unsupported(make_case(strategy=name, **axes)) == sentence


@pytest.mark.parametrize(("name", "num_processes"), [("single", 1), ("data_parallel", 1), ("ddp", 3)])
def test_only_ddp_has_a_process_for_every_device(make_case: Callable[..., Case], name: str, num_processes: int) -> None:
    case = make_case(strategy=name, device="cuda", num_devices=1 if name == "single" else 3)
    assert _strategy(name).num_processes(case) == num_processes
    assert _strategy(name).distributed == (name == "ddp")


def test_single_trains_the_bare_model() -> None:
    model = nn.Linear(2, 2)
    assert _strategy("single").wrap(model, [CPU], _bf16) is model
    assert _strategy("single").extra_bytes(model) == 0


def test_ddp_keeps_a_second_copy_of_the_gradients_in_its_buckets() -> None:
    model = nn.Sequential(nn.Linear(10, 5), nn.Linear(5, 1))
    model[1].requires_grad_(False)
    assert _strategy("ddp").extra_bytes(model) == (10 * 5 + 5) * 4


class Wrapped(nn.Module):
    """Stands in for torch's wrappers and keeps what they were given."""

    def __init__(self, module: nn.Module, **arguments: Any) -> None:
        super().__init__()
        self.module = module
        self.arguments = arguments

    def forward(self, *inputs: Any) -> Any:
        return self.module(*inputs)


def _bf16() -> Any:
    return torch.autocast("cpu", dtype=torch.bfloat16)


def test_data_parallel_gets_the_devices_by_index_and_gathers_on_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn, "DataParallel", Wrapped)
    devices = [torch.device("cuda", index) for index in (1, 2, 3)]
    model = nn.Linear(2, 2)
    wrapped = _strategy("data_parallel").wrap(model, devices, _bf16)
    assert isinstance(wrapped, Wrapped)
    assert wrapped.arguments == {"device_ids": [1, 2, 3], "output_device": torch.device("cuda", 1)}
    assert isinstance(wrapped.module, AutocastForward)
    assert wrapped.module.module is model


@pytest.mark.parametrize(("device", "device_ids"), [(CPU, None), (torch.device("cuda", 2), [torch.device("cuda", 2)])])
def test_ddp_gets_its_one_accelerator_and_no_device_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, device: torch.device, device_ids: list[torch.device] | None
) -> None:
    monkeypatch.setattr("torch.nn.parallel.DistributedDataParallel", Wrapped)
    wrapped = _strategy("ddp").wrap(nn.Linear(2, 2), [device], _bf16)
    assert isinstance(wrapped, Wrapped)
    assert wrapped.arguments == {"device_ids": device_ids}


class SeesAutocast(nn.Module):
    """Notes under which autocast its forward pass runs."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[bool, torch.dtype]] = []

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen.append((torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")))
        return inputs


def _seen_in_a_thread(module: nn.Module, seen: SeesAutocast) -> tuple[bool, torch.dtype]:
    """Run *module* as DataParallel runs a replica: in a thread of its own."""
    thread = threading.Thread(target=module, args=(torch.ones(1),))
    thread.start()
    thread.join()
    return seen.seen[-1]


def test_a_replicas_thread_computes_in_the_dtype_of_the_precision() -> None:
    inner = SeesAutocast()
    for precision, dtype in [("amp_fp16", torch.float16), ("amp_bf16", torch.bfloat16)]:
        replica = AutocastForward(inner, arithmetic.autocast_for(PRECISIONS[precision], "cpu"))
        assert _seen_in_a_thread(replica, inner) == (True, dtype)


def test_without_it_a_replicas_thread_has_neither_the_autocast_nor_the_dtype_of_the_main_thread() -> None:
    inner = SeesAutocast()
    with torch.autocast("cpu", dtype=torch.float16):
        in_main_thread = (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"))
        in_replica = _seen_in_a_thread(inner, inner)
    assert in_main_thread == (True, torch.float16)
    assert in_replica == (False, torch.bfloat16)  # the CPU's default, where the main thread's is another one


def test_a_replicas_autocast_is_off_without_amp_and_over_after_forward() -> None:
    inner = SeesAutocast()
    replica = AutocastForward(inner, arithmetic.autocast_for(PRECISIONS["fp32"], "cpu"))
    assert _seen_in_a_thread(replica, inner)[0] is False
    AutocastForward(inner, _bf16)(torch.ones(1))
    assert not torch.is_autocast_enabled("cpu")


def _built(monkeypatch: pytest.MonkeyPatch, case: Case, rank: int = 0) -> Worker:
    """Return a worker that has built *case* on the CPU in the place of its devices, with torch's wrappers faked."""
    monkeypatch.setattr(nn, "DataParallel", Wrapped)
    monkeypatch.setattr("torch.nn.parallel.DistributedDataParallel", Wrapped)
    monkeypatch.setattr(worker_module, "devices_of", lambda case, rank, *, distributed: CpuDevice())
    monkeypatch.setattr(
        worker_module, "join_ranks", lambda rank, world_size, *rest: Ranks(rank=rank, world_size=world_size)
    )
    worker = Worker(case, rank=rank, rendezvous=Path("unused"), deadline_seconds=1.0)
    worker._build()
    return worker


def test_under_data_parallel_one_batch_of_the_global_size_is_made(
    monkeypatch: pytest.MonkeyPatch, make_case: Callable[..., Case]
) -> None:
    case = make_case(workload="mlp:small", device="cuda", strategy="data_parallel", batch_size=4, num_devices=3)
    worker = _built(monkeypatch, case)
    assert isinstance(worker.step.model, Wrapped)
    assert worker.step.batch[0].shape[0] == 12


def test_under_ddp_every_rank_makes_its_own_batch_of_its_share(
    monkeypatch: pytest.MonkeyPatch, make_case: Callable[..., Case]
) -> None:
    case = make_case(workload="mlp:small", device="cuda", strategy="ddp", batch_size=4, num_devices=3)
    workers = [_built(monkeypatch, case, rank) for rank in range(3)]
    inputs = [worker.step.batch[0] for worker in workers]
    assert [batch.shape[0] for batch in inputs] == [4, 4, 4]
    assert not torch.equal(inputs[0], inputs[1])
    assert not torch.equal(inputs[1], inputs[2])
    assert [worker.ranks.world_size for worker in workers] == [3, 3, 3]


def test_a_single_device_makes_one_batch_of_the_batch_size(
    monkeypatch: pytest.MonkeyPatch, make_case: Callable[..., Case]
) -> None:
    worker = _built(monkeypatch, make_case(workload="mlp:small", batch_size=4))
    assert worker.step.batch[0].shape[0] == 4
