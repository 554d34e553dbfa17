"""FLOPs of a step, against closed forms that were worked out by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import registry
from bench.case import Case
from bench.measuring import flops
from bench.measuring.building import Built, build
from bench.measuring.device import devices_of

pytestmark = pytest.mark.usefixtures("torch_as_it_was")

Build = Callable[..., Built]


@pytest.fixture(name="build_case")
def _build_case(make_case: Callable[..., Case]) -> Build:
    """Return what builds a case of one process on the CPU."""

    def build_case(workload: str, **axes: Any) -> Built:
        case = make_case(workload=workload, **axes)
        strategy = registry.load("strategies", case.strategy).STRATEGY
        return build(case, strategy, devices_of(case, 0, distributed=False), rank=0)

    return build_case


def _dense(samples: int, inputs: int, outputs: int, *, is_first: bool = False) -> int:
    """Return a linear layer's: forward, the weight's gradient, and the input's unless nothing is trained before it."""
    return (4 if is_first else 6) * samples * inputs * outputs


def _mlp(samples: int) -> int:
    return _dense(samples, 784, 256, is_first=True) + _dense(samples, 256, 256) + _dense(samples, 256, 10)


def _gpt(samples: int, *, layers: int, width: int, vocabulary: int, length: int) -> int:
    tokens = samples * length
    block = _dense(tokens, width, 3 * width) + _dense(tokens, width, width) + 2 * _dense(tokens, width, 4 * width)
    # Scores and mixing are two products of length x length x width a sample; backward has two of each.
    attention = 3 * 2 * 2 * samples * length * length * width
    return layers * (block + attention) + _dense(tokens, width, vocabulary)


def _lstm(samples: int, *, layers: int, width: int, vocabulary: int, length: int) -> int:
    tokens = samples * length
    # Four gates, each of the input and of the state before.
    return layers * 2 * _dense(tokens, width, 4 * width) + _dense(tokens, width, vocabulary)


def _conv(samples: int, size: int, inputs: int, outputs: int, kernel: int, *, is_first: bool = False) -> int:
    """Return a convolution's whose output is *size* x *size*."""
    return _dense(samples * size * size, inputs * kernel * kernel, outputs, is_first=is_first)


def _resnet(samples: int, *, blocks: tuple[int, ...], width: int, size: int, classes: int) -> int:
    """Return that of two 3 x 3 convolutions a block, with a 3 x 3 stem that keeps the size."""
    total = _conv(samples, size, 3, width, 3, is_first=True)
    channels_in = width
    for stage, number in enumerate(blocks):
        channels = width * 2**stage
        size = size if stage == 0 else size // 2
        for block in range(number):
            total += _conv(samples, size, channels_in, channels, 3) + _conv(samples, size, channels, channels, 3)
            if channels_in != channels:
                assert block == 0
                total += _conv(samples, size, channels_in, channels, 1)
            channels_in = channels
    return total + _dense(samples, channels_in, classes)


def _resnet50(samples: int) -> int:
    """Return that of a 1 x 1, a 3 x 3 and a 1 x 1 convolution a block; the 3 x 3 shrinks the image."""
    size, channels_in = 56, 64
    total = _conv(samples, 112, 3, 64, 7, is_first=True)
    for stage, number in enumerate((3, 4, 6, 3)):
        channels = 64 * 2**stage
        for block in range(number):
            shrunk = size // 2 if stage > 0 and block == 0 else size
            total += _conv(samples, size, channels_in, channels, 1) + _conv(samples, shrunk, channels, channels, 3)
            total += _conv(samples, shrunk, channels, 4 * channels, 1)
            if block == 0:
                total += _conv(samples, shrunk, channels_in, 4 * channels, 1)
            size, channels_in = shrunk, 4 * channels
    return total + _dense(samples, channels_in, 1000)


@pytest.mark.parametrize(
    ("workload", "closed_form"),
    [
        ("mlp:small", _mlp(6)),
        ("transformer:small", _gpt(6, layers=2, width=64, vocabulary=128, length=16)),
        ("transformer:gpt2", _gpt(6, layers=12, width=768, vocabulary=50304, length=1024)),
        ("lstm:small", _lstm(6, layers=1, width=64, vocabulary=256, length=16)),
        ("cnn:small", _resnet(6, blocks=(1, 1, 1), width=8, size=16, classes=10)),
        ("cnn:resnet18", _resnet(6, blocks=(2, 2, 2, 2), width=64, size=32, classes=10)),
        ("cnn:resnet50", _resnet50(6)),
    ],
)
def test_counted_and_closed_form_agree(build_case: Build, workload: str, closed_form: int) -> None:
    found = flops.count(build_case(workload, batch_size=6))
    assert found.source == "meta"
    assert found.flops == pytest.approx(closed_form, rel=0.01)


@pytest.mark.parametrize("precision", ["amp_bf16", "amp_fp16"])
def test_precision_changes_how_it_is_computed_and_not_what(build_case: Build, precision: str) -> None:
    assert flops.count(build_case("mlp:small", batch_size=6, precision=precision)).flops == _mlp(6)


def test_counting_leaves_the_model_as_it_is(build_case: Build) -> None:
    built = build_case("transformer:small", batch_size=2)
    before = [parameter.clone() for parameter in built.workload.model.parameters()]
    flops.count(built)
    after = list(built.workload.model.parameters())
    assert all(old.equal(new) for old, new in zip(before, after, strict=True))
    assert all(parameter.grad is None and parameter.device.type == "cpu" for parameter in after)


SOURCE = """
import torch

def make_batch(batch_size):
    return torch.randn(batch_size, 8)

def looks():
    def loss(model, batch):
        value = model(batch).square().mean()
        return value if value.item() >= 0 else -value
    return torch.nn.Linear(8, 4), make_batch, loss

def only_elements():
    model = torch.nn.LayerNorm(8)
    return model, make_batch, lambda model, batch: model(batch).square().mean()

def half_frozen():
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 4))
    model[0].requires_grad_(False)
    return model, make_batch, lambda model, batch: model(batch).square().mean()
"""


@pytest.fixture(name="own")
def _own(build_case: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Built]:
    """Return what builds a workload of the file above."""
    path = tmp_path / "workloads_of_test_flops.py"
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda function: build_case(f"{path}:{function}", batch_size=6)


def test_a_loss_that_looks_at_a_number_is_counted_on_its_device(own: Callable[[str], Built]) -> None:
    built = own("looks")
    assert flops.count(built) == flops.Flops(flops=_dense(6, 8, 4, is_first=True), source="device")
    assert all(parameter.grad is None for parameter in built.workload.model.parameters())


def test_a_model_without_any_is_empty_and_not_zero(own: Callable[[str], Built]) -> None:
    assert flops.count(own("only_elements")).flops is None


def test_a_frozen_layer_has_no_gradients(own: Callable[[str], Built]) -> None:
    # Forward of both; the second's weight gradient; nothing before it is trained, so no gradient of its input.
    assert flops.count(own("half_frozen")).flops == 2 * 6 * 8 * 8 + _dense(6, 8, 4, is_first=True)
