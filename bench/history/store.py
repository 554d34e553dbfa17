"""The index of runs: put in, found again, made anew from the journals; one transaction a change."""

import contextlib
import dataclasses
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import MappingResult, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from bench.errors import UsageError
from bench.flags import DOUBTFUL
from bench.history import schema
from bench.history.entries import Entry
from bench.history.schema import METRICS, acceptances, points, runs, series

BACKENDS = ("sqlite", "postgresql")
BUSY_SECONDS = 60
"""How long a writer waits for another one before it gives up."""
SHORT_ID_LENGTH = 8
"""Letters of a series' id that a person has to write."""
_FORMS = "write sqlite:///FILE or postgresql+psycopg://HOST/NAME"
_IS_READING = "stepbench_is_reading"
"""Option of a connection whose transaction changes nothing."""


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


class Store:
    """
    A history.

    Args:
        url: Of SQLite or PostgreSQL.
        must_exist: Whether a file that is not there is a mistake; else it is made.

    Raises:
        UsageError: If the database cannot be reached, or is no history of a version that is known; from any call.
    """

    def __init__(self, url: str, *, must_exist: bool = False) -> None:
        self._url = url
        self._engine = _engine(url)
        try:
            if must_exist:
                self._check_file()
            self._prepare()
        except UsageError:
            self.close()
            raise

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextlib.contextmanager
    def transaction(self, *, is_reading: bool = False) -> Iterator[Connection]:
        """Give a connection whose changes come into being together, or not at all; a reader waits for nobody."""
        with self._told(), self._engine.connect() as connection:
            connection.execution_options(**{_IS_READING: is_reading})
            with connection.begin():
                yield connection

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

    def _check_file(self) -> None:
        database = self._engine.url.database
        if self._engine.dialect.name == "sqlite" and database and not Path(database).exists():
            raise UsageError(f"there is no history at '{database}'; put runs in with: history add DIR")

    def _prepare(self) -> None:
        """Make or migrate the tables, where they are not as they should be."""
        with self.transaction(is_reading=True) as connection:
            if schema.is_current(connection):
                return
        with self.transaction() as connection:
            schema.prepare(connection)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what a database says into one line of ours."""
        try:
            yield
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            cure = "is it a history?"
            if isinstance(error, OperationalError):
                is_file = self._engine.dialect.name == "sqlite"
                cure = "can the file be read and written?" if is_file else "is the server up, and the address right?"
            raise UsageError(f"--db '{shown(self._url)}': {reason}; {cure}") from None


def shown(url: str) -> str:
    """Return an address without its password."""
    return re.sub(r":(?!/).*@", ":***@", url)


def _engine(url: str) -> Engine:
    """
    Return what connects to *url*.

    Raises:
        UsageError: If it is no address of a database that is known, or its driver is not there.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in BACKENDS:
            raise UsageError(f"--db '{shown(url)}' is neither SQLite nor PostgreSQL; {_FORMS}")
        if parsed.query and parsed.get_backend_name() == "sqlite":  # of which SQLAlchemy would ignore what follows '?'
            raise UsageError(f"--db '{shown(url)}': a file of SQLite has no options; {_FORMS}")
        engine = create_engine(parsed)
    except (ArgumentError, NoSuchModuleError, ValueError, TypeError):
        raise UsageError(f"--db '{shown(url)}' is no address of a database; {_FORMS}") from None
    except ModuleNotFoundError as error:
        driver = "python -m pip install 'psycopg[binary]', and write postgresql+psycopg://HOST/NAME"
        raise UsageError(f"--db '{shown(url)}' needs the package {error.name}; {driver}") from None
    if engine.dialect.name == "sqlite":
        _let_sqlite_wait(engine)
    return engine


def _let_sqlite_wait(engine: Engine) -> None:
    """Make a writer take SQLite's lock when its transaction begins, so that one of two waits and none fails."""

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver would begin by itself, and later than we want
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        is_reading = connection.get_execution_options().get(_IS_READING, False)
        connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")


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
