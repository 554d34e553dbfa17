"""Runs a function as the ranks of a process group, with a deadline."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.multiprocessing.spawn import start_processes

DEADLINE_SECONDS = 120.0


def run_ranks(function: Callable[..., None], *arguments: Any, num_ranks: int = 2) -> None:
    """Call ``function(rank, *arguments)`` in processes of their own, which end, or are killed at the deadline."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1])  # the processes import the test's file by its name from there
        patch.setenv("GLOO_SOCKET_IFNAME", "lo")
        context = start_processes(function, args=arguments, nprocs=num_ranks, join=False, start_method="spawn")
    assert context is not None
    deadline = time.monotonic() + DEADLINE_SECONDS
    try:
        while not context.join(timeout=max(0.0, deadline - time.monotonic()), grace_period=1):
            assert time.monotonic() < deadline, "the ranks hang"
    finally:
        for process in context.processes:
            process.kill()
            process.join()
