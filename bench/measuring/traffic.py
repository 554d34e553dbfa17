"""What an operator reads from memory and writes to it, if no cache helps."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

UNREAD = {"aten::copy_", "aten::fill_", "aten::zero_", "aten::uniform_", "aten::normal_", "aten::bernoulli_"}
"""Overwrite their first argument without a look at it."""
UNWRITTEN = {"aten::empty", "aten::empty_strided", "aten::empty_like", "aten::new_empty", "aten::new_empty_strided"}
"""Make a tensor and leave it as it is."""
PICKING = {"aten::embedding": 0, "aten::index": 0, "aten::index_select": 0, "aten::gather": 0}
"""Read of the argument at this position only what they return."""


def accessed_bytes(func: Any, args: tuple[Any, ...], keywords: Mapping[str, Any], out: Any) -> int:
    """
    Return the sizes of the tensors that one call reads, plus those that it writes.

    A view is neither. It is what a step moves where nothing is fused and no cache holds a tensor from one operator to
    the next: an upper bound for eager code.

    Args:
        func: The operator, as `__torch_dispatch__` gets it.
        args: Its positional arguments.
        keywords: The others.
        out: What it returned.
    """
    if func.is_view or func._schema.name == "aten::_unsafe_view":  # noqa: SLF001 (it has no other home)
        return 0
    schema = func._schema  # noqa: SLF001 (it has no other home)
    written = read = 0
    for position, argument in enumerate(schema.arguments):
        size = bytes_of(args[position] if position < len(args) else keywords.get(argument.name))
        is_written = argument.alias_info is not None and argument.alias_info.is_write
        is_read = not (argument.is_out or (is_written and schema.name in UNREAD))
        written += size * is_written
        read += min(size, bytes_of(out)) if PICKING.get(schema.name) == position else size * is_read
    if schema.name not in UNWRITTEN:
        # What an operator writes in place or into `out` it also returns; that is counted as an argument.
        returned = out if isinstance(out, (list, tuple)) else (out,)
        fresh = zip(returned, schema.returns, strict=False)
        written += sum(bytes_of(value) for value, result in fresh if result.alias_info is None)
    return read + written


def bytes_of(argument: Any) -> int:
    """Return the size of a tensor, or of all tensors in lists and tuples; 0 for anything else."""
    return sum(tensor.numel() * tensor.element_size() for tensor in _tensors_in(argument))


def _tensors_in(argument: Any) -> Iterator[torch.Tensor]:
    if isinstance(argument, torch.Tensor):
        yield argument
    elif isinstance(argument, (list, tuple)):
        for entry in argument:
            yield from _tensors_in(entry)
