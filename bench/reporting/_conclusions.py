"""Findings and recommendations in the order in which a person reads them, and on the terminal."""

from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.reporting._terminal import ASCII, GAP
from bench.results.finding import VERDICT_WORDS, Finding, Verdict
from bench.results.findings import findings_of
from bench.results.frame import Run
from bench.results.recommendation import recommendations_of
from bench.results.sentences import capital

_STYLES: Mapping[Verdict, str] = {
    "confirmed": "green",
    "refuted": "red",
    "no_difference": "cyan",
    "inconclusive": "yellow",
}
MAX_FINDINGS = 12
"""Of one claim on the terminal; the files have them all."""

MakeText = Callable[..., Text]


def print_conclusions(run: Run, console: Console) -> None:
    """Print the findings and recommendations of *run* in the width of *console*; nothing where there are none."""
    signs = ASCII if console.options.ascii_only else {}

    def text(words: str, style: str = "") -> Text:
        return Text(words.translate(signs), style=style)

    findings = findings_of(run)
    told = by_claim(findings)
    if told:
        console.print("\nFindings", style="bold")
        for claim, members in told.items():
            _print_claim(claim, members, console, text)
    _print_lines("\nWhat to train with", [found.sentence for found in recommendations_of(run)], console, text)
    silent = [f"{reason}: {'; '.join(claims)}" for reason, claims in by_reason(findings).items()]
    _print_lines("\nWhat this run cannot tell", silent if told else [], console, text)


def by_claim(findings: Sequence[Finding]) -> Mapping[str, Sequence[Finding]]:
    """Return the findings that say something, those of one claim together and what is sure before what is not."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.verdict != "not_here":
            found.setdefault(finding.claim, []).append(finding)
    return {claim: sorted(members, key=_is_open) for claim, members in found.items()}


def _is_open(finding: Finding) -> bool:
    return finding.verdict == "inconclusive"


def by_reason(findings: Sequence[Finding]) -> Mapping[str, Sequence[str]]:
    """Return the claims of which nothing can be said here, those with one reason together."""
    found: dict[str, list[str]] = {}
    for finding in findings:
        if finding.verdict == "not_here":
            found.setdefault(finding.sentence, []).append(finding.claim)
    return found


def _print_claim(claim: str, members: Sequence[Finding], console: Console, text: MakeText) -> None:
    console.print(text(f"{capital(claim)}?"))
    lines = Table.grid(padding=(0, GAP, 0, 0))
    lines.add_column(no_wrap=True, width=max(map(len, VERDICT_WORDS.values())))
    lines.add_column(overflow="fold")
    for finding in members[:MAX_FINDINGS]:
        lines.add_row(text(VERDICT_WORDS[finding.verdict], _STYLES[finding.verdict]), text(finding.sentence))
    if len(members) > MAX_FINDINGS:
        lines.add_row("", text(f"and {len(members) - MAX_FINDINGS} more: findings.md has them", "dim"))
    console.print(lines)


def _print_lines(title: str, lines: Sequence[str], console: Console, text: MakeText) -> None:
    if not lines:
        return
    console.print(title, style="bold")
    for line in lines:
        console.print(text(line))
