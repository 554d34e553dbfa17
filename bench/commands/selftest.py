"""Let the instrument measure itself: whether its figures hold on this machine."""

import argparse

from bench import errors, registry
from bench.commands import _options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which checks, and how much is said."""
    parser.add_argument(
        "--check",
        action="extend",
        type=_options.words,
        metavar="NAME",
        help=f"only these (A,B or the option again): {', '.join(registry.names('selftest'))}",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")


def execute(options: argparse.Namespace) -> int:
    """Check, print a table, and return 0: all hold, 1: one fails, or 3: one is undecidable."""
    known = registry.names("selftest")
    for name in options.check or ():
        if name not in known:
            raise errors.unknown_value("", name, known, "--check: ")

    from bench.commands import _selftest  # noqa: PLC0415 (rich and the pool take tens of milliseconds to import)

    return _selftest.run([name for name in known if name in (options.check or known)], quiet=options.quiet)
