"""Checks what a case computes: its first loss and gradient against fp32 on one device without a wrapper."""

import dataclasses
import math
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
    """
    fresh = _restore(case, built)
    precision = PRECISIONS[case.precision]
    arithmetic.set_tf32(PRECISIONS["fp32"])
    reference = _reference(case, built, fresh, strategy.num_shards(case), ranks)
    arithmetic.set_tf32(precision)
    loss, gradients = _as_trained(case, built, ranks)
    reference_loss, reference_gradients = reference
    return Deviation(
        loss_ratio=_ratio(loss, reference_loss),
        gradient_norm_ratio=_ratio(_norm(gradients), _norm(reference_gradients)),
    )


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


def _reference(case: Case, built: Built, fresh: Workload, num_shards: int, ranks: Ranks) -> tuple[float, Gradients]:
    parameters = _trained(fresh)
    total_loss = 0.0
    totals = [torch.zeros_like(parameter) for parameter in parameters]
    batch = map_tensors(lambda tensor: tensor.to(built.step.device), built.step.batch)
    for shard in range(num_shards):
        building.seed(case.seed, built.step.device)
        loss = fresh.compute_loss(fresh.model, _shard(batch, shard, num_shards))
        # Not backward(): that would fill the parameters' own gradients and wake DDP's hooks on them.
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        for total, gradient in zip(totals, found, strict=True):
            if gradient is not None:
                total.add_(gradient, alpha=1 / num_shards)
        total_loss += float(loss.detach()) / num_shards
    return _averaged(total_loss, totals, ranks)


def _as_trained(case: Case, built: Built, ranks: Ranks) -> tuple[float, Gradients]:
    """Return loss and gradient as the timed steps compute them; DDP has averaged the gradient already."""
    step = built.step
    step.optimizer.zero_grad(set_to_none=True)
    batch = map_tensors(lambda tensor: tensor.to(step.device), step.batch)
    building.seed(case.seed, step.device)
    with step.autocast():
        loss = step.compute_loss(step.model, batch)
    step.scaler.scale(loss).backward()
    scale = step.scaler.get_scale()
    gradients = [
        torch.zeros_like(parameter) if parameter.grad is None else parameter.grad / scale
        for parameter in _trained(built.workload)
    ]
    step.optimizer.zero_grad(set_to_none=True)
    return ranks.average(float(loss.detach())), gradients


def _averaged(loss: float, gradients: Gradients, ranks: Ranks) -> tuple[float, Gradients]:
    for gradient in gradients:
        ranks.average_tensor(gradient)
    return ranks.average(loss), gradients


def _trained(workload: Workload) -> list[torch.nn.Parameter]:
    return [parameter for parameter in workload.model.parameters() if parameter.requires_grad]


def _shard(batch: Any, shard: int, num_shards: int) -> Any:
    """Return one of *num_shards* parts, split as DataParallel splits."""
    if num_shards == 1:
        return batch
    return map_tensors(lambda tensor: tensor.chunk(num_shards)[shard], batch)


def _norm(tensors: Gradients) -> float:
    return math.sqrt(math.fsum(float(torch.linalg.vector_norm(tensor)) ** 2 for tensor in tensors))


def _ratio(value: float, reference: float) -> float:
    """Return how far *value* is from *reference*, as a share of it."""
    if not (math.isfinite(value) and math.isfinite(reference)):
        return math.inf
    if reference == 0:
        return 0.0 if value == 0 else math.inf
    return abs(value - reference) / abs(reference)
