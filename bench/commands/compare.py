"""Hold one run against another: what got slower, what needs more; exit status for CI."""

import argparse
from pathlib import Path

from bench import registry
from bench.commands import _options

FAIL_ON = ("slower", "memory", "counters", "inconclusive", "any", "none")
FAIL_ON_WORDS = f"{', '.join(FAIL_ON)}, or a counter by its column, such as host_syncs"
"""For a person."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two sides, what fails, and the form of the answer."""
    for name, what in (("base", "what it was"), ("current", "what it is now")):
        parser.add_argument(
            name,
            type=Path,
            metavar=name.upper(),
            help=f"{what}: a run, or pytest-benchmark's .json",
        )
    parser.add_argument(
        "--margin", type=_options.ratio, metavar="SHARE", help="smallest change of a time that matters (2%%)"
    )
    parser.add_argument(
        "--fail-on",
        action="extend",
        type=_options.words,
        metavar="WHAT",
        help=f"exit with 1 for {FAIL_ON_WORDS} (memory,counters); a case that broke always fails",
    )
    parser.add_argument(
        "--format", default="table", metavar="NAME", help=", ".join(registry.names("comparing/formats"))
    )


def execute(options: argparse.Namespace) -> int:
    """Compare, print, and return the exit status."""
    from bench.commands import _compare  # noqa: PLC0415 (--help needs none of it)

    return _compare.run(options)
