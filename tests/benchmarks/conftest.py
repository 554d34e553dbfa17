"""Benchmarks of the project itself: `python -m pytest tests/benchmarks --benchmark-only`."""

import os
from collections.abc import Iterator

import pytest

from bench.running.pool import Pool, usual_start_method


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    """The servers that workers come from, as in a run."""
    with Pool(3, usual_start_method(), dict(os.environ)) as pool:
        yield pool
