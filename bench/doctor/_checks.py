"""Runs the checks: each is a file of this folder with a function `check`, found by its name."""

import dataclasses
from collections.abc import Iterable

from bench import registry
from bench.doctor._finding import Finding
from bench.doctor._seen import Facts

FIRST = ("driver", "build", "visible", "architecture", "devices", "proof")
"""What a person wants to know first, among findings that are equally bad; the others follow by name."""


def judge(facts: Facts) -> list[Finding]:
    """Return what every check finds; one that breaks is a finding itself and costs no other."""
    names = registry.names("doctor")
    ordered = [*(name for name in FIRST if name in names), *(name for name in names if name not in FIRST)]
    return [finding for name in ordered for finding in _run(name, facts)]


def _run(name: str, facts: Facts) -> Iterable[Finding]:
    found: list[Finding] = []
    try:
        found.extend(dataclasses.replace(finding, name=name) for finding in registry.load("doctor", name).check(facts))
    except Exception as error:  # noqa: BLE001 (see `judge`)
        told = f"{type(error).__name__}: {error}".partition("\n")[0]
        found.append(
            Finding(
                name=name,
                severity="warning",
                finding="this check of doctor's is broken",
                evidence=told,
                remedy="report it, with the output of `doctor --format markdown`",
            )
        )
    return found
