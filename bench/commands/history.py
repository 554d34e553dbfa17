"""Keep runs over time: add them, show their series, and say where a level changed."""

import argparse
from pathlib import Path

DEFAULT_METRIC = "step_seconds"
ACTIONS = {
    "add": "put runs in: their directories or journals, or a folder of them",
    "import": "put in what pytest-benchmark wrote as JSON: files, or a folder of them",
    "show": "a line a series: a case on one kind of machine",
    "trend": "the points of a series, and where their level changed; as a figure with --png or --html",
    "accept": "take note that a change is meant, with a reason",
    "rebuild": "make the index anew from the journals it knows; what was accepted stays",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to do, and with what."""
    told = "; ".join(f"{name}: {summary}" for name, summary in ACTIONS.items())
    parser.add_argument("action", choices=tuple(ACTIONS), metavar="ACTION", help=told)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="what to put in; of show, trend and accept: a part of a series' name"
    )
    parser.add_argument(
        "--db", metavar="URL", help="sqlite:///FILE or postgresql+psycopg://HOST/NAME (reports/history.sqlite)"
    )
    group = parser.add_argument_group("trend and accept")
    group.add_argument(
        "--metric",
        metavar="NAME",
        help=f"a column of results.csv ({DEFAULT_METRIC}; in a figure also peak_allocated_bytes and operators)",
    )
    group.add_argument("--png", type=Path, metavar="FILE", help="every series that fits NAME, as a picture")
    group.add_argument("--html", type=Path, metavar="FILE", help="the same as a page")
    group.add_argument(
        "--commit", metavar="REV", help="of accept: the first commit of the new level (the newest change)"
    )
    group.add_argument("--reason", metavar="TEXT", help="of accept: why the change is meant")


def execute(options: argparse.Namespace) -> int:
    """Do it; 2 where a name, a file or the database is not known, in one line."""
    from bench.commands import _history  # noqa: PLC0415 (pandas and SQLAlchemy, and --help needs none of them)

    return _history.run(options)
