"""Find out whether this machine can use its GPU, and if not, what exactly to do."""

import argparse
import os
import sys

from bench import errors
from bench.errors import UsageError

FORMATS = ("table", "json", "markdown")
STDIN = "-"
EXIT_UNKNOWN = 3
"""As where nothing can be measured: there is no answer, and nobody made a mistake."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to print, and a text to explain."""
    parser.add_argument(
        "--format", metavar="NAME", help=f"{', '.join(FORMATS)} (for an issue report); the usual is {FORMATS[0]}"
    )
    parser.add_argument(
        "--explain",
        metavar="TEXT",
        help="say what an error means and what to try, and look at nothing; - reads a traceback from standard input",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")


def execute(options: argparse.Namespace) -> int:
    """Look and report; return 0: what the machine has can be used, or 1; 3 where a text is not known."""
    if options.format is not None and options.format not in FORMATS:
        raise errors.unknown_value("", options.format, FORMATS, "--format: ")
    if options.explain is not None and options.format is not None:
        raise UsageError("--explain answers in three lines; leave --format out")
    if options.explain is not None:
        if os.path.isfile(options.explain):  # noqa: PTH113 (pathlib raises where a text is too long for a name)
            raise UsageError(f"--explain: '{options.explain}' is a file; write --explain - < '{options.explain}'")
        return _explain(_standard_input() if options.explain == STDIN else options.explain)

    from bench.commands import _doctor  # noqa: PLC0415 (rich and the pool take tens of milliseconds to import)

    return _doctor.run(options.format or FORMATS[0], quiet=options.quiet)


def _explain(text: str) -> int:
    from bench.explanations import explain  # noqa: PLC0415 (--help needs none of its texts)

    if not text.strip():
        raise UsageError(
            "--explain: there is no text; give an error's last line, or - and a traceback on standard input"
        )
    found = explain(text)
    if found is None:
        print("This text is not known here. Search for its last line at https://discuss.pytorch.org, and give there")
        print("what `python run_bench.py doctor --format markdown` prints.")
        return EXIT_UNKNOWN
    print(*found.lines, sep="\n")
    return 0


def _standard_input() -> str:
    """Return all of it; what is no text costs a sign, not the answer."""
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")
    return sys.stdin.read()
