"""The index of runs: put in, found again, made anew from the journals; one transaction a change."""

import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from bench.errors import UsageError
from bench.history import schema
from bench.history.entries import Entry
from bench.history.schema import METRICS, acceptances, points, runs, series

BUSY_SECONDS = 60
"""How long a writer waits for another one before it gives up."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """One version of a case on one kind of machine."""

    id: str
    case_id: str
    name: str
    workload: str
    machine: str
    num_points: int


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Acceptance:
    """That somebody has seen a change and means it to stay."""

    series_id: str
    metric: str
    run_id: str
    """The first run of the new level."""
    reason: str


class Store:
    """
    A history.

    Raises:
        UsageError: If the database cannot be reached, or is no history of a version that is known; from any call.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        with self._told():
            self._engine = _engine(url)
        try:
            with self.transaction() as connection:
                schema.prepare(connection)
        except UsageError:
            self.close()
            raise

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection whose changes come into being together, or not at all."""
        with self._told(), self._engine.begin() as connection:
            yield connection

    def add(self, entry: Entry) -> bool:
        """Put *entry* into the index; return whether it was not in it before."""
        with self.transaction() as connection:
            return _add(connection, entry)

    def replace_all(self, entries: Sequence[Entry]) -> None:
        """Put *entries* in the place of every run that is known; what was accepted stays."""
        with self.transaction() as connection:
            for table in (points, series, runs):
                connection.execute(table.delete())
            for entry in entries:
                _add(connection, entry)

    def all_series(self, names: Sequence[str] = ()) -> list[Series]:
        """Return the series in whose name, machine or id all of *names* occur, with how many points they have."""
        wanted = [
            (series.c.id == name) | (series.c.name + " " + series.c.machine).contains(name, autoescape=True)
            for name in names
        ]
        count = func.count(points.c.run_id)
        query = (
            select(series.c.id, series.c.case_id, series.c.name, series.c.workload, series.c.machine, count)
            .join(points, points.c.series_id == series.c.id)
            .where(*wanted)
            .group_by(series.c.id, series.c.case_id, series.c.name, series.c.workload, series.c.machine)
            .order_by(series.c.name, series.c.machine, series.c.id)
        )
        fields = [field.name for field in dataclasses.fields(Series)]
        with self.transaction() as connection:
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
        with self.transaction() as connection:
            return [_point(row) for row in connection.execute(query)]

    def all_runs(self) -> list[Mapping[str, Any]]:
        """Return every run, newest first."""
        with self.transaction() as connection:
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
        with self.transaction() as connection:
            found = connection.execute(select(*(acceptances.c[name] for name in names)))
            return [Acceptance(**dict(zip(names, row, strict=True))) for row in found]

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what a database says into one line of ours."""
        try:
            yield
        except (ArgumentError, NoSuchModuleError):
            raise UsageError(
                f"--db '{shown(self._url)}' is no address of a database; write e.g. sqlite:///history.sqlite"
            ) from None
        except ModuleNotFoundError as error:
            raise UsageError(
                f"--db '{shown(self._url)}' needs the package {error.name}; python -m pip install 'psycopg[binary]'"
            ) from None
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            cure = (
                "is the server up, and the address right?"
                if isinstance(error, OperationalError)
                else "is it a history?"
            )
            raise UsageError(f"--db '{shown(self._url)}': {reason}; {cure}") from None


def shown(url: str) -> str:
    """Return an address without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url


def _engine(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        _let_sqlite_wait(engine)
    return engine


def _let_sqlite_wait(engine: Engine) -> None:
    """Make a transaction take SQLite's write lock when it begins, so that two writers wait and none fails half-way."""

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver would begin by itself, and later than we want
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _add(connection: Connection, entry: Entry) -> bool:
    if connection.execute(select(runs.c.id).where(runs.c.id == entry.run["id"])).first():
        return False
    for table, found in ((runs, [entry.run]), (series, entry.series), (points, entry.points)):
        _insert(connection, table, found)
    return True


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
