"""The share of what a case's devices can do, worked out by hand."""

import dataclasses
from collections.abc import Callable

import pytest

from bench.case import Case
from bench.result import DeviceInfo, Environment
from bench.utilization import Peak, memory_bytes_per_second, model_flops_utilization, peak_of_case

H100 = "NVIDIA H100 80GB HBM3"


def _machine(*names: str) -> Environment:
    devices = tuple(DeviceInfo(type="cuda", index=index, name=name) for index, name in enumerate(names))
    return Environment(devices=devices, attained_flops_per_second={"cpu/fp32": 8e10, "cpu/bf16": 5e9})


@pytest.mark.parametrize(
    ("axes", "tflops"),
    [
        ({"device": "cuda", "precision": "amp_bf16"}, 989.5),
        ({"device": "cuda", "precision": "amp_fp16"}, 989.5),
        ({"device": "cuda", "precision": "tf32"}, 494.5),
        ({"device": "cuda", "precision": "fp32"}, 67),
        ({"device": "cuda:1", "precision": "fp32"}, 19.5),
        ({"device": "cuda", "precision": "fp32", "strategy": "ddp", "num_devices": 2}, 67 + 19.5),
    ],
)
def test_the_peak_is_that_of_the_devices_in_use_in_the_format_that_ran(
    make_case: Callable[..., Case], axes: dict[str, object], tflops: float
) -> None:
    peak = peak_of_case(make_case(**axes), _machine(H100, "NVIDIA A100-SXM4-80GB"))
    assert peak is not None
    assert peak.source == "data sheet"
    assert peak.flops_per_second == pytest.approx(tflops * 1e12)


@pytest.mark.parametrize(
    ("axes", "names"),
    [
        ({"device": "cuda"}, ("NVIDIA A10G",)),
        ({"device": "cuda", "strategy": "ddp", "num_devices": 2}, (H100, "NVIDIA A10G")),
        ({"device": "cuda", "strategy": "ddp", "num_devices": 2}, (H100,)),
        ({"device": "cuda", "precision": "amp_bf16"}, ("Tesla T4",)),
        ({"device": "cuda:3"}, (H100,)),
        ({"device": "cuda", "precision": "fp8"}, (H100,)),
        ({"device": "cpu", "precision": "amp_fp16"}, ()),
    ],
)
def test_what_is_not_known_of_one_device_is_not_known_of_the_case(
    make_case: Callable[..., Case], axes: dict[str, object], names: tuple[str, ...]
) -> None:
    assert peak_of_case(make_case(**axes), _machine(*names)) is None


@pytest.mark.parametrize("strategy", ["single", "ddp"])
def test_a_cpu_is_held_against_what_was_attained_on_it(make_case: Callable[..., Case], strategy: str) -> None:
    case = make_case(device="cpu", precision="amp_bf16", strategy=strategy, num_devices=2)
    assert peak_of_case(case, _machine()) == Peak(flops_per_second=5e9, source="measured")


def test_utilization_is_the_rate_over_the_peak() -> None:
    assert model_flops_utilization(43_000, 0.5, 200_000) == pytest.approx(0.43)


@pytest.mark.parametrize(("seconds", "peak"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0)])
def test_a_time_or_a_peak_of_nothing_is_refused(seconds: float, peak: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        model_flops_utilization(1, seconds, peak)


@pytest.mark.parametrize(
    ("axes", "tflops"),
    [
        ({"device": "cuda", "precision": "amp_bf16"}, 800),
        ({"device": "cuda", "precision": "amp_bf16", "strategy": "ddp", "num_devices": 2}, 1600),
        ({"device": "cpu", "precision": "amp_bf16", "strategy": "ddp", "num_devices": 2}, 2),
    ],
)
def test_a_rate_that_was_given_goes_before_every_other(
    make_case: Callable[..., Case], axes: dict[str, object], tflops: float
) -> None:
    given = {"cuda/bf16": 8e14, "cpu/bf16": 2e12}
    machine = dataclasses.replace(_machine(H100, "a card that nobody knows"), given_flops_per_second=given)
    assert peak_of_case(make_case(**axes), machine) == Peak(flops_per_second=tflops * 1e12, source="given")


def test_a_format_that_was_not_given_is_looked_up(make_case: Callable[..., Case]) -> None:
    machine = dataclasses.replace(_machine(H100), given_flops_per_second={"cuda/bf16": 8e14})
    peak = peak_of_case(make_case(device="cuda", precision="tf32"), machine)
    assert peak is not None
    assert (peak.flops_per_second, peak.source) == (494.5e12, "data sheet")


def test_the_bandwidth_is_that_of_the_memory_of_all_devices(make_case: Callable[..., Case]) -> None:
    two = make_case(device="cuda", strategy="ddp", num_devices=2)
    assert memory_bytes_per_second(two, _machine(H100, H100)) == pytest.approx(2 * 3.35e12)
    assert memory_bytes_per_second(two, _machine(H100, "NVIDIA A10G")) is None
    here = dataclasses.replace(_machine(), attained_bytes_per_second={"cpu": 2e10})
    assert memory_bytes_per_second(make_case(strategy="ddp", num_devices=2), here) == 2e10
    assert memory_bytes_per_second(make_case(), _machine()) is None
