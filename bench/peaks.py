"""
Peak rates of devices, from their makers' data sheets: one row a device.

Every rate is dense. Makers print the one for 2:4 sparse matrices, which no training step has, in larger letters; where
a sheet gives nothing else, half of it stands here. Rates of 16-bit formats are those with 32-bit accumulation, as torch
asks for it. A device is found by the exact name that its driver gives: a name that only resembles one (an A10G is no
A10, an RTX 4090 Laptop GPU no RTX 4090, a MIG slice no card) has no row, and no figure is guessed.
"""

import dataclasses
from collections.abc import Mapping

TERA, GIGA = 10**12, 10**9

NumberFormat = str
"""One of fp32, tf32, bf16, fp16: what the inputs of matrix products are rounded to."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peak:
    """What one device can do at most."""

    names: tuple[str, ...]
    """As drivers give them, without a leading "NVIDIA", which older drivers left out."""
    tflops: Mapping[NumberFormat, float]
    """A format that it has no units for is absent."""
    memory_gigabytes_per_second: float
    source: str
    """The sheet, and when it was published."""

    def flops_per_second(self, number_format: NumberFormat) -> float | None:
        """Return the dense rate of matrix products in *number_format*."""
        rate = self.tflops.get(number_format)
        return None if rate is None else rate * TERA

    @property
    def memory_bytes_per_second(self) -> float:
        """The bandwidth of its memory."""
        return self.memory_gigabytes_per_second * GIGA


def peak_of(device_name: str) -> Peak | None:
    """Return the row of the device that its driver calls *device_name*; None: there is none."""
    return _BY_NAME.get(device_name.strip().removeprefix("NVIDIA "))


def _rates(fp32: float, tf32: float | None, bf16: float | None, fp16: float) -> dict[NumberFormat, float]:
    rates = {"fp32": fp32, "tf32": tf32, "bf16": bf16, "fp16": fp16}
    return {name: rate for name, rate in rates.items() if rate is not None}


_H100 = "NVIDIA H100 Tensor Core GPU data sheet (2024-03)"
_A100 = "NVIDIA A100 Tensor Core GPU data sheet (2021-06)"
_AMPERE = "NVIDIA Ampere GA102 GPU Architecture white paper 2.1 (2021-09), appendices A to C"
_ADA = "NVIDIA Ada GPU Architecture white paper 2.1 (2023-03), appendix A"
_ADA_PRO = "NVIDIA Ada Lovelace Professional GPU Architecture white paper 1.1 (2023-03), appendix A"
_BLACKWELL = "NVIDIA Blackwell Architecture Technical Brief (2024-03)"
_V100 = "NVIDIA V100 Tensor Core GPU data sheet (2020-01)"

PEAKS: tuple[Peak, ...] = (
    Peak(
        names=("GB200",),
        tflops=_rates(90, 1250, 2500, 2500),
        memory_gigabytes_per_second=8000,
        source=f"{_BLACKWELL}, GB200",
    ),
    Peak(
        names=("B200",),
        tflops=_rates(80, 1100, 2250, 2250),
        memory_gigabytes_per_second=8000,
        source=f"{_BLACKWELL}, HGX B200",
    ),
    Peak(
        names=("H200",),
        tflops=_rates(67, 494.5, 989.5, 989.5),
        memory_gigabytes_per_second=4800,
        source="NVIDIA H200 Tensor Core GPU data sheet (2024-11), SXM",
    ),
    Peak(
        names=("H200 NVL",),
        tflops=_rates(60, 417.5, 835.5, 835.5),
        memory_gigabytes_per_second=4800,
        source="NVIDIA H200 Tensor Core GPU data sheet (2024-11), NVL",
    ),
    Peak(
        names=("H100 80GB HBM3",),
        tflops=_rates(67, 494.5, 989.5, 989.5),
        memory_gigabytes_per_second=3350,
        source=f"{_H100}, SXM",
    ),
    Peak(
        names=("H100 PCIe",),
        tflops=_rates(51, 378, 756, 756),
        memory_gigabytes_per_second=2000,
        source="NVIDIA H100 Tensor Core GPU data sheet (2023-02), PCIe",
    ),
    Peak(
        names=("H100 NVL",),
        tflops=_rates(60, 417.5, 835.5, 835.5),
        memory_gigabytes_per_second=3900,
        source=f"{_H100}, NVL",
    ),
    Peak(
        names=("A100-SXM4-80GB",),
        tflops=_rates(19.5, 156, 312, 312),
        memory_gigabytes_per_second=2039,
        source=f"{_A100}, SXM 80 GB",
    ),
    Peak(
        names=("A100 80GB PCIe", "A100-PCIE-80GB"),
        tflops=_rates(19.5, 156, 312, 312),
        memory_gigabytes_per_second=1935,
        source=f"{_A100}, PCIe 80 GB",
    ),
    Peak(
        names=("A100-SXM4-40GB", "A100-PCIE-40GB"),
        tflops=_rates(19.5, 156, 312, 312),
        memory_gigabytes_per_second=1555,
        source="NVIDIA A100 Tensor Core GPU data sheet (2020-11), 40 GB",
    ),
    Peak(
        names=("A40",),
        tflops=_rates(37.4, 74.8, 149.7, 149.7),
        memory_gigabytes_per_second=696,
        source="NVIDIA A40 data sheet (2022-10)",
    ),
    Peak(
        names=("A30",),
        tflops=_rates(10.3, 82, 165, 165),
        memory_gigabytes_per_second=933,
        source="NVIDIA A30 Tensor Core GPU data sheet (2022-03)",
    ),
    Peak(
        names=("A10",),
        tflops=_rates(31.2, 62.5, 125, 125),
        memory_gigabytes_per_second=600,
        source="NVIDIA A10 Tensor Core GPU data sheet (2021-03)",
    ),
    Peak(
        names=("L4",),
        tflops=_rates(30.3, 60, 121, 121),
        memory_gigabytes_per_second=300,
        source="NVIDIA L4 Tensor Core GPU data sheet (2023-03); sparse rates halved",
    ),
    Peak(
        names=("L40",),
        tflops=_rates(90.5, 90.5, 181, 181),
        memory_gigabytes_per_second=864,
        source="NVIDIA L40 data sheet (2023-01)",
    ),
    Peak(
        names=("L40S",),
        tflops=_rates(91.6, 183, 362, 362),
        memory_gigabytes_per_second=864,
        source="NVIDIA L40S data sheet (2023-08)",
    ),
    Peak(
        names=("Tesla T4", "T4"),
        tflops=_rates(8.1, None, None, 65),
        memory_gigabytes_per_second=320,
        source="NVIDIA T4 Tensor Core GPU data sheet (2019-03)",
    ),
    Peak(
        names=("Tesla V100-SXM2-16GB", "Tesla V100-SXM2-32GB"),
        tflops=_rates(15.7, None, None, 125),
        memory_gigabytes_per_second=900,
        source=f"{_V100}, SXM2",
    ),
    Peak(
        names=("Tesla V100-PCIE-16GB", "Tesla V100-PCIE-32GB"),
        tflops=_rates(14, None, None, 112),
        memory_gigabytes_per_second=900,
        source=f"{_V100}, PCIe",
    ),
    Peak(
        names=("Tesla V100S-PCIE-32GB",),
        tflops=_rates(16.4, None, None, 130),
        memory_gigabytes_per_second=1134,
        source=f"{_V100}, V100S PCIe",
    ),
    Peak(
        names=("GeForce RTX 3090",),
        tflops=_rates(35.6, 35.6, 71, 71),
        memory_gigabytes_per_second=936,
        source=_AMPERE,
    ),
    Peak(
        names=("RTX A6000",),
        tflops=_rates(38.7, 77.4, 154.8, 154.8),
        memory_gigabytes_per_second=768,
        source=_AMPERE,
    ),
    Peak(
        names=("GeForce RTX 4090",),
        tflops=_rates(82.6, 82.6, 165.2, 165.2),
        memory_gigabytes_per_second=1008,
        source=_ADA,
    ),
    Peak(
        names=("RTX 6000 Ada Generation",),
        tflops=_rates(91.1, 182.1, 364.2, 364.2),
        memory_gigabytes_per_second=960,
        source=_ADA_PRO,
    ),
    Peak(
        names=("GeForce RTX 5090",),
        tflops=_rates(104.8, 104.8, 209.5, 209.5),
        memory_gigabytes_per_second=1792,
        source="NVIDIA RTX Blackwell GPU Architecture white paper 1.1 (2025-01), appendix A",
    ),
    Peak(
        names=("AMD Instinct MI250X",),
        tflops=_rates(47.9, None, 191.5, 191.5),
        memory_gigabytes_per_second=1638.4,
        source="AMD Instinct MI250X data sheet (2021-11), halved: torch sees each of the two dies as a device",
    ),
    Peak(
        names=("AMD Instinct MI300X",),
        tflops=_rates(163.4, 653.7, 1307.4, 1307.4),
        memory_gigabytes_per_second=5300,
        source="AMD Instinct MI300X data sheet (2023-12)",
    ),
    Peak(
        names=("AMD Instinct MI325X",),
        tflops=_rates(163.4, 653.7, 1307.4, 1307.4),
        memory_gigabytes_per_second=6000,
        source="AMD Instinct MI325X data sheet (2024-10)",
    ),
)

_BY_NAME = {name: peak for peak in PEAKS for name in peak.names}
