"""Moves batches in any nesting to a device, and names the tensors that were left behind."""

from collections.abc import Callable, Iterator
from typing import Any

import torch


def map_tensors(function: Callable[[torch.Tensor], torch.Tensor], batch: Any) -> Any:
    """Return *batch* with *function* applied to each tensor in its tuples, lists and dicts; other values stay."""
    if isinstance(batch, torch.Tensor):
        return function(batch)
    if isinstance(batch, dict):
        return {key: map_tensors(function, value) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a named tuple takes its fields one by one
        return type(batch)(*(map_tensors(function, value) for value in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(map_tensors(function, value) for value in batch)
    return batch


def tensors_of(batch: Any, name: str = "batch") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor in *batch* with the path to it, such as ``batch[0]["mask"]``."""
    if isinstance(batch, torch.Tensor):
        yield name, batch
    elif isinstance(batch, dict):
        for key, value in batch.items():
            yield from tensors_of(value, f"{name}[{key!r}]")
    elif isinstance(batch, (tuple, list)):
        for index, value in enumerate(batch):
            yield from tensors_of(value, f"{name}[{index}]")
    elif hasattr(batch, "__dict__"):
        for key, value in vars(batch).items():
            if isinstance(value, torch.Tensor):
                yield f"{name}.{key}", value


def to_channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """Return an image batch (4-D) in channels-last memory format, any other tensor as it is."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor  # noqa: PLR2004 (N, C, H, W)


def misplaced_tensors(model: torch.nn.Module, batch: Any, device: torch.device) -> Iterator[str]:
    """
    Yield a sentence for each tensor of *model* or *batch* that is not on *device*.

    Looks where `model.to(device)` does not: tensors that are plain attributes of a module.
    """
    for module_name, module in model.named_modules():
        prefix = f"model.{module_name}" if module_name else "model"
        for key, value in vars(module).items():
            if isinstance(value, torch.Tensor) and value.device != device:
                yield (
                    f"tensor {prefix}.{key} is on {value.device}: a plain attribute, which model.to({device}) does "
                    f"not move; register it with register_buffer"
                )
        for key, value in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            if value.device != device:
                yield f"tensor {prefix}.{key} is on {value.device}, not on {device}; leave devices to the suite"
    for name, tensor in tensors_of(batch):
        if tensor.device != device:
            yield (
                f"tensor {name} is on {tensor.device}: the suite moves tensors in tuples, lists and dicts to {device}; "
                f"return those from make_batch"
            )
