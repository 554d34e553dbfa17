"""Hold two revisions against each other, taking turns on this machine: the gate for CI."""

import argparse
from pathlib import Path

from bench import registry
from bench.commands import _axes, _options
from bench.commands.compare import FAIL_ON_WORDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two sides, the cases, how long, and the form of the answer."""
    _add_sides(parser)
    _axes.add_arguments(parser, usual_suite="quick")
    _add_plan(parser)
    _add_output(parser)


def execute(options: argparse.Namespace) -> int:
    """Measure, print, and return the exit status."""
    from bench.commands import _ab  # noqa: PLC0415 (--help needs none of it)

    return _ab.run(options)


def _add_sides(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("sides")
    group.add_argument("--base", metavar="REV", help="what it was: a revision of this folder's git repository")
    group.add_argument(
        "--head", metavar="REV", help="what it is now (worktree: the files as they are, with what is not committed)"
    )
    group.add_argument(
        "--axis",
        type=_options.axis_values,
        metavar="AXIS=A,B",
        help="instead of two revisions: modes of one, A as base and B as head, such as precision=fp32,amp_bf16",
    )
    for side in ("base", "head"):
        group.add_argument(
            f"--{side}-python",
            type=Path,
            metavar="PATH",
            help=f"interpreter of the {side}'s environment, which needs torch (this one)",
        )


def _add_plan(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how long")
    group.add_argument(
        "--budget", type=_options.seconds, metavar="SECONDS", help="for a case that looks slower (80); a quarter else"
    )
    group.add_argument("--counters-only", action="store_true", help="no clock: memory and counters of one run a side")
    group.add_argument(
        "--calibrate",
        type=_options.positive_int,
        metavar="N",
        help="instead: N times base against itself and against itself made 3, 5 and 10 %% slower; says how often it "
        "would be right here",
    )
    group.add_argument(
        "--timeout", type=_options.seconds, metavar="SECONDS", help="deadline of preparing one worker (30)"
    )
    group.add_argument(
        "--compile-timeout", type=_options.seconds, metavar="SECONDS", help="deadline of torch.compile (600)"
    )
    group.add_argument("--seed", type=_options.natural_int, metavar="N", help="of data and parameters (0)")


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("verdict and output")
    group.add_argument(
        "--margin", type=_options.ratio, metavar="SHARE", help="smallest change of a time that matters (2%%)"
    )
    group.add_argument(
        "--fail-on",
        action="extend",
        type=_options.words,
        metavar="WHAT",
        help=f"exit with 1 for {FAIL_ON_WORDS} (slower,memory,counters; none with --axis); a case that broke always "
        "fails",
    )
    group.add_argument("--format", default="table", metavar="NAME", help=", ".join(registry.names("comparing/formats")))
    group.add_argument("--out", type=Path, metavar="DIR", help="a new directory for all formats and the raw pairs")
    group.add_argument("--quiet", action="store_true", help="no progress on standard error")
    group.add_argument("--dry-run", action="store_true", help="show the cases and the time that they will take")
