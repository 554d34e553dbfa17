"""
Shows whether pairs from one fork server are alike: the medians of their ratios by server, and how likely by chance.

    python run_bench.py ab --base base --head slower5 --workload workload.py:mlp ... --out DIR
    python tests/studies/layout.py DIR [DIR ...]

In a repository of slowed.py, with NUM_SERVERS of bench/commands/_sides.py raised to 8 and --budget 110. Ends with 1 if
the servers of any run differ (Kruskal and Wallis, at 1 %), which they did before workers had a layout of their own.
"""

import argparse
import collections
import json
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from scipy.stats import kruskal

from bench.commands._ab import PAIRS_FILE
from bench.pair import Pair
from bench.record import from_plain

ALPHA = 0.01
_MAD_TO_DEVIATION = 1.4826
"""Of a normal distribution."""


def main() -> int:
    """Print a line a run and return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    options = parser.parse_args()
    print("| run | pairs | medians of head over base by server | spread within | p-value |")
    print("| --- | ---: | --- | ---: | ---: |")
    p_values = [_print_row(path.name, by_server(path)) for path in options.directories]
    return int(min(p_values) < ALPHA)


def by_server(directory: Path) -> list[list[float]]:
    """Return the ratios of the pairs of a comparison, a list a server."""
    found = collections.defaultdict(list)
    for line in (directory / PAIRS_FILE).read_text(encoding="utf-8").splitlines():
        pair: Pair = from_plain(Pair, json.loads(line))
        if pair.status == "ok":
            found[pair.server].append(pair.ratio)
    return [found[server] for server in sorted(found)]


def _print_row(name: str, servers: Sequence[Sequence[float]]) -> float:
    logs = [[math.log(ratio) for ratio in ratios] for ratios in servers]
    distances = [abs(log - statistics.median(own)) for own in logs for log in own]
    p_value = float(kruskal(*logs).pvalue)
    medians = ", ".join(f"{100 * (statistics.median(ratios) - 1):+.1f} %" for ratios in servers)
    spread = f"{100 * _MAD_TO_DEVIATION * statistics.median(distances):.1f} %"
    print(f"| {name} | {len(distances)} | {medians} | {spread} | {p_value:.4f} |")
    return p_value


if __name__ == "__main__":
    sys.exit(main())
