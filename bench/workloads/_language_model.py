"""
What language models share: tokens in, the next token of each as the target.

Shape suffixes: B batch, L length, V vocabulary.
"""
# ruff: noqa: N806 -- shape suffixes are capitals

import functools
from typing import Any

import torch
from torch import Tensor, nn

from bench.workload import Workload


def language_model(model: nn.Module, *, vocabulary: int, length: int) -> Workload:
    """
    Return the workload that trains *model* to predict the next token of random text.

    Args:
        model: Takes tokens_BL, returns logits_BLV.
        vocabulary: Number of different tokens.
        length: Tokens of one sample.
    """
    return Workload(
        model=model,
        make_batch=functools.partial(_make_batch, length=length, vocabulary=vocabulary),
        compute_loss=_compute_loss,
        item="token",
        items_per_sample=length,
    )


def _make_batch(batch_size: int, *, length: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    text_BL = torch.randint(vocabulary, (batch_size, length + 1))
    return text_BL[:, :-1].contiguous(), text_BL[:, 1:].contiguous()


def _compute_loss(model: nn.Module, batch: Any) -> Tensor:
    tokens_BL, targets_BL = batch
    logits_BLV = model(tokens_BL)
    return nn.functional.cross_entropy(logits_BLV.flatten(0, 1), targets_BL.flatten())
