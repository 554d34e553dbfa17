"""
Shows how often a change of level is found in series of a history, and how often one that is not there.

    python tests/studies/change_points.py [--series 400]

Series of 60 points with 2 % noise, of four kinds: quiet; with spikes of 5 % in one point of ten; with a drift of 2 %
over all; and with a step of +5 % at point 40, of which it is also said how far off it was found. Prints a table in
Markdown.
"""

import argparse
import math
import random
import sys
from collections.abc import Callable, Sequence

from bench.history.change_points import ChangePoint, change_points
from bench.statistics import rate_interval

POINTS, STEP_AT = 60, 40
NOISE, SPIKE, DRIFT, STEP = 0.02, 0.05, 0.02, 0.05
NEAR = 2
"""Points that a change may be off and still names the right commits, give or take."""

Signal = Callable[[random.Random, int], float]
KINDS: dict[str, Signal] = {
    "quiet": lambda _chance, _index: 0.0,
    "spikes of +5 % in one of ten": lambda chance, _index: math.log1p(SPIKE) * (chance.random() < 0.1),
    "drift of +2 % over all": lambda _chance, index: math.log1p(DRIFT) * index / POINTS,
    "step of +5 %": lambda _chance, index: math.log1p(STEP) * (index >= STEP_AT),
}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=400, help="of each kind")
    number = parser.parse_args().series
    print("| series | with a change | 95 % interval | within 2 points of the step |")
    print("| --- | ---: | --- | ---: |")
    for kind, signal in KINDS.items():
        found = [change_points(series(signal, seed)) for seed in range(number)]
        hits = sum(map(bool, found))
        low, high = rate_interval(hits, number)
        near = f"{sum(map(_is_near, found)) / number:.0%}" if kind.startswith("step") else ""
        print(f"| {kind} | {hits / number:.1%} | {low:.1%} to {high:.1%} | {near} |")
    return 0


def series(signal: Signal, seed: int) -> list[float]:
    """Return the points of one series."""
    chance = random.Random(seed)
    return [math.exp(chance.gauss(0, NOISE) + signal(chance, index)) for index in range(POINTS)]


def _is_near(found: Sequence[ChangePoint]) -> bool:
    return any(abs(one.index - STEP_AT) <= NEAR for one in found)


if __name__ == "__main__":
    sys.exit(main())
