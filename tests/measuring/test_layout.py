"""What one server forks must not all lie alike."""

import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection

import pytest
import torch

from bench.measuring import layout

NUM_WORKERS = 6
ELEMENTS = 1 << 18
"""Of a tensor of 1 MiB, for which malloc asks the kernel."""


def _say_where(answer: Connection, seed: int) -> None:
    held = layout.drawn(seed)
    answer.send((torch.zeros(16).data_ptr(), torch.zeros(ELEMENTS).data_ptr()))
    del held


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="nothing is forked here")
@pytest.mark.parametrize("seeds", [range(NUM_WORKERS), [7] * NUM_WORKERS], ids=["different", "equal"])
def test_workers_of_one_server_lie_alike_exactly_where_their_seed_is_the_same(seeds: Sequence[int]) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch"])
    seen = []
    for seed in seeds:
        ours, theirs = context.Pipe(duplex=False)
        worker = context.Process(target=_say_where, args=(theirs, seed))
        worker.start()
        assert ours.poll(60)
        seen.append(ours.recv())
        worker.join(60)
        assert worker.exitcode == 0
    small, large = zip(*seen, strict=True)
    if len(set(seeds)) > 1:
        assert len(set(small)) > NUM_WORKERS // 2
        assert len(set(large)) > NUM_WORKERS // 2
    else:
        assert len(set(large)) <= NUM_WORKERS // 2
