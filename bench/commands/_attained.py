"""Asks a worker what a device attains; `run` and `env` do."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.running.machine import usable_cores
from bench.running.pool import Pool

FUNCTION = "bench.measuring.attained:look"
TIMEOUT_SECONDS = 120.0
"""For all formats, at some tenths of a second each, and the start of a device."""


def attained(pool: Pool, number_formats: Sequence[str], device: str) -> Mapping[str, Any]:
    """
    Return the rates that *device* attains, as `bench.measuring.attained.look` gives them.

    Raises:
        CallError: If the worker did not end well.
    """
    return pool.call(
        FUNCTION,
        timeout_seconds=TIMEOUT_SECONDS,
        number_formats=list(number_formats),
        num_threads=usable_cores(),
        device=device,
    )
