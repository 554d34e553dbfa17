"""How often `ab` is right on this machine: base against itself, and against itself made slower on purpose."""

from collections.abc import Sequence

from bench.commands._contests import Contest
from bench.commands._gate import Gate


def calibrate(gate: Gate, contests: Sequence[Contest], repeats: int, margin_ratio: float) -> int:
    raise NotImplementedError
