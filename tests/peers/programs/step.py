"""The step that every tool times, by default the suite's own mlp:small, built by the code of its workers."""

import dataclasses
import os
from collections.abc import Callable

import torch

from bench import registry
from bench.case import Case
from bench.measuring.building import build
from bench.measuring.device import devices_of
from bench.running.machine import threads_per_rank
from tests.peers.tools import WORKLOAD_VARIABLE

CASE = Case(workload="mlp:small", device="cpu", strategy="single", precision="fp32", batch_size=64)
WARM_STEPS = 10
"""The suite's own minimum on the CPU. A kindness: pytest-benchmark plans its rounds after the first call it sees."""


def warm_step() -> Callable[[], None]:
    """Return a function that trains one step, warm already, with as many threads as the suite takes."""
    torch.set_num_threads(threads_per_rank(1, os.environ))
    case = dataclasses.replace(CASE, workload=os.environ.get(WORKLOAD_VARIABLE, CASE.workload))
    strategy = registry.load("strategies", case.strategy).STRATEGY
    step = build(case, strategy, devices_of(case, 0, distributed=strategy.distributed), rank=0).step

    def run() -> None:
        step.run(_no_border)

    for _ in range(WARM_STEPS):
        run()
    return run


def _no_border() -> None:
    """Stand where the suite looks at its clock."""
