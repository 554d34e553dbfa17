"""
Counts the arithmetic of one training step: matrix products, convolutions and attention, forward and backward.

Counted on the meta device, where a tensor has a shape and no numbers: it takes no memory, no time on the device, and on
no device does an operator hide there. (On the CPU an LSTM and fused attention are one operator each, which torch's
counter takes for nothing; pytorch #195460.) What a step needs is counted, not what ran: an element-wise operator is no
FLOP here, as in every published utilization, and attention counts whole although a causal one needs half.
"""

import copy
import dataclasses
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench.measuring.building import Built
from bench.measuring.placement import map_tensors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flops:
    """What one rank's step computes."""

    flops: int | None
    """A multiplication and an addition are two; None: nothing that is counted."""
    source: str
    """Where it was counted: meta, or device where the workload cannot run on meta."""


def count(built: Built) -> Flops:
    """
    Return the arithmetic of one step of *built*: this rank's, or that of all replicas where one process has several.

    It leaves gradients behind on the device only where it has to count there, and then none.
    """
    try:
        return Flops(flops=_on_meta(built) or None, source="meta")
    except Exception:  # noqa: BLE001 (a user's loss may look at a number, which meta has not)
        return Flops(flops=_on_device(built) or None, source="device")


def _on_meta(built: Built) -> int:
    model = built.workload.model
    # The memo makes the copy take these for the copies of the parameters, so that none is ever copied.
    memo: dict[int, Any] = {
        id(tensor): torch.nn.Parameter(tensor.detach().to("meta"), requires_grad=tensor.requires_grad)
        for tensor in model.parameters()
    }
    memo |= {id(tensor): tensor.to("meta") for tensor in model.buffers()}
    on_meta = copy.deepcopy(model, memo)
    batch = map_tensors(lambda tensor: tensor.to("meta"), built.step.batch)
    return _counted(built, on_meta, batch)


def _on_device(built: Built) -> int:
    batch = map_tensors(lambda tensor: tensor.to(built.step.device), built.step.batch)
    try:
        with sdpa_kernel(SDPBackend.MATH):  # of its products each is seen; fused attention is not, on some devices
            return _counted(built, built.workload.model, batch)
    finally:
        built.step.optimizer.zero_grad(set_to_none=True)


def _counted(built: Built, model: torch.nn.Module, batch: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        built.step.compute_loss(model, batch).backward()
    return int(counter.get_total_flops())
