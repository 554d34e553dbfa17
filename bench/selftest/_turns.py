"""
Two ways to train the same model take turns in one process; on the worker's side.

The turns are short, so that both sides see the same machine. Of one pair, 30 timed steps a side, the ratio scatters by
2.1 to 2.7 % with turns of 10 steps and the median, by 1.0 to 1.6 % with turns of 4 and the mean without the slowest
quarter (100 pairs, twice). Method.md wants blocks of 100 ms because OpenMP's threads spin after their turn; with one
thread there are none.
"""

import math
import random
import statistics
from collections.abc import Callable
from pathlib import Path

import torch

from bench.case import Case
from bench.measuring.worker import LEAD_STEPS, Worker

CASE = Case(workload="mlp:small", device="cpu", strategy="single", precision="fp32", batch_size=64)
TURNS = 10
"""Of each side in a pair: with STEPS about 70 ms a side, and 30 steps that count."""
STEPS = 4
STEPS_TO_DROP = 1
"""Of each turn, which pays for the change."""
SHARE_TO_KEEP = 0.75
"""Of a side's steps, the fastest: what interrupts a step never makes it shorter."""
DEADLINE_SECONDS = 30.0
"""Only a process group would use it."""

Train = Callable[[int], list[float]]
"""Trains that many steps and returns the seconds of each."""


def prepared(case: Case = CASE) -> Worker:
    """Return a worker, built and warm, of one thread: a second one waits for the first where cores are shared."""
    torch.set_num_threads(1)
    worker = Worker(case, rank=0, rendezvous=Path("none"), deadline_seconds=DEADLINE_SECONDS)
    worker.prepare()
    return worker


def two_prepared() -> list[Worker]:
    """Return two in random order: who is created first has other memory, which alone made 0.54 % (method.md)."""
    workers = [prepared(), prepared()]
    random.shuffle(workers)
    return workers


def harness(worker: Worker) -> Train:
    """Return the harness's way: what `step` of a run is."""
    return lambda steps: worker.run_block(steps, LEAD_STEPS).samples_seconds["step"]


def take_turns(
    candidate: Train, baseline: Train, pairs: int, before_pair: Callable[[], None] = lambda: None
) -> dict[str, list[float]]:
    """
    Return the mean step of each side in each of *pairs*, without its slowest steps, in seconds.

    Args:
        candidate: One side.
        baseline: The other; who goes first changes from turn to turn.
        pairs: How many; the unit of replication.
        before_pair: Called before each, with no clock running.
    """
    sides = {"candidate_seconds": candidate, "baseline_seconds": baseline}
    means: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(pairs):
        before_pair()
        steps: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(TURNS):
            for name in sorted(sides, reverse=turn % 2 == 1):
                steps[name] += sides[name](STEPS)[STEPS_TO_DROP:]
        for name, seconds in steps.items():
            means[name].append(statistics.fmean(sorted(seconds)[: math.ceil(SHARE_TO_KEEP * len(seconds))]))
    return means
