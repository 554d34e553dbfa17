"""Counters are exact: what one more call adds is worked out, and found."""

import contextlib
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench.measuring import counters, trace
from bench.measuring.counters import SYNC_WARNING, _CountingMode
from bench.measuring.device import AcceleratorDevice, CpuDevice, Device
from bench.measuring.training_step import READS, TrainingStep
from bench.result import Counters

pytestmark = pytest.mark.usefixtures("torch_as_it_was")

MIB = 2**20
CPU = torch.device("cpu")
META = torch.device("meta")  # the other device on a machine that has only one

ComputeLoss = Callable[[nn.Module, Tensor], Tensor]


def _loss(model: nn.Module, batch: Tensor) -> Tensor:
    loss: Tensor = model(batch).square().mean()
    return loss


def _step(
    compute_loss: ComputeLoss = _loss,
    *,
    model: nn.Module | None = None,
    optimizer: type[torch.optim.SGD] = torch.optim.SGD,
    moves_batch: bool = False,
    loop: str = "clean",
) -> TrainingStep:
    """Return a step of a small model on the CPU, which has been run once."""
    torch.manual_seed(0)
    model = nn.Linear(8, 4) if model is None else model
    step = TrainingStep(
        model=model,
        batch=torch.randn(16, 8),
        compute_loss=compute_loss,
        optimizer=optimizer(model.parameters(), lr=0.01),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
        autocast=contextlib.nullcontext,
        device=CPU,
        moves_batch=moves_batch,
        read=READS[loop],
    )
    step.run(lambda: None)
    return step


def _counted(step: TrainingStep, *, is_visible_to_dispatch: bool = True) -> Counters:
    device = CpuDevice()
    events = counters.profiled(step, device, all_threads=not is_visible_to_dispatch)
    return counters.count(step, device, events, is_visible_to_dispatch=is_visible_to_dispatch)


def _with_items(number: int) -> ComputeLoss:
    def compute_loss(model: nn.Module, batch: Tensor) -> Tensor:
        loss = _loss(model, batch)
        for _ in range(number):
            loss.item()
        return loss

    return compute_loss


class WaitingSGD(torch.optim.SGD):
    """Looks at every parameter on the host, as a clipping optimizer may."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.sum().item()
        return super().step(closure)


@pytest.mark.parametrize("is_visible_to_dispatch", [True, False])
def test_one_item_more_is_one_host_synchronisation_more(is_visible_to_dispatch: bool) -> None:
    seen = [_counted(_step(_with_items(number)), is_visible_to_dispatch=is_visible_to_dispatch) for number in range(3)]
    assert [found.host_syncs for found in seen] == [0, 1, 2]
    assert [found.optimizer_host_syncs for found in seen] == [0, 0, 0]


def test_to_the_dispatch_one_item_more_is_exactly_one_operator_more() -> None:
    without, with_item = _counted(_step(_with_items(0))), _counted(_step(_with_items(1)))
    assert without.operators is not None
    assert with_item.operators == without.operators + 1
    assert with_item.source == "dispatch"


@pytest.mark.parametrize("is_visible_to_dispatch", [True, False])
def test_what_the_optimizer_waits_for_counts_apart(is_visible_to_dispatch: bool) -> None:
    step = _step(_with_items(1), optimizer=WaitingSGD)
    seen = _counted(step, is_visible_to_dispatch=is_visible_to_dispatch)
    assert (seen.host_syncs, seen.optimizer_host_syncs) == (1, 2)  # one for the weight, one for the bias


@pytest.mark.parametrize("is_visible_to_dispatch", [True, False])
@pytest.mark.parametrize("moves_batch", [False, True])
def test_what_reads_the_loss_after_the_optimizer_is_not_put_down_to_it(
    is_visible_to_dispatch: bool, moves_batch: bool
) -> None:
    step = _step(optimizer=WaitingSGD, moves_batch=moves_batch, loop="item")
    seen = _counted(step, is_visible_to_dispatch=is_visible_to_dispatch)
    assert (seen.host_syncs, seen.optimizer_host_syncs) == (1, 2)


def test_a_batch_that_is_moved_belongs_to_what_comes_before_the_optimizer() -> None:
    seen = _counted(_step(_with_items(1), optimizer=WaitingSGD, moves_batch=True))
    assert (seen.host_syncs, seen.optimizer_host_syncs) == (1, 2)


def test_one_operator_more_in_forward_adds_itself_and_its_backward() -> None:
    plain = _counted(_step()).operators
    more = _counted(_step(lambda model, batch: _loss(model, batch).neg())).operators
    assert plain is not None
    assert more == plain + 2  # neg, and the neg of its gradient


class KeepsActivations(torch.autograd.Function):
    """The identity, which allocates so many bytes more and keeps them from forward to backward."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, num_bytes: int) -> Tensor:
        ctx.save_for_backward(torch.empty(num_bytes, dtype=torch.uint8))
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        return grad_outputs[0], None


def _keeping(num_bytes: int) -> ComputeLoss:
    def compute_loss(model: nn.Module, batch: Tensor) -> Tensor:
        kept: Tensor = KeepsActivations.apply(_loss(model, batch), num_bytes)  # type: ignore[no-untyped-call]  # torch gives it no types
        return kept

    return compute_loss


def test_one_mebibyte_of_activations_more_is_exactly_1048576_bytes_more() -> None:
    # They are allocated once, in forward, and backward computes nothing with them.
    few, many = (_counted(_step(_keeping(num_bytes))).allocated_bytes for num_bytes in (MIB, 2 * MIB))
    assert few is not None
    assert many == few + 1_048_576


def test_what_is_given_back_at_once_counts_in_full() -> None:
    def compute_loss(model: nn.Module, batch: Tensor) -> Tensor:
        for _ in range(3):
            torch.empty(MIB, dtype=torch.uint8)
        return _loss(model, batch)

    plain, busy = _counted(_step()).allocated_bytes, _counted(_step(compute_loss)).allocated_bytes
    assert plain is not None
    assert busy == plain + 3 * MIB


def test_an_activation_that_needs_a_gradient_is_allocated_there_and_back() -> None:
    # relu of 16 x 4 floats: its output in forward, and the gradient of its input in backward, 256 bytes each.
    plain = _counted(_step(lambda model, batch: model(batch).square().mean())).allocated_bytes
    with_relu = _counted(_step(lambda model, batch: model(batch).relu().square().mean())).allocated_bytes
    assert plain is not None
    assert with_relu == plain + 2 * 16 * 4 * 4


@pytest.mark.parametrize("is_visible_to_dispatch", [True, False])
def test_the_same_step_gives_the_same_counters_every_time(is_visible_to_dispatch: bool) -> None:
    step = _step(_with_items(1))
    seen = [_counted(step, is_visible_to_dispatch=is_visible_to_dispatch) for _ in range(3)]
    assert seen[0] == seen[1] == seen[2]


def test_what_cannot_be_counted_here_is_empty_and_not_zero() -> None:
    seen = _counted(_step())
    assert (seen.kernels, seen.graph_breaks, seen.recompiles) == (None, None, None)
    assert (seen.collectives, seen.collective_bytes) == (0, 0)
    profiled = _counted(_step(), is_visible_to_dispatch=False)
    assert (profiled.source, profiled.collectives, profiled.collective_bytes) == ("profiler", None, None)


def test_the_profiler_sees_inner_calls_too_and_so_more_operators() -> None:
    step = _step()
    dispatched, profiled = _counted(step), _counted(step, is_visible_to_dispatch=False)
    assert dispatched.operators is not None
    assert profiled.operators is not None
    assert profiled.operators > dispatched.operators
    # Told to watch all threads, the profiler has no allocations; on the CPU no strategy uses threads.
    alone = counters.count(step, CpuDevice(), counters.profiled(step, CpuDevice()), is_visible_to_dispatch=False)
    assert alone.allocated_bytes == dispatched.allocated_bytes


class Threaded(nn.Module):
    """Computes in a thread of its own, as DataParallel's replicas do."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: list[Tensor] = []

        def compute() -> None:
            output = self.module(inputs)
            output.sum().item()
            outputs.append(output)

        thread = threading.Thread(target=compute)
        thread.start()
        thread.join()
        return outputs[0]


def test_pythons_dispatch_does_not_see_into_threads() -> None:
    assert _counted(_step(model=Threaded(nn.Linear(8, 4)))).host_syncs == 0


def test_the_profiler_counts_what_threads_do() -> None:
    seen = _counted(_step(model=Threaded(nn.Linear(8, 4))), is_visible_to_dispatch=False)
    assert (seen.source, seen.host_syncs) == ("profiler", 1)


def _breaking_once(inputs: Tensor) -> Tensor:
    doubled = inputs * 2
    torch._dynamo.graph_break()
    return doubled + 1


@pytest.mark.usefixtures("forgetful_dynamo")
def test_after_compilation_the_profiler_counts_and_graph_breaks_and_recompilations_are_known() -> None:
    broken = torch.compile(_breaking_once, backend="eager", dynamic=False)
    step = _step(lambda model, batch: _loss(model, broken(batch)))
    seen = _counted(step)
    assert (seen.source, seen.graph_breaks, seen.recompiles) == ("profiler", 1, 0)
    step.batch = torch.randn(5, 8)  # another shape: both pieces, before and after the break, are compiled again
    step.run(lambda: None)
    seen = _counted(step)
    assert seen.recompiles == 2
    assert seen.operators is not None
    assert seen.operators > 0


@pytest.mark.usefixtures("forgetful_dynamo")
def test_a_whole_graph_has_no_break() -> None:
    model: Any = torch.compile(nn.Linear(8, 4), backend="eager", dynamic=False)
    step = _step(model=model)
    seen = _counted(step)
    assert (seen.source, seen.graph_breaks, seen.recompiles) == ("profiler", 0, 0)
    step.batch = torch.randn(5, 8)
    step.run(lambda: None)
    assert _counted(step).recompiles == 1


# What is different on an accelerator, through fakes


class FakeAccelerator:
    """Like `torch.cuda`, with an allocator that hands out so many bytes between two looks."""

    def __init__(self, allocated_bytes: list[int] | None) -> None:
        self.looks = iter(allocated_bytes or [])
        if allocated_bytes is not None:
            self.memory_stats = self._memory_stats

    def synchronize(self, device: torch.device) -> None:
        pass

    def _memory_stats(self, device: torch.device) -> dict[str, int]:
        return {"allocated_bytes.all.allocated": next(self.looks)}


def _accelerator(kind: str, allocated_bytes: list[int] | None) -> Device:
    return AcceleratorDevice([torch.device(kind, 0)], FakeAccelerator(allocated_bytes))


class FakeSyncDebugMode:
    """CUDA's debug mode for synchronisations, on a machine without CUDA."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, mode: int = 0) -> None:
        self.mode: int | str = mode
        self.modes: list[int | str] = []
        monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: self.mode)
        monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", self._set)

    def _set(self, mode: int | str) -> None:
        self.mode = mode
        self.modes.append(mode)

    def synchronize(self) -> None:
        """Make the host wait, as `.tolist()` on the device would."""
        if self.mode == "warn":
            warnings.warn(
                f"called a {SYNC_WARNING} (Triggered internally at ../c10/cuda/CUDAFunctions.cpp:178.)", stacklevel=2
            )


def test_bytes_on_an_accelerator_are_those_that_its_allocator_handed_out_in_a_step() -> None:
    assert counters.count(
        _step(), _accelerator("xpu", [1000, 1700]), [], is_visible_to_dispatch=True
    ).allocated_bytes == (700)


def test_bytes_are_unknown_where_the_allocator_does_not_say() -> None:
    seen = counters.count(_step(), _accelerator("xpu", None), [], is_visible_to_dispatch=True)
    assert (seen.allocated_bytes, seen.kernels) == (None, None)


def _count_on_cuda(step: TrainingStep, events: list[trace.Event] | None = None) -> Counters:
    return counters.count(step, _accelerator("cuda", [0, 0]), events or [], is_visible_to_dispatch=True)


def test_kernels_on_cuda_are_those_of_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSyncDebugMode(monkeypatch)
    categories = ("kernel", "gpu_memcpy", "kernel", "gpu_memset", "cuda_runtime", "kernel")
    events: list[trace.Event] = [
        {"ph": "X", "cat": category, "name": f"event {number}", "ts": float(number), "dur": 1.0}
        for number, category in enumerate(categories)
    ]
    assert _count_on_cuda(_step(), events).kernels == 3
    assert _count_on_cuda(_step(), []).kernels == 0


def test_cudas_own_warnings_find_what_dispatch_does_not_see_before_the_optimizer_and_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    debug = FakeSyncDebugMode(monkeypatch)

    class Waits(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            debug.synchronize()
            return super().step(closure)

    def compute_loss(model: nn.Module, batch: Tensor) -> Tensor:
        debug.synchronize()
        debug.synchronize()
        warnings.warn("something that is none", stacklevel=1)
        return _loss(model, batch)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = _step(compute_loss, optimizer=Waits)
        seen = _count_on_cuda(step)
    assert (seen.host_syncs, seen.optimizer_host_syncs) == (2, 1)


def test_cudas_own_warnings_behind_the_optimizer_are_not_put_down_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    debug = FakeSyncDebugMode(monkeypatch)
    step = _step(loop="numpy")
    step.read = lambda loss: debug.synchronize()
    seen = _count_on_cuda(step)
    assert (seen.host_syncs, seen.optimizer_host_syncs) == (1, 0)


def test_the_debug_mode_is_as_it_was_also_after_a_step_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    debug = FakeSyncDebugMode(monkeypatch, mode=2)
    step = _step()
    _count_on_cuda(step)
    assert debug.modes == ["warn", 2]

    def fails(model: nn.Module, batch: Tensor) -> Tensor:
        raise ValueError("the step fails")

    step.compute_loss = fails
    with pytest.raises(ValueError, match="the step fails"):
        counters._sync_warnings(step)
    assert debug.modes == ["warn", 2, "warn", 2]


def _waits(device_type: str, name: str, args: tuple[Tensor, ...], out: Tensor | None, **keywords: Any) -> bool:
    return _CountingMode(device_type)._waits(name, args, keywords, out)


HERE, THERE = torch.empty(2), torch.empty(2, device=META)


@pytest.mark.parametrize(
    ("name", "args", "out", "keywords", "waits"),
    [
        ("aten::_local_scalar_dense", (THERE,), None, {}, True),
        ("aten::_local_scalar_dense", (HERE,), None, {}, False),  # as AdamW's step counts, which stay on the host
        ("aten::_to_copy", (THERE,), HERE, {}, True),
        ("aten::_to_copy", (THERE,), HERE, {"non_blocking": True}, False),
        ("aten::_to_copy", (THERE,), THERE, {}, False),
        ("aten::_to_copy", (HERE,), THERE, {}, False),
        ("aten::copy_", (HERE, THERE), HERE, {}, True),
        ("aten::copy_", (HERE, THERE), HERE, {"non_blocking": True}, False),
        ("aten::copy_", (THERE, HERE), THERE, {}, False),
        ("aten::copy_", (THERE, THERE), THERE, {}, False),
        ("aten::add", (THERE, THERE), THERE, {}, False),
    ],
)
def test_the_host_waits_for_a_scalar_and_for_a_blocking_copy_from_the_device(
    name: str, args: tuple[Tensor, ...], out: Tensor | None, keywords: dict[str, Any], waits: bool
) -> None:
    assert _waits("meta", name, args, out, **keywords) is waits


class _Arguments(TorchDispatchMode):
    """Keeps what an operator is given."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.seen: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        self.seen.append((str(func._schema.name), args, kwargs or {}))
        return func(*args, **(kwargs or {}))


def test_a_copy_into_a_host_tensor_that_is_asked_not_to_block_does_not_wait() -> None:
    with _Arguments() as mode:
        THERE.clone().copy_(HERE, non_blocking=True)
    name, (_, _, *rest), keywords = mode.seen[-1]
    # The same call the other way round, which needs a real accelerator.
    assert name == "aten::copy_"
    assert not _CountingMode("meta")._waits(name, (HERE, THERE, *rest), keywords, HERE)


def test_on_the_cpu_a_copy_is_no_wait_for_anybody() -> None:
    assert not _waits("cpu", "aten::_to_copy", (HERE,), HERE)
    assert _waits("cpu", "aten::_local_scalar_dense", (HERE,), None)
