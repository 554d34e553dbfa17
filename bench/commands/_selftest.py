"""What `selftest` does once its options are known to be good: checks, table, exit status."""

import os
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from bench import registry
from bench.commands._progress import Progress
from bench.errors import NothingToMeasureError
from bench.reporting._terminal import ASCII, stdout_console, text_table
from bench.running.pool import Pool, usual_start_method
from bench.running.session import Interrupted, interrupts_raised
from bench.selftest._check import Finding, OutOfTimeError

EXIT_HOLDS, EXIT_FAILS, EXIT_UNDECIDABLE = 0, 1, 3
STYLES = {"holds": "green", "fails": "bold red", "undecidable": "bold yellow"}
CURE = "the machine is too busy or too noisy to tell; stop other programs and try again"


def run(names: Sequence[str], *, quiet: bool) -> int:
    """Run the checks called *names* one after the other, show what they found, and return the exit status."""
    findings: dict[str, Finding] = {}
    say = Progress(quiet=quiet).say
    try:
        with interrupts_raised():
            say("starting the process that starts workers")
            with Pool(1, usual_start_method(), dict(os.environ)) as pool:
                for note in pool.notes:
                    say(note)
                for number, name in enumerate(names, start=1):
                    say(f"[{number}/{len(names)}] {name}: {_title(name)}")
                    findings[name] = _find(name, pool)
    except Interrupted as interrupted:
        print(f"{interrupted}: {len(findings)} of {len(names)} checks were done", file=sys.stderr)
        return interrupted.exit_status
    print_table(findings, stdout_console())
    return _conclude(findings)


def print_table(findings: Mapping[str, Finding], console: Console) -> None:
    """Print a line a check in the width of *console*."""
    signs = ASCII if console.options.ascii_only else {}
    rows = []
    for name, finding in findings.items():
        words = (name, _title(name), finding.figure, finding.bar)
        cells = [Text(word.translate(signs)) for word in words]
        rows.append((*cells, Text(finding.verdict, STYLES[finding.verdict])))
    table = text_table(("check", "what must be so", "found", "bar", "verdict"), rows)
    for column in (table.columns[0], table.columns[-1]):
        column.no_wrap = True
    console.print(table)


def _find(name: str, pool: Pool) -> Finding:
    """Return what the check called *name* came to; one that breaks neither holds nor costs the others."""
    try:
        finding: Finding = registry.load("selftest", name).run(pool)
    except OutOfTimeError as error:
        return Finding(verdict="undecidable", figure=str(error), bar="")
    except NothingToMeasureError:
        raise
    except Exception as error:  # noqa: BLE001 (see above)
        told = str(error).partition("\n")[0]
        return Finding(verdict="fails", figure=f"{type(error).__name__}: {told}", bar="")
    return finding


def _conclude(findings: Mapping[str, Finding]) -> int:
    """Say what must not be overlooked, also where progress is not wanted, and return the exit status."""
    sys.stdout.flush()
    failed = {name: finding for name, finding in findings.items() if finding.verdict == "fails"}
    undecidable = [name for name, finding in findings.items() if finding.verdict == "undecidable"]
    for name, finding in failed.items():
        against = f", the bar is {finding.bar}" if finding.bar else ""
        print(f"{name} FAILS: found {finding.figure}{against}", file=sys.stderr)
    if undecidable:
        print(f"UNDECIDABLE: {', '.join(undecidable)}: {CURE}", file=sys.stderr)
    if failed:
        return EXIT_FAILS
    return EXIT_UNDECIDABLE if undecidable else EXIT_HOLDS


def _title(name: str) -> str:
    return registry.summary("selftest", name).removesuffix(".")
