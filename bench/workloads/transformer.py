"""
Decoder-only GPT that predicts the next token: attention, matrix products, a wide softmax.

Shape suffixes: B batch, L sequence length, D model width, H heads, K width of a head, V vocabulary.
"""
# ruff: noqa: N803, N806 -- shape suffixes are capitals

import math

import torch
from torch import Tensor, nn

from bench.workload import Workload
from bench.workloads._language_model import language_model

BATCH_SIZES = {"small": 8, "gpt2": 16}


def small() -> Workload:
    """GPT of 2 layers of width 64 over 16 tokens: a few milliseconds a step on two CPU cores."""
    return _gpt(layers=2, heads=4, width=64, vocabulary=128, length=16)


def gpt2() -> Workload:
    """GPT-2 small, 124 M parameters over 1024 tokens: fills a data-centre GPU."""
    # GPT-2 has 50257 tokens. 50304 is the next multiple of 64: the head's matrix products, a third of the model's
    # arithmetic, then meet the tile sizes of tensor cores. The 47 tokens more cost 36 096 parameters.
    return _gpt(layers=12, heads=12, width=768, vocabulary=50304, length=1024)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, x_BLD: Tensor) -> Tensor:
        q_BHLK, k_BHLK, v_BHLK = (
            part_BLD.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part_BLD in self.qkv(x_BLD).chunk(3, dim=-1)
        )
        mixed_BHLK = nn.functional.scaled_dot_product_attention(q_BHLK, k_BHLK, v_BHLK, is_causal=True)
        y_BLD: Tensor = self.projection(mixed_BHLK.transpose(1, 2).flatten(2))
        return y_BLD


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = _Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.expansion = nn.Linear(width, 4 * width)
        self.activation = nn.GELU(approximate="tanh")  # GPT-2's form of it
        self.projection = nn.Linear(4 * width, width)

    def forward(self, x_BLD: Tensor) -> Tensor:
        x_BLD = x_BLD + self.attention(self.attention_norm(x_BLD))
        y_BLD: Tensor = x_BLD + self.projection(self.activation(self.expansion(self.mlp_norm(x_BLD))))
        return y_BLD


class _GPT(nn.Module):
    """GPT-2 (Radford et al. 2019) without dropout, which would hide behind its random numbers what a step costs."""

    def __init__(self, *, layers: int, heads: int, width: int, vocabulary: int, length: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.position_embedding = nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.token_embedding.weight
        self._initialise(layers)

    def _initialise(self, layers: int) -> None:
        """Draw weights as GPT-2 does: 0.02, less where 2 * *layers* projections add up in the residual stream."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() > 1:  # norms keep their ones
                std = 0.02 / math.sqrt(2 * layers) if name.endswith("projection.weight") else 0.02
                nn.init.normal_(parameter, std=std)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        positions_L = torch.arange(tokens_BL.shape[1], device=tokens_BL.device)
        x_BLD = self.token_embedding(tokens_BL) + self.position_embedding(positions_L)
        logits_BLV: Tensor = self.head(self.norm(self.blocks(x_BLD)))
        return logits_BLV


def _gpt(*, layers: int, heads: int, width: int, vocabulary: int, length: int) -> Workload:
    model = _GPT(layers=layers, heads=heads, width=width, vocabulary=vocabulary, length=length)
    return language_model(model, vocabulary=vocabulary, length=length)
