"""The rate of a large matrix product and of a large copy on a device: what a training step could attain at best."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from bench.measuring.nvml import Driver
from bench.measuring.usage import Meter, usage_of

SIZES = {"cpu": 1024, "accelerator": 8192}
"""Of the square matrices: in fp32 12 MiB, and about 20 ms on two cores; 768 MiB, and some ms to 20 ms on a GPU."""
COPY_BYTES = {"cpu": 2**28, "accelerator": 2**30}
"""Larger than most caches; where one holds it, this is the rate of the cache."""
SECONDS = 0.2
"""For each: the best of some, since what interrupts one never makes it faster."""
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
NOT_ON_CPU = {"tf32", "fp16"}
"""No such format there; fp16 takes a CPU without units for it 100 times as long."""


def look(number_formats: Sequence[str], num_threads: int, device: str = "cpu") -> dict[str, Any]:
    """
    Return what *device* attains; in a worker.

    Args:
        number_formats: Of the products; those that it does not have are left out.
        num_threads: All cores, also where a case is given fewer.
        device: As torch names it.

    Returns:
        `flops_per_second` for each format, `bytes_per_second` read and written by a copy, and `others_ratio`: for how
        much of the time other programs ran on these cores.
    """
    torch.set_num_threads(num_threads)
    kind = "cpu" if device == "cpu" else "accelerator"
    wanted = [name for name in number_formats if kind != "cpu" or name not in NOT_ON_CPU]
    meter = Meter(Driver([]))
    before, started = meter.read(), time.perf_counter()
    rates = {name: _rate(name, SIZES[kind], torch.device(device)) for name in wanted}
    copied = _copied(COPY_BYTES[kind], torch.device(device))
    seconds = time.perf_counter() - started
    used = usage_of([meter.read().since(before)])
    others = max(0.0, (used.others_seconds or 0.0) - used.others_error_seconds)
    return {"flops_per_second": rates, "bytes_per_second": copied, "others_ratio": others / seconds}


def _rate(number_format: str, size: int, device: torch.device) -> float:
    torch.backends.cuda.matmul.allow_tf32 = number_format == "tf32"  # of this process, which ends with the look
    left, right = (torch.randn(size, size, device=device).to(DTYPES[number_format]) for _ in range(2))
    # The layouts of a linear layer's forward and of its weight's gradient. The plain one is 30 times as slow as they
    # are in bf16 on a CPU without units for it, and no step has it.
    layouts = (lambda: torch.mm(left, right.t()), lambda: torch.mm(left.t(), right))
    return float(2 * size**3 / min(_best_seconds(product, device) for product in layouts))


def _copied(size: int, device: torch.device) -> float:
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / _best_seconds(lambda: target.copy_(source), device)


def _best_seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the quickest of the calls in SECONDS; the first, which loads kernels, counts where it takes longer."""
    seconds: list[float] = []
    started = time.perf_counter()
    while len(seconds) < 2 or time.perf_counter() - started < SECONDS:  # noqa: PLR2004 (see above)
        begin_ns = time.perf_counter_ns()
        work()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        seconds.append((time.perf_counter_ns() - begin_ns) / 1e9)
        if seconds[0] > SECONDS:
            break
    return min(seconds)
