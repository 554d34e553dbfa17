"""The index of runs: put in, found again, made anew from the journals."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import MappingResult

from bench.flags import DOUBTFUL
from bench.history.database import Database
from bench.history.entries import Entry
from bench.history.schema import METRICS, acceptances, points, runs, series

SHORT_ID_LENGTH = 8
"""Letters of a series' id that a person has to write."""

Added = Literal["added", "brought up to date", "was there already"]
"""What came of putting a run in: its journal may have grown since (`run --resume`), or lie elsewhere now."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """One version of a case on one kind of machine."""

    id: str
    case_id: str
    name: str
    workload: str
    machine: str
    num_points: int
    newest_at: str
    """When its newest run began."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """What one run says of a series."""

    run_id: str
    started_at: str
    commit: str
    label: str
    flags: tuple[str, ...]
    figures: Mapping[str, float]
    """Those of `METRICS` that are known."""

    @property
    def is_doubtful(self) -> bool:
        """Whether its flags say that its times may be wrong."""
        return not DOUBTFUL.isdisjoint(self.flags)

    @property
    def name(self) -> str:
        """What a person calls it: its commit, or its time where there is none."""
        return self.commit or self.started_at


@dataclasses.dataclass(frozen=True, kw_only=True)
class Acceptance:
    """That somebody has seen a change and means it to stay."""

    series_id: str
    metric: str
    run_id: str
    """The first run of the new level."""
    reason: str


class Store(Database):
    """A history; its arguments and errors are those of any `Database`."""

    def add(self, entry: Entry) -> Added:
        """Put *entry* into the index, in the place of what was known of its run."""
        with self.transaction() as connection:
            return _add(connection, entry)

    def renew(self, entries: Mapping[str, Entry]) -> None:
        """Put each of *entries* in the place of the run with that id; other runs, and what was accepted, stay."""
        with self.transaction() as connection:
            for run_id, entry in entries.items():
                _remove(connection, run_id)
                _add(connection, entry)
            used = select(points.c.series_id)
            connection.execute(series.delete().where(series.c.id.not_in(used)))

    def all_series(self, names: Sequence[str] = ()) -> list[Series]:
        """Return the series in whose name or machine all of *names* occur, or whose id begins so; their newest last."""
        words = func.lower(series.c.name + " " + series.c.machine)
        wanted = [
            words.contains(name.lower(), autoescape=True)
            | (func.substr(series.c.id, 1, max(len(name), SHORT_ID_LENGTH)) == name)
            for name in names
        ]
        known = (series.c.id, series.c.case_id, series.c.name, series.c.workload, series.c.machine)
        # For each series by itself: joined, a million points would be read to find the few of one of them.
        own = points.c.series_id == series.c.id
        count = select(func.count()).where(own).correlate(series).scalar_subquery()
        newest = (
            select(func.max(runs.c.started_at))
            .join(points, points.c.run_id == runs.c.id)
            .where(own)
            .correlate(series)
            .scalar_subquery()
        )
        query = (
            select(*known, count, newest)
            .where(select(points.c.run_id).where(own).correlate(series).exists(), *wanted)
            .order_by(series.c.name, series.c.machine, newest, series.c.id)
        )
        fields = [field.name for field in dataclasses.fields(Series)]
        with self.transaction(is_reading=True) as connection:
            return [Series(**dict(zip(fields, row, strict=True))) for row in connection.execute(query)]

    def points_of(self, series_id: str) -> list[Point]:
        """Return the points of a series, oldest first."""
        figures = [points.c[name] for name in METRICS]
        query = (
            select(runs.c.id, runs.c.started_at, runs.c.commit, runs.c.label, points.c.flags, *figures)
            .join(runs, runs.c.id == points.c.run_id)
            .where(points.c.series_id == series_id)
            .order_by(runs.c.started_at, runs.c.id)
        )
        with self.transaction(is_reading=True) as connection:
            return [_point(row) for row in connection.execute(query)]

    def all_runs(self) -> list[Mapping[str, Any]]:
        """Return every run, newest first."""
        with self.transaction(is_reading=True) as connection:
            query = select(runs).order_by(runs.c.started_at.desc(), runs.c.id)
            return [dict(row) for row in connection.execute(query).mappings()]

    def accept(self, acceptance: Acceptance, accepted_at: str) -> None:
        """Keep that a change is meant; the newest reason counts."""
        row = {**dataclasses.asdict(acceptance), "accepted_at": accepted_at}
        key = (acceptances.c.series_id, acceptances.c.metric, acceptances.c.run_id)
        with self.transaction() as connection:
            connection.execute(acceptances.delete().where(*(column == row[column.name] for column in key)))
            _insert(connection, acceptances, [row])

    def all_acceptances(self) -> list[Acceptance]:
        """Return what was accepted."""
        names = [field.name for field in dataclasses.fields(Acceptance)]
        with self.transaction(is_reading=True) as connection:
            found = connection.execute(select(*(acceptances.c[name] for name in names)))
            return [Acceptance(**dict(zip(names, row, strict=True))) for row in found]


def _add(connection: Connection, entry: Entry) -> Added:
    run_id = entry.run["id"]
    known = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
    if known:
        their_points = select(points).where(points.c.run_id == run_id)
        if known["path"] == entry.run["path"] and _is_same(connection.execute(their_points).mappings(), entry.points):
            return "was there already"
        _remove(connection, run_id)
    for table, found in ((runs, [entry.run]), (series, entry.series), (points, entry.points)):
        _insert(connection, table, found)
    return "brought up to date" if known else "added"


def _remove(connection: Connection, run_id: str) -> None:
    connection.execute(points.delete().where(points.c.run_id == run_id))
    connection.execute(runs.delete().where(runs.c.id == run_id))


def _is_same(known: MappingResult, found: Sequence[Mapping[str, Any]]) -> bool:
    """Whether both have the same points, in whatever order."""
    return {row["series_id"]: dict(row) for row in known} == {row["series_id"]: dict(row) for row in found}


def _insert(connection: Connection, table: Any, found: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, leaving those that are there."""
    if not found:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), [dict(row) for row in found])


def _point(row: Sequence[Any]) -> Point:
    run_id, started_at, commit, label, flags, *figures = row
    known = {name: float(value) for name, value in zip(METRICS, figures, strict=True) if value is not None}
    return Point(
        run_id=run_id, started_at=started_at, commit=commit, label=label, flags=tuple(flags.split()), figures=known
    )
