"""What a check came to: one line, what it was seen by, and what to do."""

import dataclasses
from collections.abc import Iterable
from typing import Literal

Severity = Literal["error", "warning", "note", "ok"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note", "ok")
"""From worst to best. An error keeps something from working, a warning costs speed or will bite later."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of doctor's answer."""

    severity: Severity
    finding: str
    evidence: str = ""
    """Where it was seen, in the words of the tool that said it."""
    remedy: str = ""
    """What to do; there is one wherever something is wrong."""
    name: str = ""
    """Of the check; filled in by what runs it."""


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return *findings* with the worst at the top, else in the order in which they came."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def is_ready(findings: Iterable[Finding]) -> bool:
    """Whether what the machine has can be used."""
    return all(finding.severity != "error" for finding in findings)
