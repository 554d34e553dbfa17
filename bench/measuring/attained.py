"""The rate of a large matrix product and of a large copy on a device: what a training step could attain at best."""

import time
from collections.abc import Callable, Sequence

import torch

SIZES = {"cpu": 1024, "accelerator": 8192}
"""Of the square matrices: in fp32 12 MiB, and about 20 ms on two cores; 768 MiB, and some ms to 20 ms on a GPU."""
COPY_BYTES = {"cpu": 2**27, "accelerator": 2**30}
"""Larger than any cache."""
SECONDS = 0.3
"""For each: the best of some, since what interrupts one never makes it faster."""
MIN_TIMES = 3
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
NOT_ON_CPU = {"tf32", "fp16"}
"""No such format there; fp16 takes a CPU without units for it 100 times as long."""


def look(number_formats: Sequence[str], device: str = "cpu") -> dict[str, float]:
    """Return the operations a second that *device* attains in each of *number_formats* that it has; in a worker."""
    kind = "cpu" if device == "cpu" else "accelerator"
    wanted = [name for name in number_formats if kind != "cpu" or name not in NOT_ON_CPU]
    return {name: _rate(name, SIZES[kind], torch.device(device)) for name in wanted}


def copied(device: str = "cpu") -> dict[str, float]:
    """Return the bytes a second that *device* reads and writes in a large copy; in a worker."""
    kind = "cpu" if device == "cpu" else "accelerator"
    source = torch.ones(COPY_BYTES[kind], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = _best_seconds(lambda: target.copy_(source), torch.device(device))
    return {"bytes_per_second": 2 * COPY_BYTES[kind] / seconds}


def _rate(number_format: str, size: int, device: torch.device) -> float:
    torch.backends.cuda.matmul.allow_tf32 = number_format == "tf32"  # of this process, which ends with the look
    left, right = (torch.randn(size, size, device=device).to(DTYPES[number_format]) for _ in range(2))
    return float(2 * size**3 / _best_seconds(lambda: torch.mm(left, right), device))


def _best_seconds(work: Callable[[], object], device: torch.device) -> float:
    work()  # loads the library's kernels
    _wait(device)
    seconds: list[float] = []
    started = time.perf_counter()
    while len(seconds) < MIN_TIMES or time.perf_counter() - started < SECONDS:
        begin_ns = time.perf_counter_ns()
        work()
        _wait(device)
        seconds.append((time.perf_counter_ns() - begin_ns) / 1e9)
    return min(seconds)


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
