"""Measure the cases of a suite and leave a page, tables, figures and the journal (the usual command)."""

import argparse
from pathlib import Path

from bench.commands import _axes, _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add axes, plan and output."""
    _axes.add_arguments(parser)
    _add_plan(parser)
    _add_output(parser)


def execute(options: argparse.Namespace) -> int:
    """Run, report, and return the exit status (README, "Exit status")."""
    # Not at the top: these take tens of milliseconds to import, and --help needs none of them.
    from bench.commands._request import request_from  # noqa: PLC0415

    request = request_from(options)

    from bench.commands import _measure  # noqa: PLC0415 (after the options are known to be good)

    return _measure.dry_run(request) if options.dry_run else _measure.run(request)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how long")
    group.add_argument("--rounds", type=_options.positive_int, metavar="N", help="exactly N fresh workers a case")
    group.add_argument(
        "--budget",
        type=_options.seconds,
        metavar="SECONDS",
        help="end after this long, start included (90; 600 on a GPU)",
    )
    group.add_argument(
        "--target", type=_options.ratio, metavar="SHARE", help="enough when the interval is this narrow (2.5%%)"
    )
    group.add_argument(
        "--timeout", type=_options.seconds, metavar="SECONDS", help="deadline of one worker, compilation apart (30)"
    )
    group.add_argument(
        "--compile-timeout", type=_options.seconds, metavar="SECONDS", help="deadline of torch.compile (600)"
    )
    group.add_argument(
        "--peak-tflops",
        action="extend",
        type=_options.rates,
        metavar="FORMAT=N",
        help="dense rate of one device for `of peak`, in place of its data sheet's (bf16=989,fp32=67)",
    )
    group.add_argument("--seed", type=_options.natural_int, metavar="N", help="of data, parameters and order (0)")


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--out", type=Path, metavar="DIR", help="a new directory (reports/<time>-<host>-<commit>)")
    group.add_argument("--resume", type=Path, metavar="DIR", help="continue the run in DIR; --budget adds time to it")
    group.add_argument("--label", default="", metavar="TEXT", help="kept with the results")
    _options.add_formats(group)
    group.add_argument("--history", action="store_true", help="add the run to the history (see the command history)")
    group.add_argument("--db", metavar="URL", help="of the history (reports/history.sqlite)")
    group.add_argument("--quiet", action="store_true", help="no progress on standard error")
    group.add_argument("--verbose", action="store_true", help="say at the end where the time went")
    group.add_argument("--dry-run", action="store_true", help="show the cases and the time that they will take")
    group.add_argument(
        "--start-method", choices=("forkserver", "spawn"), help="how workers start (forkserver where there is one)"
    )
