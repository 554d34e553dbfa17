"""The check against fp32 on one device: what is sound is close to it, and what computes something else is not."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from bench import registry
from bench.case import Case
from bench.measuring.building import Built, build
from bench.measuring.deviation import Deviation, deviation_of
from bench.measuring.device import CpuDevice
from bench.measuring.ranks import Ranks, join_ranks
from bench.precisions import PRECISIONS
from bench.strategies._base import Strategy
from tests.launch import DEADLINE_SECONDS, run_ranks

pytestmark = pytest.mark.usefixtures("torch_as_it_was")

BATCH_SIZE = 8
FAR = 0.3
"""Far outside every tolerance, of which the largest is 0.05."""
ROUNDING = 1e-6

SOURCE = """
import torch
from torch import nn

def make_batch(batch_size):
    return torch.randn(batch_size, 8), torch.randn(batch_size, 4)

def compute_loss(model, batch):
    return nn.functional.mse_loss(model(batch[0]), batch[1])

def tiny():
    return nn.Linear(8, 4), make_batch, compute_loss

def normalized():
    # A nonlinearity behind it, or the mean over the batch would hide that its halves are normalized apart.
    return nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 4)), make_batch, compute_loss

def forgetful():
    return nn.Sequential(nn.Linear(8, 64), nn.Dropout(0.5), nn.Linear(64, 4)), make_batch, compute_loss

def without_a_slope():
    # The root of 0 has an infinite slope, and 0 times infinity is not a number.
    return nn.Linear(8, 4), make_batch, lambda model, batch: (compute_loss(model, batch) * 0).sqrt()

def partly_frozen():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4), nn.Linear(1, 1))  # the last one is not used
    model[0].requires_grad_(False)
    return model, make_batch, lambda model, batch: nn.functional.mse_loss(model[1](model[0](batch[0])), batch[1])
"""

Make = Callable[..., "Checked"]


class Checked:
    """A case that was built, and can be checked as often as one likes."""

    def __init__(self, case: Case, strategy: Strategy) -> None:
        self.case = case
        self.strategy = strategy
        self.built: Built = build(case, strategy, CpuDevice(), 0)

    def deviation(self) -> Deviation:
        return deviation_of(self.case, self.built, self.strategy, Ranks())

    def train(self, steps: int) -> float:
        """Return the loss of the last step."""
        for _ in range(steps):
            self.built.step.run(lambda: None)
        assert self.built.step.loss is not None
        return float(self.built.step.loss)


@pytest.fixture
def make(tmp_path: Path, make_case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return what builds a case of a built-in workload, or of a function of the file above."""
    path = tmp_path / "workloads_of_test_deviation.py"
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)  # undone afterwards, and with it what loading adds

    def make_checked(workload: str = "tiny", strategy: Strategy | None = None, **axes: Any) -> Checked:
        name = workload if ":" in workload else f"{path}:{workload}"
        case = make_case(workload=name, **{"batch_size": BATCH_SIZE, **axes})
        return Checked(case, strategy or _strategy("single"))

    return make_checked


def _strategy(name: str) -> Strategy:
    strategy: Strategy = registry.load("strategies", name).STRATEGY
    return strategy


@pytest.mark.parametrize("workload", ["mlp:small", "tiny", "normalized", "partly_frozen"])
def test_fp32_on_a_single_device_is_the_reference_itself(make: Make, workload: str) -> None:
    assert make(workload).deviation() == Deviation(loss_ratio=0.0, gradient_norm_ratio=0.0)


def test_a_batch_that_is_moved_every_step_is_the_same_batch(make: Make) -> None:
    assert make(input="pageable").deviation() == Deviation(loss_ratio=0.0, gradient_norm_ratio=0.0)


@pytest.mark.parametrize("precision", ["amp_bf16", "amp_fp16"])
def test_amp_deviates_by_more_than_nothing_and_within_its_tolerance(make: Make, precision: str) -> None:
    found = make("mlp:small", precision=precision).deviation()
    tolerance = PRECISIONS[precision].tolerance_ratio
    assert 0 < found.loss_ratio < tolerance
    assert 0 < found.gradient_norm_ratio < tolerance


def test_dropout_draws_the_same_numbers_on_both_sides(make: Make) -> None:
    assert make("forgetful").deviation() == Deviation(loss_ratio=0.0, gradient_norm_ratio=0.0)


@pytest.mark.parametrize("workload", ["mlp:small", "normalized"])
def test_after_training_the_check_still_begins_with_the_first_parameters(make: Make, workload: str) -> None:
    fresh, trained = make(workload, precision="amp_bf16"), make(workload, precision="amp_bf16")
    first_loss = trained.train(1)
    assert trained.train(29) < 0.9 * first_loss  # what was trained is another model
    assert trained.deviation() == fresh.deviation()


def test_the_check_can_be_made_twice(make: Make) -> None:
    checked = make("forgetful", precision="amp_bf16")
    assert checked.deviation() == checked.deviation()


def test_the_check_leaves_no_gradients_behind(make: Make) -> None:
    checked = make()
    checked.deviation()
    assert [parameter.grad for parameter in checked.built.workload.model.parameters()] == [None, None]


# What computes something else


class DoublesGradients(torch.autograd.Function):
    """The identity, whose gradient is twice what it should be."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        return 2 * grad_outputs[0]


class Wrapper(nn.Module):
    """Does something to the output of a module."""

    def __init__(self, module: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.module = module
        self.change = change

    def forward(self, inputs: Tensor) -> Tensor:
        return self.change(self.module(inputs))


class Changes(Strategy):
    """Wraps the model in a module that changes its output."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        self.change = change

    def wrap(self, model: nn.Module, devices: list[torch.device], autocast: Any) -> nn.Module:
        return Wrapper(model, self.change)


def _double_gradients(output: Tensor) -> Tensor:
    doubled: Tensor = DoublesGradients.apply(output)  # type: ignore[no-untyped-call]  # torch gives it no types
    return doubled


def test_a_wrapper_that_changes_nothing_deviates_by_nothing(make: Make) -> None:
    found = make(strategy=Changes(lambda output: output)).deviation()
    assert found == Deviation(loss_ratio=0.0, gradient_norm_ratio=0.0)


def test_a_wrapper_that_doubles_gradients_shows_in_the_gradient_alone(make: Make) -> None:
    found = make(strategy=Changes(_double_gradients)).deviation()
    assert found.loss_ratio == 0.0
    assert found.gradient_norm_ratio == pytest.approx(1.0, rel=1e-5)


def test_a_wrapper_that_perturbs_the_output_is_far_off(make: Make) -> None:
    found = make(strategy=Changes(lambda output: output + 1.0)).deviation()
    assert found.loss_ratio > FAR
    assert found.gradient_norm_ratio > FAR


def test_a_strategy_that_hooks_the_parameters_themselves_is_caught_too(make: Make) -> None:
    class Hooks(Strategy):
        def wrap(self, model: nn.Module, devices: list[torch.device], autocast: Any) -> nn.Module:
            for parameter in model.parameters():
                parameter.register_hook(lambda gradient: 2 * gradient)
            return model

    assert make(strategy=Hooks()).deviation().gradient_norm_ratio > FAR


@pytest.mark.parametrize(("factor", "deviation"), [(2.0, 1.0), (0.5, 0.5), (-1.0, 2.0)])
def test_a_loss_that_is_scaled_wrongly_is_far_off(make: Make, factor: float, deviation: float) -> None:
    checked = make()
    loss_of = checked.built.step.compute_loss
    checked.built.step.compute_loss = lambda model, batch: loss_of(model, batch) * factor
    found = checked.deviation()
    assert found.loss_ratio == pytest.approx(deviation)
    assert found.gradient_norm_ratio == pytest.approx(abs(abs(factor) - 1), rel=1e-5)


def test_a_scale_that_is_not_taken_back_is_far_off(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = make(precision="amp_fp16")
    assert checked.deviation().gradient_norm_ratio < PRECISIONS["amp_fp16"].tolerance_ratio
    monkeypatch.setattr(checked.built.step.scaler, "get_scale", lambda: 1.0)
    assert checked.deviation().gradient_norm_ratio > FAR


def test_a_gradient_that_is_not_a_number_is_infinitely_far_off(make: Make) -> None:
    assert make("without_a_slope").deviation() == Deviation(loss_ratio=0.0, gradient_norm_ratio=math.inf)


# Strategies that split the batch


class Halves(Strategy):
    """Computes the two halves of the batch apart, as DataParallel does on two devices."""

    def __init__(self, num_shards: int) -> None:
        self.shards = num_shards

    def num_shards(self, case: Case) -> int:
        return self.shards

    def wrap(self, model: nn.Module, devices: list[torch.device], autocast: Any) -> nn.Module:
        return HalvesOfBatch(model)


class HalvesOfBatch(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([self.module(half) for half in inputs.chunk(2)])


def test_a_strategy_that_splits_the_batch_is_compared_part_by_part(make: Make) -> None:
    found = make("normalized", strategy=Halves(2)).deviation()
    assert max(found.loss_ratio, found.gradient_norm_ratio) < ROUNDING


def test_compared_as_a_whole_its_batch_norm_would_be_something_else(make: Make) -> None:
    found = make("normalized", strategy=Halves(1)).deviation()
    assert max(found.loss_ratio, found.gradient_norm_ratio) > 1000 * ROUNDING


class WithoutAveraging(Strategy):
    """DDP that forgot the all-reduce: each rank trains alone."""

    distributed: ClassVar[bool] = True


def _deviate_as_ranks(rank: int, folder: str) -> None:
    """Check two workloads under DDP and one without averaging, and leave what came of it."""
    torch.set_num_threads(1)
    ranks = join_ranks(rank, 2, "cpu", Path(folder) / "rendezvous", DEADLINE_SECONDS)
    seen: dict[str, list[float]] = {}
    kept = []
    for name, workload, strategy in (
        ("mlp", "mlp:small", _strategy("ddp")),
        ("cnn", "cnn:small", _strategy("ddp")),
        ("broken", "mlp:small", WithoutAveraging()),
    ):
        case = Case(
            workload=workload, device="cpu", strategy="ddp", precision="fp32", batch_size=BATCH_SIZE, num_devices=2
        )
        built = build(case, strategy, CpuDevice(), rank)
        built.step.run(lambda: None)
        found = deviation_of(case, built, strategy, ranks)
        seen[name] = [found.loss_ratio, found.gradient_norm_ratio]
        kept.append(built)
    (Path(folder) / f"{rank}.json").write_text(json.dumps(seen))
    ranks.leave()
    os._exit(0)  # as the worker's process does, see bench.measuring.process: freeing DDP's reducer can hang


@pytest.fixture(scope="module")
def of_ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[float]]]:
    folder = tmp_path_factory.mktemp("deviation")
    run_ranks(_deviate_as_ranks, str(folder))
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("workload", ["mlp", "cnn"])
def test_ddp_is_the_average_of_its_ranks_in_fp32(of_ranks: list[dict[str, list[float]]], workload: str) -> None:
    assert max(of_ranks[0][workload] + of_ranks[1][workload]) < ROUNDING


def test_ddp_that_does_not_average_is_caught_on_every_rank(of_ranks: list[dict[str, list[float]]]) -> None:
    tolerance = PRECISIONS["fp32"].tolerance_ratio
    for seen in of_ranks:
        loss_ratio, gradient_ratio = seen["broken"]
        assert loss_ratio == 0.0  # the losses are averaged by the check itself
        assert gradient_ratio > 10 * tolerance
