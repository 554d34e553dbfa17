"""
Multi-layer perceptron that classifies: matrix products and next to nothing else.

Shape suffixes: B batch, F input features, C classes.
"""
# ruff: noqa: N806 -- shape suffixes are capitals

from typing import Any

import torch
from torch import Tensor, nn

from bench.workload import Workload

BATCH_SIZES = {"small": 64, "large": 8192}

_FEATURES = 784  # a flattened 28 x 28 image, as in MNIST
_CLASSES = 10


def small() -> Workload:
    """784 inputs, two hidden layers of 256, 10 classes: a few milliseconds a step on two CPU cores."""
    return _classifier(hidden=256, hidden_layers=2)


def large() -> Workload:
    """784 inputs, four hidden layers of 8192, 10 classes: fills a data-centre GPU."""
    return _classifier(hidden=8192, hidden_layers=4)


def _classifier(hidden: int, hidden_layers: int) -> Workload:
    layers: list[nn.Module] = []
    width = _FEATURES
    for _ in range(hidden_layers):
        layers += [nn.Linear(width, hidden), nn.ReLU()]
        width = hidden
    return Workload(
        model=nn.Sequential(*layers, nn.Linear(width, _CLASSES)), make_batch=_make_batch, compute_loss=_compute_loss
    )


def _make_batch(batch_size: int) -> tuple[Tensor, Tensor]:
    return torch.randn(batch_size, _FEATURES), torch.randint(_CLASSES, (batch_size,))


def _compute_loss(model: nn.Module, batch: Any) -> Tensor:
    inputs_BF, labels_B = batch
    logits_BC = model(inputs_BF)
    return nn.functional.cross_entropy(logits_BC, labels_B)
