"""Leaves torch as it was: what a test changes in it is a process's own, and the next test runs in the same one."""

import gc
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def torch_as_it_was() -> Iterator[None]:
    """Give a test one thread and random numbers of its own; it may change TF32 and freeze objects."""
    threads = torch.get_num_threads()
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
    torch.set_num_threads(threads)
    gc.unfreeze()


@pytest.fixture
def forgetful_dynamo() -> Iterator[None]:
    """Forget what torch.compile did, so that no later test finds it."""
    yield
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
