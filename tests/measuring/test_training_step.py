"""One training step: what happens in which order, under which arithmetic, and what a failure is put down to."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.case import LOOPS
from bench.measuring import arithmetic
from bench.measuring.training_step import READS, StepError, TrainingStep
from bench.precisions import PRECISIONS

CPU = torch.device("cpu")
META = torch.device("meta")  # the other device on a machine that has only one
CPU_PRECISIONS = [name for name, precision in PRECISIONS.items() if "cpu" not in dict(precision.unsupported_on)]
INITIAL_SCALE = 65536.0  # GradScaler's default


class Journal:
    """What happened, in order, each with whether autocast was on."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.with_autocast: dict[str, bool] = {}

    def note(self, line: str) -> None:
        self.lines.append(line)
        self.with_autocast[line] = torch.is_autocast_enabled("cpu")

    def border(self) -> None:
        self.lines.append("border")


class Witness(torch.autograd.Function):
    """Passes its input on and notes when backward gets there, and with which gradient."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, journal: Journal, gradients: list[float]) -> Tensor:
        ctx.journal, ctx.gradients = journal, gradients
        return output.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        ctx.journal.note("backward")
        ctx.gradients.append(grad_outputs[0].item())
        return grad_outputs[0], None, None


class NotedSGD(torch.optim.SGD):
    """SGD of learning rate 1 that notes its steps."""

    def __init__(self, parameters: Iterable[nn.Parameter], journal: Journal) -> None:
        super().__init__(parameters, lr=1.0)
        self.journal = journal

    def step(self, closure: Any = None) -> Any:
        self.journal.note("optimizer")
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.journal.note(f"zero_grad(set_to_none={set_to_none})")
        super().zero_grad(set_to_none=set_to_none)


class Parts:
    """A step of one weight, with its parts at hand; the gradient of the weight is a quarter of the batch."""

    def __init__(
        self, precision: str = "fp32", *, moves_batch: bool = False, read: Callable[[Tensor], object] | None = None
    ) -> None:
        self.journal = Journal()
        self.gradients: list[float] = []
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.model.weight)
        self.scaler = arithmetic.scaler_for(PRECISIONS[precision], "cpu")
        self.step = TrainingStep(
            model=self.model,
            batch=torch.tensor([[2.0]]),
            compute_loss=self._compute_loss,
            optimizer=NotedSGD(self.model.parameters(), self.journal),
            scaler=self.scaler,
            autocast=arithmetic.autocast_for(PRECISIONS[precision], "cpu"),
            device=CPU,
            moves_batch=moves_batch,
            read=read,
        )

    def _compute_loss(self, model: nn.Module, batch: Any) -> Tensor:
        self.journal.note("forward")
        # A quarter, since a gradient of 1 times the initial scale is already infinite in float16.
        output = model(batch).float().sum() / 4
        loss: Tensor = Witness.apply(output, self.journal, self.gradients)  # type: ignore[no-untyped-call]  # torch gives it no types
        return loss


@pytest.fixture(autouse=True)
def _same_random_numbers() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("precision", CPU_PRECISIONS)
def test_forward_backward_and_optimizer_follow_each_other_with_a_border_after_each(precision: str) -> None:
    parts = Parts(precision)
    parts.step.run(parts.journal.border)
    assert parts.journal.lines == [
        *("forward", "border"),
        *("backward", "border"),
        *("optimizer", "zero_grad(set_to_none=True)", "border"),
    ]
    assert parts.step.phases == ("forward", "backward", "optimizer")


def test_a_batch_that_is_moved_every_step_has_a_phase_of_its_own_before_forward() -> None:
    parts = Parts(moves_batch=True)
    parts.step.run(parts.journal.border)
    assert parts.journal.lines[:3] == ["border", "forward", "border"]
    assert parts.journal.lines.count("border") == len(parts.step.phases) == 4
    assert parts.step.phases[0] == "h2d"


def test_a_batch_is_moved_to_the_device_in_any_nesting_and_asynchronously(monkeypatch: pytest.MonkeyPatch) -> None:
    moves: list[dict[str, Any]] = []
    moved = Tensor.to

    def to(tensor: Tensor, device: torch.device, **keywords: Any) -> Tensor:
        moves.append({"device": device, **keywords})
        return moved(tensor, device, **keywords)

    parts = Parts(moves_batch=True)
    seen: list[Any] = []
    parts.step.batch = {"inputs": [torch.tensor([[3.0]])], "name": "first"}
    parts.step.compute_loss = lambda model, batch: seen.append(batch) or model(batch["inputs"][0]).sum()  # type: ignore[func-returns-value]  # append's None leads on to the loss
    with monkeypatch.context() as patch:
        patch.setattr(Tensor, "to", to)
        parts.step.run(parts.journal.border)
    assert moves == [{"device": CPU, "non_blocking": True}]
    assert seen[0]["name"] == "first"


@pytest.mark.parametrize("moves_batch", [False, True])
def test_the_loss_is_read_behind_the_optimizers_border_and_within_the_step(moves_batch: bool) -> None:
    parts = Parts(moves_batch=moves_batch, read=lambda loss: parts.journal.note("read"))
    parts.step.run(parts.journal.border)
    assert parts.journal.lines[-5:] == ["optimizer", "zero_grad(set_to_none=True)", "border", "read", "border"]
    assert parts.journal.lines.count("border") == len(parts.step.phases)
    assert parts.step.phases[-2:] == ("optimizer", "read")


@pytest.mark.parametrize(("loop", "seen"), [("item", float), ("numpy", np.ndarray)])
def test_a_habit_reads_the_loss_of_this_step_as_people_do(loop: str, seen: type) -> None:
    read = READS[loop]
    found: list[Any] = []
    assert read is not None
    parts = Parts(read=lambda loss: found.append(read(loss)))
    for _ in range(2):
        parts.step.run(parts.journal.border)
    assert [isinstance(value, seen) for value in found] == [True, True]
    assert [float(value) for value in found] == [0.0, -0.25]  # the weight was 0, and then -0.5


def test_every_loop_has_its_way_to_read_and_a_clean_one_has_none() -> None:
    assert tuple(READS) == LOOPS
    assert READS["clean"] is None


@pytest.mark.parametrize("precision", ["amp_bf16", "amp_fp16"])
def test_autocast_is_on_in_forward_and_off_in_backward_and_optimizer(precision: str) -> None:
    parts = Parts(precision)
    parts.step.run(parts.journal.border)
    with_autocast = parts.journal.with_autocast
    assert with_autocast["forward"]
    assert not with_autocast["backward"]
    assert not with_autocast["optimizer"]


@pytest.mark.parametrize(("precision", "dtype"), [("amp_bf16", torch.bfloat16), ("amp_fp16", torch.float16)])
def test_forward_computes_in_the_dtype_of_the_precision(precision: str, dtype: torch.dtype) -> None:
    parts = Parts(precision)
    dtypes: list[torch.dtype] = []
    parts.model.register_forward_hook(lambda module, inputs, output: dtypes.append(output.dtype))
    parts.step.run(parts.journal.border)
    assert dtypes == [dtype]


def test_fp32_runs_without_autocast_and_without_a_scale() -> None:
    parts = Parts("fp32")
    parts.step.run(parts.journal.border)
    assert not any(parts.journal.with_autocast.values())
    assert parts.gradients == [1.0]
    assert parts.model.weight.item() == -0.5


def test_fp16_scales_the_loss_and_unscales_the_gradients_before_the_optimizer() -> None:
    parts = Parts("amp_fp16")
    seen: list[float] = []
    parts.model.weight.register_hook(lambda gradient: seen.append(gradient.item()))
    parts.step.run(parts.journal.border)
    assert parts.gradients == [INITIAL_SCALE]
    assert seen == [INITIAL_SCALE / 2]
    assert parts.model.weight.item() == -0.5


def test_an_infinite_gradient_skips_the_optimizer_and_halves_the_scale() -> None:
    parts = Parts("amp_fp16")
    handle = parts.model.weight.register_hook(lambda gradient: gradient * torch.inf)
    parts.step.run(parts.journal.border)
    assert "optimizer" not in parts.journal.lines
    assert parts.model.weight.item() == 0.0
    assert parts.scaler.get_scale() == INITIAL_SCALE / 2
    handle.remove()
    parts.step.run(parts.journal.border)
    assert parts.journal.lines.count("optimizer") == 1
    assert parts.model.weight.item() == -0.5


def test_gradients_are_gone_after_a_step_and_not_added_to_by_the_next() -> None:
    parts = Parts()
    for _ in range(3):
        parts.step.run(parts.journal.border)
        assert parts.model.weight.grad is None
    assert parts.model.weight.item() == -1.5


def test_the_kept_loss_holds_no_graph() -> None:
    parts = Parts()
    parts.step.run(parts.journal.border)
    assert parts.step.loss is not None
    assert not parts.step.loss.requires_grad


@pytest.mark.parametrize("precision", CPU_PRECISIONS)
def test_the_loss_falls_in_every_precision_that_runs_here(precision: str) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    step = TrainingStep(
        model=model,
        batch=(torch.randn(32, 8), torch.randint(3, (32,))),
        compute_loss=lambda model, batch: nn.functional.cross_entropy(model(batch[0]), batch[1]),
        optimizer=torch.optim.AdamW(model.parameters(), lr=1e-2),
        scaler=arithmetic.scaler_for(PRECISIONS[precision], "cpu"),
        autocast=arithmetic.autocast_for(PRECISIONS[precision], "cpu"),
        device=CPU,
        moves_batch=False,
    )
    losses = []
    for _ in range(30):
        step.run(lambda: None)
        assert step.loss is not None
        losses.append(step.loss.item())
    assert losses[-1] < 0.8 * losses[0]


class Container:
    """A batch that the suite cannot look into to move its tensors."""

    def __init__(self, inputs: Tensor) -> None:
        self.inputs = inputs
        self.name = "no tensor"


class WithOffset(nn.Module):
    """Keeps a tensor as a plain attribute, which `to` does not move."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)
        self.offset = torch.ones(2)

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.linear(inputs) + self.offset
        return output


def _step_of(
    model: nn.Module,
    batch: Any,
    compute_loss: Callable[[nn.Module, Any], Any] = lambda model, batch: model(batch).mean(),
    device: torch.device = CPU,
) -> TrainingStep:
    return TrainingStep(
        model=model.to(device),
        batch=batch,
        compute_loss=compute_loss,
        optimizer=torch.optim.SGD(model.parameters()),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
        autocast=arithmetic.autocast_for(PRECISIONS["fp32"], "cpu"),
        device=device,
        moves_batch=False,
    )


def _explanation(step: TrainingStep) -> str:
    """Return what the step's failure is put down to; the step really fails."""
    with pytest.raises((RuntimeError, TypeError, AttributeError)) as raised:
        step.run(lambda: None)
    with pytest.raises(StepError) as caught:
        step.explain_failure(step.model, raised.value)
    return str(caught.value)


def test_a_loss_that_is_no_scalar_is_named_with_its_shape() -> None:
    step = _step_of(nn.Linear(4, 2), torch.randn(3, 4), lambda model, batch: model(batch).mean(dim=1))
    assert _explanation(step) == "compute_loss returned shape (3,); a loss is a scalar tensor (take .mean())"


def test_a_loss_that_is_no_tensor_is_named_with_its_type() -> None:
    step = _step_of(nn.Linear(4, 2), torch.randn(3, 4), lambda model, batch: {"loss": model(batch).mean()})
    assert _explanation(step) == "compute_loss returned dict; a loss is a scalar tensor (take .mean())"


def test_a_detached_loss_is_told_not_to_be_detached() -> None:
    step = _step_of(nn.Linear(4, 2), torch.randn(3, 4), lambda model, batch: model(batch).mean().detach())
    assert _explanation(step) == (
        "compute_loss returned a tensor that needs no gradient; do not detach it or use no_grad"
    )


def test_a_tensor_left_on_another_device_as_a_plain_attribute_is_named() -> None:
    step = _step_of(nn.Sequential(WithOffset()), torch.randn(3, 4, device=META), device=META)
    assert _explanation(step) == (
        "forward: tensor model.0.offset is on cpu: a plain attribute, which model.to(meta) does not move; "
        "register it with register_buffer"
    )


def test_a_tensor_in_a_batch_of_an_unknown_kind_is_named() -> None:
    step = _step_of(
        nn.Linear(4, 2), Container(torch.randn(3, 4)), lambda model, batch: model(batch.inputs).mean(), META
    )
    assert _explanation(step) == (
        "forward: tensor batch.inputs is on cpu: the suite moves tensors in tuples, lists and dicts to meta; "
        "return those from make_batch"
    )


def test_a_batch_that_would_be_moved_by_the_step_is_not_blamed() -> None:
    step = _step_of(nn.Linear(4, 2), (torch.randn(3, 4),), lambda model, batch: model(batch[0]), META)
    with pytest.raises(StepError, match=r"shape \(3, 2\)"):
        step.explain_failure(step.model, RuntimeError("tensors are on another device"))


def test_a_harmless_tensor_on_the_cpu_is_not_blamed_for_another_error() -> None:
    step = _step_of(nn.Sequential(WithOffset()), torch.randn(3, 4, device=META), device=META)
    with pytest.raises(RuntimeError, match="device"):  # what computing the loss once more says, not a StepError
        step.explain_failure(step.model, ValueError("the labels are wrong"))


def test_nothing_is_said_where_nothing_is_found() -> None:
    step = _step_of(nn.Linear(4, 2), torch.randn(3, 4))
    step.explain_failure(step.model, RuntimeError("anything"))
