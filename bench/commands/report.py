"""Write the reports of a finished run again, from its journal, or of several runs side by side."""

import argparse
from pathlib import Path

from bench.commands import _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs, which reports, and where to."""
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="directory or journal of a run; of several, one report of all",
    )
    _options.add_formats(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to (beside the journal; reports/<time>-side_by_side)"
    )


def execute(options: argparse.Namespace) -> int:
    """Write and name the files; 2 where a run or a report failed, of which each is one line."""
    from bench.commands import _report_again  # noqa: PLC0415 (pandas takes half a second, and --help needs none of it)

    return _report_again.run(options)
