"""What the figures come to, in sentences: findings and recommendations (findings.md, findings.json)."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.labels import in_markdown
from bench.record import to_plain
from bench.reporting._conclusions import by_claim, by_reason
from bench.results.finding import VERDICT_WORDS, Finding
from bench.results.findings import findings_of
from bench.results.frame import Run
from bench.results.recommendation import Recommendation, recommendations_of
from bench.results.sentences import capital

SCHEMA_VERSION = 1
"""Of findings.json."""


def write(run: Run, directory: Path) -> list[Path]:
    """Write both files."""
    findings, recommended = findings_of(run), recommendations_of(run)
    text, data = directory / "findings.md", directory / "findings.json"
    text.write_text("\n".join(_lines(findings, recommended)) + "\n", encoding="utf-8")
    content = {"schema_version": SCHEMA_VERSION, "findings": findings, "recommendations": recommended}
    plain = json.dumps(_finite(to_plain(content)), indent=2, ensure_ascii=False, allow_nan=False)
    data.write_text(plain + "\n", encoding="utf-8")
    return [text, data]


def _lines(findings: Sequence[Finding], recommended: Sequence[Recommendation]) -> Iterator[str]:
    yield "# Findings"
    for claim, members in by_claim(findings).items():
        yield from ("", f"## {capital(claim)}?", "")
        yield from (f"- **{VERDICT_WORDS[finding.verdict]}**: {in_markdown(finding.sentence)}" for finding in members)
    if recommended:
        yield from ("", "## What to train with", "")
        yield from (f"- {in_markdown(found.sentence)}" for found in recommended)
    silent = by_reason(findings)
    if silent:
        yield from ("", "## What this run cannot tell", "")
        yield from (f"- {in_markdown(reason)}: {'; '.join(claims)}" for reason, claims in silent.items())


def _finite(plain: Any) -> Any:
    """Return *plain* with None for a bound that is infinite, as two wild rounds make it; JSON has no infinity."""
    if isinstance(plain, dict):
        return {key: _finite(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [_finite(value) for value in plain]
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
