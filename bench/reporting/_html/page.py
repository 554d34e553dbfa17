"""The whole page: what each section shows, put into the template."""

import base64
import dataclasses
import functools
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from bench import __version__
from bench.reporting import _unmeasured
from bench.reporting._conclusions import by_claim, by_reason
from bench.reporting._html import cases, figures, origin, samples, table
from bench.reporting._html.text import finalized
from bench.result import NOT_REACHED
from bench.results.finding import VERDICT_WORDS, Finding
from bench.results.findings import findings_of
from bench.results.frame import Run
from bench.results.recommendation import recommendations_of
from bench.results.rows import rows
from bench.results.sentences import capital

_FOLDER = Path(__file__).parent


@dataclasses.dataclass(frozen=True, kw_only=True)
class Statement:
    """A finding as the page shows it."""

    sentence: str
    verdict: str
    """A key of the style sheet."""
    verdict_words: str
    links: tuple[tuple[str, str], ...]
    """Address and words."""
    flags: tuple[str, ...]


def render(run: Run) -> str:
    """Return the page of *run*, the same bytes for the same run."""
    all_rows = rows(run)
    known = {row.case.id for row in all_rows}
    findings = findings_of(run)
    claims = {
        capital(claim): [_statement(finding, known) for finding in members]
        for claim, members in by_claim(findings).items()
    }
    measured = [row for row in all_rows if row.is_measured]
    return filled(
        "report.html.jinja",
        origin=origin.origin(run),
        num_cases=len(all_rows),
        num_measured=len(measured),
        num_unreached=sum(row.reason == NOT_REACHED for row in all_rows),
        claims=claims,
        recommendations=[found.sentence for found in recommendations_of(run)],
        unanswered=by_reason(findings),
        anchors=[cases.anchor(row.case.id) for row in all_rows],
        table=table.table(all_rows),
        plots=figures.plots([run]) if measured else [],
        frame=samples,
        details=cases.details(run, all_rows),
        missing=_unmeasured.groups(all_rows),
        doubts=cases.doubts(all_rows),
        glossary=cases.glossary(all_rows),
    )


def filled(template: str, **content: Any) -> str:
    """Return the page that *template* makes of *content*."""
    style, script = asset("report.css"), asset("report.js")
    return (
        _environment()
        .get_template(template)
        .render(
            policy=policy(style, script),
            style=Markup(style),  # noqa: S704 (a file of ours)
            script=Markup(script),  # noqa: S704 (the same)
            version=__version__,
            **content,
        )
    )


def policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy that lets exactly this style and script be, and forbids every fetch."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@functools.cache
def asset(name: str) -> str:
    """Return a file that lies beside this one."""
    return (_FOLDER / name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _statement(finding: Finding, known: set[str]) -> Statement:
    sides = ((finding.case_id, "the case"), (finding.reference_id, "its reference"))
    return Statement(
        sentence=finding.sentence,
        verdict=finding.verdict,
        verdict_words=VERDICT_WORDS[finding.verdict],
        links=tuple((f"#{cases.anchor(case_id)}", words) for case_id, words in sides if case_id in known),
        flags=finding.flags,
    )
