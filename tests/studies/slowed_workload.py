"""The workload whose revisions `slowed` makes: many equal blocks, so that a few more of them are a known slowdown."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.workload import Workload

BATCH_SIZES = {"mlp": 64, "conv": 16}
CLASSES = 10
MLP_BLOCKS, CONV_BLOCKS = 60, 40
WIDTH = 128
CHANNELS, SIDE = 8, 8


class _Shifted(nn.Module):
    """Learns what to add to the batch: the last thing that backward comes to."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(shape))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + self.shift


class _Residual(nn.Module):
    """Adds what a layer makes of its input: signals neither vanish nor grow through so many blocks."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + functional.tanh(self.layer(inputs))


def mlp() -> Workload:
    """Many equal linear blocks."""
    blocks = [_Residual(nn.Linear(WIDTH, WIDTH)) for _ in range(MLP_BLOCKS)]
    return _classifier([*blocks, nn.Linear(WIDTH, CLASSES)], (WIDTH,))


def conv() -> Workload:
    """Many equal convolutions."""
    blocks = [_Residual(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)) for _ in range(CONV_BLOCKS)]
    head = [nn.Flatten(), nn.Linear(CHANNELS * SIDE * SIDE, CLASSES)]
    return _classifier([*blocks, *head], (CHANNELS, SIDE, SIDE))


def _classifier(layers: Iterable[nn.Module], shape: tuple[int, ...]) -> Workload:
    return Workload(
        model=nn.Sequential(_Shifted(shape), *layers),
        make_batch=lambda samples: (torch.randn(samples, *shape), torch.randint(CLASSES, (samples,))),
        compute_loss=_loss,
        # AdamW drives the loss of one batch to nothing within a run, and numbers next to zero take their own time.
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1e-4, fused=True),
    )


def _loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    inputs, labels = batch
    loss = functional.cross_entropy(model(inputs), labels)
    return loss  # noqa: RET504 (revisions do something between)
