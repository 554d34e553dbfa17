"""
What the fork server imports before it forks workers: libraries and our own plug-ins, never a user's file.

Everything that would cost each worker time is here: torch takes seconds to import, and the first optimizer of a
process imports `torch._dynamo`, which takes as long again. Nothing here may start a thread: one matrix product in the
server hangs every worker, because OpenMP's threads do not survive a fork.
"""

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Iterable

import torch

torch.set_num_threads(1)  # before any import below could start an OpenMP pool

import torch._dynamo  # noqa: E402 (after the line above, on purpose)
import torch.distributed  # noqa: E402, ICN001 (imported for its own sake)
import torch.nn.parallel  # noqa: E402
import torch.optim  # noqa: E402

import bench.measuring.probe  # noqa: E402 (called by its name, in each canary)
import bench.measuring.process  # noqa: E402, F401 (the worker's own code, so that it is not imported in each)
from bench import registry  # noqa: E402

with contextlib.suppress(ImportError):  # torch 2.13 imports it with the first optimizer's first step, in 7 ms
    importlib.import_module("torch.profiler._cupti_monitor")

for _package in ("strategies", "workloads"):
    for _name in registry.names(_package):
        with contextlib.suppress(Exception):  # a plug-in that is broken fails in the workers that want it
            registry.load(_package, _name)

SERVER_PID = os.getpid()
"""In a forked worker its parent's pid; in any other process its own."""


def import_more(names: Iterable[str]) -> None:
    """Import the modules called *names*, for all workers to come; one that is not there is left to the workers."""
    for name in names:
        if name not in sys.modules:
            with contextlib.suppress(Exception):  # what is broken fails in the workers that want it
                importlib.import_module(name)
            _freeze()


def _freeze() -> None:
    """
    Keep what was imported, which lives as long as the server, from the workers' garbage collector.

    It would walk it, and so copy every page that it touches: 0.2 s a worker.
    """
    gc.collect()
    gc.freeze()


_freeze()
