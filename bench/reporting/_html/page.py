"""The whole page: what each section shows, put into the template."""

import base64
import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from bench import __version__
from bench.reporting import _findings, _unmeasured
from bench.reporting._html import cases, figures, origin, samples, table
from bench.reporting._html.text import finalized
from bench.result import NOT_REACHED
from bench.results.findings import Finding, findings_of
from bench.results.frame import Run
from bench.results.rows import Row, rows

_FOLDER = Path(__file__).parent
_VERDICTS = {
    "confirmed": "true here",
    "refuted": "not true here",
    "no_difference": "no difference",
    "inconclusive": "not certain",
    "not_here": "not answered here",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Statement:
    """A finding as the page shows it."""

    sentence: str
    verdict: str = ""
    """A key of the style sheet; empty: a sentence without one."""
    verdict_words: str = ""
    claim: str = ""
    links: tuple[tuple[str, str], ...] = ()
    """Address and words."""
    flags: tuple[str, ...] = ()


def render(run: Run) -> str:
    """Return the page of *run*, the same bytes for the same run."""
    all_rows = rows(run)
    style, script = asset("report.css"), asset("report.js")
    statements = _statements(run, all_rows)
    measured = [row for row in all_rows if row.is_measured]
    return _template().render(
        policy=policy(style, script),
        style=Markup(style),  # noqa: S704 (a file of ours)
        script=Markup(script),  # noqa: S704 (the same)
        version=__version__,
        origin=origin.origin(run),
        num_cases=len(all_rows),
        num_measured=len(measured),
        num_unreached=sum(row.reason == NOT_REACHED for row in all_rows),
        findings=[found for found in statements if found.verdict != "not_here"],
        unanswered=[found for found in statements if found.verdict == "not_here"],
        anchors=[cases.anchor(row.case.id) for row in all_rows],
        table=table.table(all_rows),
        plots=figures.plots(run, all_rows) if measured else [],
        max_plotted=figures.MAX_CASES,
        frame=samples,
        details=cases.details(run, all_rows),
        missing=_unmeasured.groups(all_rows),
        doubts=[cases.doubt(name) for name in dict.fromkeys(flag for row in all_rows for flag in row.flags)],
        glossary=cases.glossary(all_rows),
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
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja")


def _statements(run: Run, all_rows: Sequence[Row]) -> list[Statement]:
    """Return the findings, or the sentences above the figures where there are none."""
    known = {row.case.id for row in all_rows}
    found = [_statement(finding, known) for finding in findings_of(run)]
    if found or not any(row.is_measured for row in all_rows):
        return found
    devices = run.plan.environment.devices
    sentences = (
        _findings.throughput(all_rows, devices),
        _findings.memory(all_rows, devices),
        _findings.phases(all_rows),
    )
    return [Statement(sentence=f"{sentence}.") for sentence in sentences]


def _statement(finding: Finding, known: set[str]) -> Statement:
    sides = ((finding.case_id, "the case"), (finding.reference_id, "its reference"))
    return Statement(
        sentence=finding.sentence,
        verdict=finding.verdict,
        verdict_words=_VERDICTS[finding.verdict],
        claim=finding.claim,
        links=tuple((f"#{cases.anchor(case_id)}", words) for case_id, words in sides if case_id in known),
        flags=finding.flags,
    )
