"""Show what this machine is, or how two runs' machines differ and whether their times may be compared."""

import argparse
from pathlib import Path

from bench.errors import UsageError

MAX_RUNS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs to look at, and whether to measure."""
    parser.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help="directory or journal of a run; two: what differs"
    )
    parser.add_argument(
        "--measure-peak",
        action="store_true",
        help="also measure a large matrix product in each format and a large copy, on every device",
    )


def execute(options: argparse.Namespace) -> int:
    """Print it; return 0, or 3 where two runs must not be compared."""
    if len(options.runs) > MAX_RUNS:
        raise UsageError(f"env takes at most two runs, not {len(options.runs)}; compare them in pairs")
    if options.runs and options.measure_peak:
        raise UsageError("--measure-peak measures this machine; leave the runs out")

    from bench.commands import _env  # noqa: PLC0415 (rich and the pool take tens of milliseconds to import)

    if len(options.runs) == MAX_RUNS:
        return _env.compare(*options.runs)
    return _env.show(options.runs[0]) if options.runs else _env.show_here(measure_peak=options.measure_peak)
