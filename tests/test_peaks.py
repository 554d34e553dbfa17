"""The table of peak rates: found by the name that a driver gives, or not at all."""

import re

import pytest

from bench.peaks import PEAKS, peak_of


@pytest.mark.parametrize(
    ("name", "number_format", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", "bf16", 989.5),
        ("NVIDIA H100 80GB HBM3", "fp32", 67),
        ("NVIDIA H100 PCIe", "bf16", 756),
        ("NVIDIA H100 NVL", "bf16", 835.5),
        ("NVIDIA H200", "tf32", 494.5),
        ("NVIDIA B200", "bf16", 2250),
        ("NVIDIA GB200", "bf16", 2500),
        ("NVIDIA A100-SXM4-80GB", "tf32", 156),
        ("NVIDIA A100 80GB PCIe", "bf16", 312),
        ("A100-SXM4-40GB", "fp16", 312),  # drivers before 470
        ("NVIDIA A40", "bf16", 149.7),
        ("NVIDIA A30", "bf16", 165),
        ("NVIDIA A10", "fp16", 125),
        ("NVIDIA L4", "bf16", 121),
        ("NVIDIA L40", "bf16", 181),
        ("NVIDIA L40S", "bf16", 362),
        ("Tesla T4", "fp16", 65),
        ("Tesla V100-SXM2-16GB", "fp16", 125),
        ("NVIDIA GeForce RTX 3090", "fp32", 35.6),
        ("NVIDIA GeForce RTX 4090", "bf16", 165.2),
        ("NVIDIA GeForce RTX 5090", "bf16", 209.5),
        ("NVIDIA RTX A6000", "bf16", 154.8),
        ("NVIDIA RTX 6000 Ada Generation", "bf16", 364.2),
        ("AMD Instinct MI250X", "bf16", 191.5),
        ("AMD Instinct MI300X", "bf16", 1307.4),
        ("AMD Instinct MI325X", "bf16", 1307.4),
    ],
)
def test_a_device_is_found_by_the_name_that_its_driver_gives(name: str, number_format: str, tflops: float) -> None:
    peak = peak_of(name)
    assert peak is not None
    assert peak.flops_per_second(number_format) == pytest.approx(tflops * 1e12)


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "NVIDIA", "cuda", "cpu", "mps", "Quadro RTX 6000", "NVIDIA RTX 6000", "NVIDIA A10G", "NVIDIA A100X"),
        *("NVIDIA H100", "NVIDIA H20", "NVIDIA H800", "NVIDIA GH200 480GB", "NVIDIA L40G", "NVIDIA L4 Laptop"),
        *("NVIDIA GeForce RTX 3090 Ti", "NVIDIA GeForce RTX 4090 D", "NVIDIA GeForce RTX 4090 Laptop GPU"),
        *("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "NVIDIA H100 80GB HBM3 MIG 3g.40gb", "NVIDIA B300"),
        *("AMD Instinct MI300A", "AMD Instinct MI250", "AMD Radeon Graphics", "Tesla V100-DGXS-32GB", "nvidia l40s"),
        *("Intel(R) Data Center GPU Max 1550", "NVIDIA NVIDIA H200"),
    ],
)
def test_a_name_that_only_resembles_one_has_no_figure(name: str) -> None:
    assert peak_of(name) is None


def test_a_format_that_a_device_has_no_units_for_has_no_rate() -> None:
    peak = peak_of("Tesla T4")
    assert peak is not None
    assert (peak.flops_per_second("bf16"), peak.flops_per_second("tf32")) == (None, None)


def test_no_name_is_claimed_twice() -> None:
    names = [name for peak in PEAKS for name in peak.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("peak", PEAKS, ids=lambda peak: peak.names[0])
def test_a_row_makes_sense(peak: object) -> None:
    assert isinstance(peak, type(PEAKS[0]))
    assert re.search(r"\(20\d\d-\d\d\)", peak.source), "a figure has its source and date"
    assert peak.tflops["fp32"] <= peak.tflops.get("tf32", peak.tflops["fp32"]) <= peak.tflops["fp16"]
    assert peak.tflops["fp16"] / peak.tflops["fp32"] < 34, "the sparse figure would be twice as much"
    assert 200 < peak.memory_gigabytes_per_second < 9000
    assert peak.memory_bytes_per_second == peak.memory_gigabytes_per_second * 1e9
