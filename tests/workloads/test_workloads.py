"""The built-in workloads: what they declare, what they build, and that they learn."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench import registry, workload_file
from bench.workload import Workload


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Keep OpenMP's threads out: where cores are shared, waiting for one takes these models ten times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _source(name: str) -> Path:
    return registry.PACKAGE_DIR / "workloads" / f"{name}.py"


WORKLOADS = registry.names("workloads")
SIZES = [(name, size) for name in WORKLOADS for size in workload_file.batch_sizes(_source(name))]


def _build(name: str, size: str, *, device: str = "cpu") -> Workload:
    torch.manual_seed(0)
    function: Callable[[], Workload] = getattr(registry.load("workloads", name), size)
    with torch.device(device):
        return function()


def _count_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _loss_on_meta(workload: Workload, batch_size: int) -> Tensor:
    """Forward and loss without arithmetic: shapes are computed and values are not."""
    inputs, targets = workload.make_batch(batch_size)
    return workload.compute_loss(workload.model, (inputs.to("meta"), targets.to("meta")))


def _losses(workload: Workload, batch_size: int, *, steps: int, bf16: bool) -> list[float]:
    """Train on one batch as the suite does by default."""
    batch = workload.make_batch(batch_size)
    optimizer = torch.optim.AdamW(workload.model.parameters(), lr=1e-3, fused=True)
    losses = []
    for _ in range(steps):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = workload.compute_loss(workload.model, batch)
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return losses


@contextlib.contextmanager
def _without_onednn() -> Iterator[None]:
    # Not torch.backends.mkldnn.flags: it sets TF32 too, and that warns in every build without Intel GPUs.
    set_flags: Callable[..., object] = torch.backends.mkldnn.set_flags  # torch gives it no types
    set_flags(_enabled=False)
    try:
        yield
    finally:
        set_flags(_enabled=True)


def test_the_four_workloads_are_found_by_the_names_of_their_files() -> None:
    assert {"cnn", "lstm", "mlp", "transformer"} <= set(WORKLOADS)


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_public_function_has_a_batch_size_and_a_summary(name: str) -> None:
    functions = workload_file.functions(_source(name))
    assert workload_file.batch_sizes(_source(name)).keys() == functions.keys()
    assert all(functions.values())


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_default_size_is_small(name: str) -> None:
    assert next(iter(workload_file.batch_sizes(_source(name)))) == "small"


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_the_global_batch_divides_among_eight_devices(name: str, size: str) -> None:
    assert workload_file.batch_sizes(_source(name))[size] % 8 == 0


@pytest.mark.parametrize(
    ("name", "size", "parameters"),
    [
        ("mlp", "small", 784 * 256 + 256 * 256 + 256 * 10 + 2 * 256 + 10),
        ("mlp", "large", 784 * 8192 + 3 * 8192 * 8192 + 8192 * 10 + 4 * 8192 + 10),
        ("cnn", "small", 19_954),
        ("cnn", "resnet18", 11_173_962),  # kuangliu/pytorch-cifar's ResNet18
        ("cnn", "resnet50", 25_557_032),  # torchvision's resnet50
        ("transformer", "small", 128 * 64 + 16 * 64 + 2 * (12 * 64 * 64 + 13 * 64) + 2 * 64),
        ("transformer", "gpt2", 124_439_808 + (50304 - 50257) * 768),  # openai-community/gpt2, padded vocabulary
        ("lstm", "small", 256 * 64 + 8 * 64 * 64 + 8 * 64 + 64 * 256 + 256),
        ("lstm", "large", 10_000 * 2048 + 2 * (8 * 2048 * 2048 + 8 * 2048) + 2048 * 10_000 + 10_000),
    ],
)
def test_a_model_has_exactly_the_parameters_it_should_have(name: str, size: str, parameters: int) -> None:
    assert _count_parameters(_build(name, size, device="meta").model) == parameters


@pytest.mark.parametrize(
    ("size", "multiply_adds"),
    [("resnet18", 555_422_720), ("resnet50", 4_089_184_256)],
)
def test_a_resnet_does_the_published_work_and_not_only_has_the_published_size(size: str, multiply_adds: int) -> None:
    workload = _build("cnn", size, device="meta")
    with FlopCounterMode(display=False) as counter:
        _loss_on_meta(workload, batch_size=1)
    assert counter.get_total_flops() == 2 * multiply_adds


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_the_loss_is_a_scalar_on_the_device_of_model_and_batch(name: str, size: str) -> None:
    loss = _loss_on_meta(_build(name, size, device="meta"), batch_size=2)
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert loss.device.type == "meta"
    assert loss.requires_grad


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_a_model_is_handed_over_in_train_mode_and_fp32(name: str, size: str) -> None:
    model = _build(name, size, device="meta").model
    assert model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("name", "size", "input_shape", "target_shape"),
    [
        ("mlp", "small", (3, 784), (3,)),
        ("mlp", "large", (3, 784), (3,)),
        ("cnn", "small", (3, 3, 16, 16), (3,)),
        ("cnn", "resnet18", (3, 3, 32, 32), (3,)),
        ("cnn", "resnet50", (3, 3, 224, 224), (3,)),
        ("transformer", "small", (3, 16), (3, 16)),
        ("transformer", "gpt2", (3, 1024), (3, 1024)),
        ("lstm", "small", (3, 16), (3, 16)),
        ("lstm", "large", (3, 128), (3, 128)),
    ],
)
def test_a_batch_of_three_has_three_samples_that_are_not_constant(
    name: str, size: str, input_shape: tuple[int, ...], target_shape: tuple[int, ...]
) -> None:
    inputs, targets = _build(name, size, device="meta").make_batch(3)
    assert (inputs.shape, targets.shape) == (input_shape, target_shape)
    assert (inputs.device.type, targets.device.type) == ("cpu", "cpu")
    assert len(inputs.unique()) > 1


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_tokens_are_counted_as_items_where_the_samples_are_sequences(name: str, size: str) -> None:
    workload = _build(name, size, device="meta")
    inputs, _ = workload.make_batch(1)
    counts_tokens = name in {"transformer", "lstm"}
    assert (workload.item, workload.items_per_sample) == (
        ("token", inputs.shape[1]) if counts_tokens else ("sample", 1)
    )


@pytest.mark.parametrize("name", ["transformer", "lstm"])
def test_the_target_of_a_token_is_the_token_after_it(name: str) -> None:
    tokens, targets = _build(name, "small").make_batch(2)
    assert torch.equal(tokens[:, 1:], targets[:, :-1])


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_same_seed_builds_the_same_model_and_batch(name: str) -> None:
    first, second = _build(name, "small"), _build(name, "small")
    for one, other in zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    torch.manual_seed(1)
    inputs = first.make_batch(2)[0]
    torch.manual_seed(1)
    assert torch.equal(inputs, second.make_batch(2)[0])


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_parameter_gets_a_gradient_so_that_ddp_does_not_wait_for_one(name: str) -> None:
    workload = _build(name, "small")
    torch.autograd.backward(workload.compute_loss(workload.model, workload.make_batch(2)))
    assert [key for key, parameter in workload.model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("precision", ["fp32", "amp_bf16"])
@pytest.mark.parametrize("name", WORKLOADS)
def test_the_loss_on_one_batch_falls(name: str, precision: str) -> None:
    # oneDNN has no bf16 LSTM for processors without AVX-512 and says so in an error: then torch's own does the work.
    without_onednn = name == "lstm" and precision == "amp_bf16"
    with _without_onednn() if without_onednn else contextlib.nullcontext():
        losses = _losses(_build(name, "small"), batch_size=8, steps=20, bf16=precision == "amp_bf16")
    assert losses[-1] < 0.95 * losses[0]


def test_gpt_attends_to_no_token_that_comes_later() -> None:
    workload = _build("transformer", "small")
    tokens, _ = workload.make_batch(1)
    changed = tokens.clone()
    changed[0, -1] = (changed[0, -1] + 1) % 128
    before, after = workload.model(tokens), workload.model(changed)
    torch.testing.assert_close(before[:, :-1], after[:, :-1])
    assert not torch.allclose(before[:, -1], after[:, -1])


def test_gpt_starts_with_the_loss_of_a_uniform_guess() -> None:
    workload = _build("transformer", "small")
    loss = workload.compute_loss(workload.model, workload.make_batch(8))
    torch.testing.assert_close(loss, torch.tensor(128.0).log(), rtol=0.02, atol=0.0)


def test_gpt_draws_residual_projections_smaller_the_deeper_it_is() -> None:
    parameters = dict(_build("transformer", "small").model.named_parameters())
    assert parameters["blocks.0.attention.qkv.weight"].std().item() == pytest.approx(0.02, rel=0.05)
    assert parameters["blocks.0.attention.projection.weight"].std().item() == pytest.approx(0.02 / 4**0.5, rel=0.05)
    assert parameters["blocks.1.projection.weight"].std().item() == pytest.approx(0.02 / 4**0.5, rel=0.05)
