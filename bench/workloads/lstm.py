"""
LSTM that predicts the next token: many small steps that must wait for each other.

Shape suffixes: B batch, L sequence length, D width of embedding and state, V vocabulary.
"""
# ruff: noqa: N803, N806 -- shape suffixes are capitals

from torch import Tensor, nn

from bench.workload import Workload
from bench.workloads._language_model import language_model

BATCH_SIZES = {"small": 16, "large": 256}


def small() -> Workload:
    """One LSTM layer of width 64 over 16 tokens: a few milliseconds a step on two CPU cores."""
    return language_model(_LSTM(layers=1, width=64, vocabulary=256), vocabulary=256, length=16)


def large() -> Workload:
    """Two LSTM layers of width 2048 over 128 tokens: fills a data-centre GPU."""
    # 10 000 words, as in the Penn Treebank.
    return language_model(_LSTM(layers=2, width=2048, vocabulary=10_000), vocabulary=10_000, length=128)


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
