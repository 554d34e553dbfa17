"""Checks what a case computes: its first loss and gradient against fp32 on one device without a wrapper."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch

from bench.case import Case
from bench.measuring import arithmetic, building
from bench.measuring.building import Built
from bench.measuring.loading import load_workload
from bench.measuring.placement import map_tensors
from bench.measuring.ranks import Ranks
from bench.precisions import PRECISIONS
from bench.strategies._base import Strategy
from bench.workload import Workload

Gradients = list[torch.Tensor]

RANDOM_RATIO = 1e-5
"""By how much the losses of two seeds differ at least where the step is random; sums in another order do so by less."""


class RandomStepError(Exception):
    """Two ways to compute a step cannot be held against each other, since each draws its own random numbers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deviation:
    """How far a case is from the reference; infinite where it is not a number."""

    loss_ratio: float
    gradient_norm_ratio: float
    """Of the norms. A norm of the differences would be 0.3 in bf16 for a sound ResNet-18, where this is 0.001."""


def deviation_of(case: Case, built: Built, strategy: Strategy, ranks: Ranks) -> Deviation:
    """
    Return how far the first step of *case* is from the same step in fp32 on one device.

    Both start from the case's first parameters, see this rank's batch and draw the same random numbers. Where a
    strategy splits the batch, the reference averages over the same parts, since a BatchNorm sees them apart. The
    model is left with other parameters, so nothing may be timed afterwards.

    Raises:
        RandomStepError: If the step draws random numbers and is compiled, since compiled code draws others.
    """
    fresh = _restore(case, built)
    batch = map_tensors(lambda tensor: tensor.to(built.step.device), built.step.batch)
    arithmetic.set_tf32(PRECISIONS["fp32"])
    if case.is_compiled and ranks.agree(int(_is_random(case.seed, built.step.device, fresh, batch))):
        raise RandomStepError("the step draws random numbers (dropout), and compiled code draws others")
    shards = _shards(batch, strategy.num_shards(case))
    reference_loss, reference_gradients = _reference(case.seed, built.step.device, fresh, shards, ranks)
    arithmetic.set_tf32(PRECISIONS[case.precision])
    loss, gradients = _as_trained(case, built, batch, ranks)
    return Deviation(
        loss_ratio=_ratio(loss, reference_loss),
        gradient_norm_ratio=_ratio(_norm(gradients), _norm(reference_gradients)),
    )


def _is_random(seed: int, device: torch.device, fresh: Workload, batch: Any) -> bool:
    """Return whether the loss depends on the seed."""
    losses = []
    for number in (seed, seed + 1):
        building.seed(number, device)
        with torch.no_grad():
            losses.append(float(fresh.compute_loss(fresh.model, batch)))
    return _ratio(*losses) > RANDOM_RATIO


def _restore(case: Case, built: Built) -> Workload:
    """
    Give the model the parameters and buffers that it had before training, from the workload built once more.

    Returns the other workload: its model has met no strategy, which may have changed the case's own in place.
    """
    building.seed(case.seed, built.step.device)
    fresh = load_workload(case.workload)
    built.workload.model.load_state_dict(fresh.model.state_dict())
    fresh.model.to(built.step.device).train()
    return fresh


def _reference(
    seed: int, device: torch.device, fresh: Workload, shards: Sequence[Any], ranks: Ranks
) -> tuple[float, Gradients]:
    """Return the mean loss and gradient over the parts of every rank's batch."""
    total_loss = 0.0
    for shard in shards:
        building.seed(seed, device)
        loss = fresh.compute_loss(fresh.model, shard) / len(shards)
        loss.backward()
        total_loss += float(loss.detach())
    gradients = _gradients(fresh)
    for gradient in gradients:
        ranks.average_tensor(gradient)
    return ranks.average(total_loss), gradients


def _as_trained(case: Case, built: Built, batch: Any, ranks: Ranks) -> tuple[float, Gradients]:
    """Return loss and gradient as the timed steps compute them; DDP has averaged the gradient already."""
    step = built.step
    step.optimizer.zero_grad(set_to_none=True)
    building.seed(case.seed, step.device)
    with step.autocast():
        loss = step.compute_loss(step.model, batch)
    step.scaler.scale(loss).backward()
    gradients = [gradient / step.scaler.get_scale() for gradient in _gradients(built.workload)]
    step.optimizer.zero_grad(set_to_none=True)
    return ranks.average(float(loss.detach())), gradients


def _gradients(workload: Workload) -> Gradients:
    """Return the gradient of every trained parameter, zeros where the loss does not depend on it."""
    trained = [parameter for parameter in workload.model.parameters() if parameter.requires_grad]
    return [torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in trained]


def _shards(batch: Any, number: int) -> list[Any]:
    """Return the parts into which DataParallel would split *batch*."""
    return [_shard(batch, index, number) for index in range(number)] if number > 1 else [batch]


def _shard(batch: Any, index: int, number: int) -> Any:
    return map_tensors(lambda tensor: tensor.chunk(number)[index], batch)


def _norm(tensors: Gradients) -> float:
    return math.sqrt(math.fsum(float(torch.linalg.vector_norm(tensor)) ** 2 for tensor in tensors))


def _ratio(value: float, reference: float) -> float:
    """Return how far *value* is from *reference*, as a share of it."""
    if not (math.isfinite(value) and math.isfinite(reference)):
        return math.inf
    if reference == 0:
        return 0.0 if value == 0 else math.inf
    return abs(value - reference) / abs(reference)
