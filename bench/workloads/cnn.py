"""
ResNet (He et al. 2015) that classifies images: convolutions, batch normalisation, channels last.

Shape suffixes: B batch, D channels, H height, W width, C classes.
"""
# ruff: noqa: N803, N806 -- shape suffixes are capitals

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.workload import Workload

BATCH_SIZES = {"small": 8, "resnet18": 1024, "resnet50": 256}


def small() -> Workload:
    """ResNet-8 of width 8 for 16 x 16 images: some milliseconds a step on two CPU cores."""
    # Not a ResNet-18: forward and backward of a convolution take oneDNN half a millisecond here, however small, so a
    # step takes 30 ms (and 150 ms in bf16 without AVX-512), which leaves no time for the rounds that an interval needs.
    return _classifier(_ResNet(blocks=(1, 1, 1), width=8, classes=10, bottleneck=False, imagenet_stem=False), 16)


def resnet18() -> Workload:
    """ResNet-18 for 32 x 32 images as on CIFAR-10: a 3 x 3 stem that does not shrink the image."""
    return _classifier(_ResNet(blocks=(2, 2, 2, 2), width=64, classes=10, bottleneck=False, imagenet_stem=False), 32)


def resnet50() -> Workload:
    """ResNet-50 for 224 x 224 images as on ImageNet: fills a data-centre GPU."""
    return _classifier(_ResNet(blocks=(3, 4, 6, 3), width=64, classes=1000, bottleneck=True, imagenet_stem=True), 224)


class _Conv(nn.Sequential):
    """Convolution that keeps the size at stride 1, then batch normalisation."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        super().__init__(conv, nn.BatchNorm2d(channels_out))


class _Residual(nn.Module):
    """Convolutions with a ReLU between them, added to their input."""

    def __init__(self, channels_in: int, channels: int, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        if bottleneck:  # the stride sits in the 3 x 3 ("v1.5"), as in torchvision and MLPerf
            channels_out = 4 * channels
            convs = [
                _Conv(channels_in, channels, 1),
                _Conv(channels, channels, 3, stride),
                _Conv(channels, channels_out, 1),
            ]
        else:
            channels_out = channels
            convs = [_Conv(channels_in, channels, 3, stride), _Conv(channels, channels_out, 3)]
        self.convs = nn.ModuleList(convs)
        same_shape = stride == 1 and channels_in == channels_out
        self.shortcut = nn.Identity() if same_shape else _Conv(channels_in, channels_out, 1, stride)

    def forward(self, x_BDHW: Tensor) -> Tensor:
        y_BDHW = x_BDHW
        for index, conv in enumerate(self.convs):
            y_BDHW = conv(y_BDHW if index == 0 else y_BDHW.relu())
        total_BDHW: Tensor = y_BDHW + self.shortcut(x_BDHW)
        return total_BDHW.relu()


class _ResNet(nn.Module):
    """Stem, four stages of residual blocks of which each but the first halves the image, mean, linear head."""

    def __init__(
        self, *, blocks: Sequence[int], width: int, classes: int, bottleneck: bool, imagenet_stem: bool
    ) -> None:
        super().__init__()
        self.stem = (
            nn.Sequential(_Conv(3, width, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1))
            if imagenet_stem
            else nn.Sequential(_Conv(3, width, 3), nn.ReLU())
        )
        stages: list[nn.Module] = []
        channels_in = width
        for stage, num_blocks in enumerate(blocks):
            channels = width * 2**stage
            for block in range(num_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                stages.append(_Residual(channels_in, channels, stride, bottleneck=bottleneck))
                channels_in = 4 * channels if bottleneck else channels
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(channels_in, classes)

    def forward(self, images_BDHW: Tensor) -> Tensor:
        features_BDHW = self.stages(self.stem(images_BDHW))
        logits_BC: Tensor = self.head(features_BDHW.mean(dim=(2, 3)))
        return logits_BC


def _classifier(model: _ResNet, image_size: int) -> Workload:
    return Workload(
        model=model,
        make_batch=functools.partial(_make_batch, image_size=image_size, classes=model.head.out_features),
        compute_loss=_compute_loss,
        channels_last=True,
    )


def _make_batch(batch_size: int, *, image_size: int, classes: int) -> tuple[Tensor, Tensor]:
    return torch.randn(batch_size, 3, image_size, image_size), torch.randint(classes, (batch_size,))


def _compute_loss(model: nn.Module, batch: Any) -> Tensor:
    images_BDHW, labels_B = batch
    logits_BC = model(images_BDHW)
    return nn.functional.cross_entropy(logits_BC, labels_B)
