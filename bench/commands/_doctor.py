"""What `doctor` does once its options are known to be good: collect, prove, judge, print."""

import dataclasses
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from bench.commands._progress import Progress
from bench.doctor import _proofs
from bench.doctor._checks import judge
from bench.doctor._collect import collect
from bench.doctor._finding import Finding, is_ready, worst_first
from bench.doctor._report import markdown, plain, summary
from bench.doctor._scrub import Scrub
from bench.doctor._seen import Facts, Torch
from bench.doctor.packages import OPTIONAL
from bench.errors import NothingToMeasureError
from bench.record import from_plain
from bench.reporting._terminal import ASCII, stdout_console, text_table
from bench.running.pool import CallError, Pool, usual_start_method
from bench.running.session import Interrupted, interrupts_raised

EXIT_READY, EXIT_RED = 0, 1
CALL_SECONDS = 30.0
"""Of one question to a worker; a driver that hangs is a finding."""
STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan", "ok": "green"}


def run(output: str, *, quiet: bool) -> int:
    """Look at this machine, print what was found as *output*, and return the exit status."""
    say = Progress(quiet=quiet).say
    try:
        with interrupts_raised():
            facts = look(say)
    except Interrupted as interrupted:
        print(f"{interrupted}: nothing was found out", file=sys.stderr)
        return interrupted.exit_status
    scrub = Scrub.of_this_machine(facts.versions.values())
    findings = scrub.findings(worst_first(judge(facts)))
    facts = scrub.facts(facts)
    if output == "json":
        print(json.dumps(scrub.plain(plain(facts, findings)), indent=2))
    elif output == "markdown":
        print(markdown(facts, findings))
    else:
        print_table(findings, stdout_console())
        print(f"\n{summary(facts, findings)}")
    return EXIT_READY if is_ready(findings) else EXIT_RED


def look(say: Callable[[str], None]) -> Facts:
    """Return all facts: first what can be seen without a worker, which the driver would count as somebody's program."""
    environment = dict(os.environ)
    say("looking at the driver and the machine")
    facts = collect(environment)
    say("starting the process that starts workers")
    try:
        with Pool(1, usual_start_method(), environment) as pool:
            return _ask_workers(pool, say, facts)
    except NothingToMeasureError as error:
        return dataclasses.replace(facts, torch_failure=str(error))


def _ask_workers(pool: Pool, say: Callable[[str], None], facts: Facts) -> Facts:
    broken: dict[str, str] = {}
    facts = dataclasses.replace(facts, notes=tuple(pool.notes), broken=broken)
    try:
        broken.update(_broken(pool))  # pair by pair: those before a failure are in it
        seen = pool.call("bench.doctor._in_worker:look_at_torch", timeout_seconds=CALL_SECONDS)
        facts = dataclasses.replace(facts, torch=from_plain(Torch, seen))
    except CallError as failure:
        facts = dataclasses.replace(facts, torch_failure=str(failure))
    except NothingToMeasureError as failure:  # of no further use, and what workers told before is kept
        return dataclasses.replace(facts, torch_failure=str(failure))
    proofs = _proofs.run(pool, _proofs.plan(pool.environment.devices), say)
    return dataclasses.replace(facts, proofs=tuple(proofs))


def _broken(pool: Pool) -> Iterator[tuple[str, str]]:
    """Yield the optional packages that are installed and cannot be imported, with the reason."""
    for name in OPTIONAL:
        if importlib.util.find_spec(name) is None:
            continue
        try:
            seen = pool.call("bench.doctor._in_worker:import_package", name=name, timeout_seconds=CALL_SECONDS)
        except CallError as error:
            yield name, str(error)
        else:
            if seen["error"]:
                yield name, str(seen["error"])


def print_table(findings: Sequence[Finding], console: Console) -> None:
    """Print a line a finding in the width of *console*, with its remedy under it."""
    signs = ASCII if console.options.ascii_only else {}
    rows = []
    for finding in findings:
        words = Text(finding.finding.translate(signs))
        if finding.evidence:
            words.append(f" ({finding.evidence.translate(signs)})", style="dim")
        rows.append((Text(finding.severity, STYLES[finding.severity]), Text(finding.name), words))
        if finding.remedy:
            rows.append((Text(), Text(), Text(f"try: {finding.remedy.translate(signs)}", style="bold")))
    table = text_table(("", "check", "found"), rows)
    for column in table.columns[:2]:
        column.no_wrap = True
    console.print(table)
