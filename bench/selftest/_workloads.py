"""Workloads whose duration is known; on the worker's side."""

import os
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bench.selftest import _other_clock
from bench.workload import Workload

WAIT_SECONDS = _other_clock.WAIT_SECONDS

waited_seconds: list[float] = []
"""What the other clock says of each forward of `busy_wait` so far."""


def busy_wait() -> Workload:
    """
    Make forward as long as WAIT_SECONDS: compute, then wait for the rest of it, busily.

    The model alone takes 0.06 ms in a hot loop and 0.4 ms after a wait, with caches that others have used meanwhile.
    """

    def compute_loss(model: nn.Module, batch: Any) -> Tensor:
        start_ns = _other_clock.now_ns()
        loss: Tensor = model(batch).mean()
        waited_seconds.append(_other_clock.wait(WAIT_SECONDS, since_ns=start_ns))
        return loss

    return _smallest(compute_loss)


def slow_second_rank() -> Workload:
    """Sleep in rank 1's forward: asleep it leaves its core to the other rank, also where there is only one."""
    is_slow = os.environ.get("RANK") == "1"

    def compute_loss(model: nn.Module, batch: Any) -> Tensor:
        if is_slow:
            time.sleep(WAIT_SECONDS)
        loss: Tensor = model(batch).mean()
        return loss

    return _smallest(compute_loss)


def _smallest(compute_loss: Callable[[nn.Module, Any], Tensor]) -> Workload:
    return Workload(
        model=nn.Linear(1, 1), make_batch=lambda batch_size: torch.randn(batch_size, 1), compute_loss=compute_loss
    )
