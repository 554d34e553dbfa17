"""The rate of a large matrix product on this machine: what a training step could attain at best."""

import time
from collections.abc import Sequence

import torch

SIZE = 1024
"""Of the square matrices: 12 MiB in fp32, a product takes about 20 ms on two cores."""
SECONDS = 0.3
"""A format: the best of some products, since what interrupts one never makes it faster."""
MIN_PRODUCTS = 3
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""Without fp16, which takes a CPU without units for it 100 times as long."""


def look(number_formats: Sequence[str]) -> dict[str, float]:
    """Return the operations a second of the CPU's threads in each of *number_formats* that can be measured."""
    return {name: _rate(DTYPES[name]) for name in number_formats if name in DTYPES}


def _rate(dtype: torch.dtype) -> float:
    left, right = (torch.randn(SIZE, SIZE).to(dtype) for _ in range(2))
    seconds: list[float] = []
    torch.mm(left, right)  # loads the library's kernels
    started = time.perf_counter()
    while len(seconds) < MIN_PRODUCTS or time.perf_counter() - started < SECONDS:
        begin_ns = time.perf_counter_ns()
        torch.mm(left, right)
        seconds.append((time.perf_counter_ns() - begin_ns) / 1e9)
    return float(2 * SIZE**3 / min(seconds))
