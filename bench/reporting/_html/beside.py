"""The page of several runs side by side: what each section shows, put into the template."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.numbers import size, times_with_interval, with_interval
from bench.reporting import _unmeasured
from bench.reporting._html import figures, origin
from bench.reporting._html.cases import doubts
from bench.reporting._html.page import filled
from bench.reporting._html.table import Cell, Column, Table, axes, cell_of, interval_cell, of_columns
from bench.results.finding import VERDICT_WORDS
from bench.results.findings import findings_of
from bench.results.frame import Run
from bench.results.recommendation import recommendations_of
from bench.results.rows import Row
from bench.results.side_by_side import RUN_RATIO, by_name, rows_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What one run says of a claim."""

    run_name: str
    verdict: str
    """A key of the style sheet."""
    verdict_words: str
    sentence: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Known:
    """One key of the environments."""

    key: str
    values: tuple[str, ...]
    """One a run; empty: not known there."""

    @property
    def differs(self) -> bool:
        """Whether the runs do not agree."""
        return len(set(self.values)) > 1


def render(runs: Sequence[Run]) -> str:
    """Return the page of *runs*, the same bytes for the same runs."""
    named = by_name(runs)
    all_rows = rows_of(runs)
    origins = {name: origin.origin(run) for name, run in named.items()}
    return filled(
        "beside.html.jinja",
        origins=origins,
        recommendations={name: [found.sentence for found in recommendations_of(run)] for name, run in named.items()},
        doubts=doubts(all_rows),
        claims=_claims(named.items()),
        table=_table(all_rows, list(named)),
        plots=figures.plots(runs) if any(row.is_measured for row in all_rows) else [],
        missing=_unmeasured.groups(all_rows),
        hard=_known([found.hard for found in origins.values()]),
        soft=_known([found.soft for found in origins.values()]),
    )


def _claims(runs: Iterable[tuple[str, Run]]) -> dict[str, list[list[Answer]]]:
    """
    Return what the runs say of each claim, the answers about one pair of cases together.

    Claims that none of them can speak of are left out; of the others, why a run cannot comes last.
    """
    found: dict[str, dict[tuple[str, str], list[Answer]]] = {}
    for name, run in runs:
        for finding in findings_of(run):
            words = VERDICT_WORDS[finding.verdict]
            answer = Answer(run_name=name, verdict=finding.verdict, verdict_words=words, sentence=finding.sentence)
            by_pair = found.setdefault(finding.claim, {})
            by_pair.setdefault((finding.case_id, finding.reference_id), []).append(answer)
    return {
        claim: sorted(by_pair.values(), key=_is_silent)
        for claim, by_pair in found.items()
        if not all(map(_is_silent, by_pair.values()))
    }


def _is_silent(answers: Sequence[Answer]) -> bool:
    """Whether none of them says anything of the claim."""
    return all(answer.verdict == "not_here" for answer in answers)


def _table(rows: Sequence[Row], names: Sequence[str]) -> Table:
    """Return a row a case, with figures for each run."""
    by_case: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_case.setdefault(row.case.id, {})[row.run_name] = row
    columns = axes([next(iter(found.values())) for found in by_case.values()])
    for number, name in enumerate(names):
        members = [found.get(name) for found in by_case.values()]
        columns += _figures(members, name, number)
    return of_columns(columns)


def _figures(rows: Sequence[Row | None], name: str, number: int) -> list[Column]:
    """Return the columns of the run *name*, which may lack some of the cases."""

    def column(key: str, header: str, cell: Callable[[Row], Cell]) -> Column:
        cells = tuple(cell(row) if row and row.is_measured else Cell(text="") for row in rows)
        return Column(key=f"{key}-{number}", header=f"{name}: {header}", cells=cells, is_number=True)

    endings = tuple(Cell(text="" if row is None or row.is_measured else row.status) for row in rows)
    flags = tuple(Cell(text=" ".join(row.flags) if row else "") for row in rows)
    notes = tuple(Cell(text=str(row.columns.get("notes", "")) if row else "") for row in rows)
    return [
        column("samples", "samples/s", lambda row: interval_cell(row.throughput, with_interval)),
        column("ratio", "of the first", lambda row: interval_cell(row.interval(RUN_RATIO), times_with_interval)),
        Column(key=f"notes-{number}", header=f"{name}: note", cells=notes),
        column("memory", "memory", lambda row: cell_of(row, "peak_allocated_bytes", size)),
        Column(key=f"status-{number}", header=f"{name}: status", cells=endings),
        Column(key=f"flags-{number}", header=f"{name}: flags", cells=flags),
    ]


def _known(keys: Sequence[Mapping[str, str]]) -> list[Known]:
    """Return the keys that any run has, those first in which they differ."""
    names = dict.fromkeys(name for found in keys for name in found)
    rows = [Known(key=name, values=tuple(found.get(name, "") for found in keys)) for name in names]
    return sorted(rows, key=lambda row: not row.differs)
