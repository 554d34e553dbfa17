"""
LSTM that predicts the next token: many small steps that must wait for each other.

Shape suffixes: B batch, L sequence length, D width of embedding and state, V vocabulary.
"""
# ruff: noqa: N803, N806 -- shape suffixes are capitals

import functools
from typing import Any

import torch
from torch import Tensor, nn

from bench.workload import Workload

BATCH_SIZES = {"small": 16, "large": 256}


def small() -> Workload:
    """One LSTM layer of width 64 over 16 tokens: a few milliseconds a step on two CPU cores."""
    return _language_model(layers=1, width=64, vocabulary=256, length=16)


def large() -> Workload:
    """Two LSTM layers of width 2048 over 128 tokens: fills a data-centre GPU."""
    return _language_model(layers=2, width=2048, vocabulary=10_000, length=128)  # the vocabulary of Penn Treebank


class _LSTM(nn.Module):
    def __init__(self, *, layers: int, width: int, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        states_BLD, _ = self.lstm(self.embedding(tokens_BL))
        logits_BLV: Tensor = self.head(states_BLD)
        return logits_BLV


def _language_model(*, layers: int, width: int, vocabulary: int, length: int) -> Workload:
    return Workload(
        model=_LSTM(layers=layers, width=width, vocabulary=vocabulary),
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
