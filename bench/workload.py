"""The workload contract: what a model file hands to the suite, ours and the user's alike."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """
    A model, its data and its loss; never a device, a precision or a strategy.

    The plain triple ``(model, make_batch, compute_loss)`` means the same with every optional field left at its default.
    """

    model: "torch.nn.Module"
    """On the CPU, in train mode, in fp32."""
    make_batch: Callable[[int], Any]
    """Takes a number of samples, returns CPU tensors in any nesting of tuples, lists and dicts; random, not zeros."""
    compute_loss: Callable[["torch.nn.Module", Any], "torch.Tensor"]
    """Takes the wrapped model and a batch on its device, returns a scalar loss: forward and loss."""
    item: str = "sample"
    """What the throughput counts besides samples, such as "token"."""
    items_per_sample: int = 1
    """How many of them a sample has, such as 1024."""
    optimizer: Callable[[Iterable["torch.nn.Parameter"]], "torch.optim.Optimizer"] | None = None
    """Takes the parameters; None: AdamW, fused where the device has it."""
    channels_last: bool = False
    """Whether model and 4-D inputs are to be in channels-last memory format; ResNets gain 2 to 10 % on a CPU too."""
