"""What `compare` does once its options are parsed."""

import argparse
import os
import sys
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from bench import registry
from bench.commands._progress import counted
from bench.commands.compare import FAIL_ON
from bench.comparing import sides
from bench.comparing.comparison import USUALLY_FAILS, Comparison, Row, compare, failures
from bench.errors import UsageError, unknown_value
from bench.running.journal import file_of
from bench.statistics import MARGIN_RATIO

EXIT_PASSES, EXIT_FAILS, EXIT_NOTHING = 0, 1, 3


def run(options: argparse.Namespace) -> int:
    """Compare the two sides and print it."""
    check_format(options.format)
    fail_on = what_fails(options.fail_on, USUALLY_FAILS)
    if file_of(options.base).resolve() == file_of(options.current).resolve():
        raise UsageError(f"'{options.base}' and '{options.current}' are the same; give two runs")
    base, current = sides.load(options.base), sides.load(options.current)
    found = compare(base, current, options.margin or MARGIN_RATIO)
    failing = failures(found, fail_on)
    print(registry.load("comparing/formats", options.format).render(found, failing), end="")
    return conclude(found, failing, fail_on)


def check_format(name: str) -> None:
    """Refuse a format that is not there."""
    formats = registry.names("comparing/formats")
    if name not in formats:
        raise unknown_value("", name, formats, "--format: ")


def conclude(found: Comparison, failing: Sequence[tuple[Row, str]], fail_on: AbstractSet[str]) -> int:
    """Say what must not be overlooked, and return the exit status."""
    sys.stdout.flush()
    ended_otherwise = found.fixed or found.still_failing
    if found.is_paired and found.is_complete and found.new and not found.rows and not ended_otherwise:
        print("warning: every case is new, so there is nothing to compare it with", file=sys.stderr)
        return EXIT_PASSES
    if not found.is_comparable:
        print("nothing can be compared: no case ran on both sides, or nothing of it may be told", file=sys.stderr)
        return EXIT_NOTHING
    for row in found.rows:
        if row.gap:
            print(f"warning: {row.label}: {row.gap}", file=sys.stderr)
    if found.vanished:
        gone = counted(len(found.vanished), "case")
        print(f"warning: in the base and not in the current run: {gone}", file=sys.stderr)
    if fail_on & {"memory", "counters", "any"} and not any(row.compared for row in found.rows):
        print("warning: no counter and no memory could be compared, so nothing of them can fail", file=sys.stderr)
    for name in sorted(fail_on & set(sides.EXACT)):
        if not any(name in row.compared for row in found.rows):
            print(f"warning: --fail-on {name}: not known of any case here, so it cannot fail", file=sys.stderr)
    if any(row.verdict == "inconclusive" for row in found.rows):
        print("warning: some times are inconclusive; see the remarks", file=sys.stderr)
    annotate(failing)
    return EXIT_FAILS if failing else EXIT_PASSES


def annotate(failing: Sequence[tuple[Row, str]]) -> None:
    """Say what fails in the form that GitHub shows on the pull request, where this runs there."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    by_case: dict[str, list[str]] = {}
    for row, sentence in failing:
        by_case.setdefault(row.label, []).append(sentence)
    for label, sentences in by_case.items():  # one a case: GitHub shows ten of a step
        print(f"::error title={_escaped(label, ':,')}::{_escaped('; '.join(sentences))}", file=sys.stderr)


def _escaped(text: str, more: str = "") -> str:
    """Return *text* with what would end a workflow command's property or line in the form that its runner decodes."""
    return "".join(f"%{ord(sign):02X}" if sign in f"%\r\n{more}" else sign for sign in text)


def what_fails(given: Sequence[str] | None, usually: Sequence[str]) -> AbstractSet[str]:
    """
    Return what `--fail-on` asks for.

    Raises:
        UsageError: If a word is not known, or `none` stands beside another.
    """
    known = (*FAIL_ON, *sides.EXACT)
    for name in given or ():
        if name not in known:
            raise unknown_value("", name, known, "--fail-on: ")
    if given and "none" in given and len(given) > 1:
        raise UsageError("--fail-on: 'none' cannot stand beside others; leave one of them out")
    return frozenset(usually if given is None else given) - {"none"}
