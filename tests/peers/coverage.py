"""
Shows whether the suite's interval covers what runs really differ by: pairs of runs that take turns, round by round.

    python tests/peers/coverage.py --out DIR [--pairs 40]

Both runs of a pair measure mlp:small in fresh workers of the same servers, in random order in every round, until the
suite's rule stops each. DIR/pairs.jsonl has one line for each pair; those that are there are not measured again. Ends
with 1 if fewer than 90 % are covered; `report.py` writes what was seen to reports/peers.
"""

import argparse
import datetime
import os
import random
import sys
from pathlib import Path

from bench.case import Case
from bench.record import to_plain
from bench.running.pool import Pool, usual_start_method
from bench.running.session import Interrupted, interrupts_raised
from tests.peers import lines, machine
from tests.peers.load import Watch
from tests.peers.pair import FILE_NAME, Pair, covers
from tests.peers.report import read_pairs
from tests.peers.sections import GOAL_RATIO, coverage_section
from tests.peers.tools import RULE, is_enough
from tests.peers.visits import step_of_visit

CASE = Case(workload="mlp:small", device="cpu", strategy="single", precision="fp32", batch_size=64)
MAX_ROUNDS = 20
"""Of one run; a quiet machine needs about 14, and a pair must not take minutes on a loud one."""
PAIRS_PER_POOL = 5
"""Servers are a layer of variance of their own, so they must vary; new ones take a few seconds."""
SIDES = ("first", "second")


def main() -> int:
    """Measure the pairs that are missing, print what was seen, and return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=40)
    options = parser.parse_args()
    path = options.out / FILE_NAME
    try:
        with interrupts_raised():
            _measure(path, options.pairs)
    except Interrupted as interrupted:
        print(f"{interrupted}: run the same command to continue", file=sys.stderr)
        return interrupted.exit_status
    pairs = read_pairs(path)
    print(coverage_section(pairs))
    covered = sum(covers(pair.first_seconds, pair.second_seconds) for pair in pairs)
    return 0 if covered >= GOAL_RATIO * len(pairs) else 1


def _measure(path: Path, wanted: int) -> None:
    earlier = [line for line in lines.continued(path) if line["kind"] == "pair"]
    index, pool_number = len(earlier), max((line["pool"] + 1 for line in earlier), default=0)
    if index < wanted:
        lines.append(path, {"kind": "sitting", **machine.sitting()})
    while index < wanted:
        with Pool(RULE.num_servers, usual_start_method(), dict(os.environ)) as pool:
            for _ in range(min(PAIRS_PER_POOL, wanted - index)):
                print(f"[{index + 1}/{wanted}]", file=sys.stderr, flush=True)
                pair = _pair(pool, index, pool_number)
                lines.append(path, {"kind": "pair", **to_plain(pair)})
                index += 1
        pool_number += 1


def _pair(pool: Pool, index: int, pool_number: int) -> Pair:
    """Measure two runs round by round; one that is done leaves the other alone."""
    order = random.Random(index)
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    watch = Watch()
    figures: dict[str, list[float]] = {side: [] for side in SIDES}
    for round_index in range(MAX_ROUNDS):
        unfinished = [side for side in SIDES if not is_enough(figures[side])]
        order.shuffle(unfinished)
        for side in unfinished:
            figures[side].append(step_of_visit(pool, CASE, round_index, RULE.timeout_seconds))
    return Pair(
        index=index,
        pool=pool_number,
        started_at=started_at,
        first_seconds=tuple(figures["first"]),
        second_seconds=tuple(figures["second"]),
        load=watch.load(),
    )


if __name__ == "__main__":
    sys.exit(main())
