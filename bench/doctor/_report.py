"""What doctor found, for programs (JSON, `schema.json` beside this file) and for an issue report (Markdown)."""

from collections.abc import Sequence
from typing import Any

from bench.doctor._finding import SEVERITIES, Finding, is_ready
from bench.doctor._seen import Facts

SCHEMA_VERSION = 1
"""Raised when a field is renamed, dropped or means something else."""


def summary(facts: Facts, findings: Sequence[Finding]) -> str:
    """Return the answer in one sentence."""
    errors = sum(finding.severity == "error" for finding in findings)
    if errors:
        return f"NOT READY: {errors} thing{' has' if errors == 1 else 's have'} to be put right, from the top down."
    devices = facts.torch.devices if facts.torch else ()
    if not devices:
        return "READY, on the CPU only: there is no GPU here that torch could use."
    names = " and ".join(dict.fromkeys(device.name for device in devices))
    return f"READY: torch can use {len(devices)} device{'' if len(devices) == 1 else 's'} ({names})."


def plain(facts: Facts, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the answer as plain values, as `schema.json` describes them."""
    return {
        "schema_version": SCHEMA_VERSION,
        "ready": is_ready(findings),
        "summary": summary(facts, findings),
        "findings": [
            {
                "name": finding.name,
                "severity": finding.severity,
                "finding": finding.finding,
                "evidence": finding.evidence,
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
        "devices": [
            {
                "id": device.id,
                "name": device.name,
                "capability": list(device.capability) if device.capability else None,
                "total_memory_bytes": device.total_memory_bytes,
                "free_memory_bytes": device.free_memory_bytes,
            }
            for device in (facts.torch.devices if facts.torch else ())
        ],
        "proofs": [
            {
                "device": proof.device,
                "precision": proof.precision,
                "strategy": proof.strategy,
                "status": proof.status,
            }
            for proof in facts.proofs
        ],
        "versions": dict(facts.versions),
        "variables": dict(facts.variables),
    }


def markdown(facts: Facts, findings: Sequence[Finding]) -> str:
    """Return the answer for an issue report."""
    lines = [
        "### stepbench doctor",
        "",
        summary(facts, findings),
        "",
        "| | check | found | try |",
        "| --- | --- | --- | --- |",
    ]
    for severity in SEVERITIES:
        for finding in findings:
            if finding.severity == severity:
                evidence = f" ({finding.evidence})" if finding.evidence else ""
                cells = (severity, finding.name, f"{finding.finding}{evidence}", finding.remedy)
                lines.append(f"| {' | '.join(map(_cell, cells))} |")
    variables = [f"{name}={_one_line(value)}" for name, value in facts.variables.items()]
    lines += ["", "```text", *(variables or ["none of the variables that matter is set"]), "```"]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Return *text* so that it stays in its cell, is no markup and calls nobody."""
    return _one_line(text).replace("|", r"\|").replace("<", "&lt;").replace("@", "&#64;")


def _one_line(text: str) -> str:
    """Return *text* in one line that ends no block of code."""
    return " ".join(text.split()).replace("```", "'''")
