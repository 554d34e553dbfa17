"""The step under torch.utils.benchmark: `python under_timer.py blocked_autorange|adaptive_autorange FILE`."""

import json
import sys
from pathlib import Path

import torch
from torch.utils.benchmark import Timer

from tests.peers.programs.step import warm_step


def _measure(method: str) -> list[float]:
    """Return the seconds of a step in each of the timer's blocks."""
    step = warm_step()
    # Without a number it would time with one thread.
    timer = Timer("step()", globals={"step": step}, num_threads=torch.get_num_threads())
    times: list[float] = getattr(timer, method)().times
    return times


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps({"times": _measure(sys.argv[1])}), encoding="utf-8")
