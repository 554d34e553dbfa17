"""Write a finished run in the form of another tool."""

import argparse
from pathlib import Path

from bench import registry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, the form, and where to."""
    known = ", ".join(name.replace("_", "-") for name in registry.names("exporting"))
    parser.add_argument("run", type=Path, metavar="DIR", help="directory or journal of a run")
    parser.add_argument("--format", required=True, metavar="NAME", help=known)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to (standard output)")


def execute(options: argparse.Namespace) -> int:
    """Write the file; 2 where the run or the form is not known."""
    from bench.commands import _export  # noqa: PLC0415 (pandas takes half a second, and --help needs none of it)

    return _export.run(options)
