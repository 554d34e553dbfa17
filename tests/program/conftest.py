"""Places to run the program in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.program.sandbox import Sandbox

GOOD = """
import time

import torch
from torch import nn


def _make_batch(batch_size):
    return torch.randn(batch_size, 8), torch.randint(0, 3, (batch_size,))


def _compute_loss(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def good():
    return nn.Linear(8, 3), _make_batch, _compute_loss


def slow():
    def compute_loss(model, batch):
        time.sleep(0.01)
        return _compute_loss(model, batch)

    return nn.Linear(8, 3), _make_batch, compute_loss
"""


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox with `models.py` in it; whatever a test runs there, nothing may be left of it."""
    sandbox = Sandbox(directory=tmp_path)
    (tmp_path / "models.py").write_text(GOOD)
    try:
        yield sandbox
        assert sandbox.leftovers() == []
    finally:
        sandbox.close()


@pytest.fixture(scope="session")
def make_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Sandbox]]:
    """What makes sandboxes that several tests look at; each asks for the leftovers itself."""
    made: list[Sandbox] = []

    def make() -> Sandbox:
        made.append(Sandbox(directory=tmp_path_factory.mktemp("program")))
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.close()
