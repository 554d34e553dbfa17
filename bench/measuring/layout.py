"""
Gives a worker the memory layout that its order says, so that it is neither the server's nor always the same.

Where tensors lie decides which of them share cache sets and pages, and by that some per cent of a step. The kernel
draws it anew for every program, but not for what a fork server forks: all workers of one server had its layout, and
with it the same advantage for one of two models that differ a little (docs/method.md). What is held against each other
draws the same layout, so that it cancels where the two allocate alike.

Source: Mytkowicz et al., Producing wrong data without doing anything obviously wrong! (2009); Curtsinger and Berger,
STABILIZER: statistically sound performance evaluation (2013).
"""

import mmap
import random

import torch

PAGE_BYTES = mmap.PAGESIZE
MAX_PAGES = 4096
"""Of address space, which is never touched: 16 MiB with pages of 4 KiB."""
MAX_BLOCKS = 400
MAX_BLOCK_BITS = 16
"""Blocks of up to 64 KiB, small ones as often as large ones: they fill what the server's heap had free."""

Held = tuple[mmap.mmap | torch.Tensor, ...]


def drawn(seed: int) -> Held:
    """Move what this process will allocate by a distance that *seed* says, and return what has to be held for it."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    pages = [mmap.mmap(-1, PAGE_BYTES * chance.randrange(1, MAX_PAGES)) for _ in range(2)]
    sizes = [
        chance.randrange(1, 2 ** chance.randrange(4, MAX_BLOCK_BITS + 1)) for _ in range(chance.randrange(MAX_BLOCKS))
    ]
    return (*pages, *(torch.empty(size, dtype=torch.uint8) for size in sizes))
