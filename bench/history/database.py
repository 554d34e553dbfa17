"""Where a history lies: SQLite or PostgreSQL, one transaction a change, and what goes wrong in one line."""

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from bench.errors import UsageError
from bench.history import schema

BACKENDS = ("sqlite", "postgresql")
BUSY_SECONDS = 60
"""How long a writer waits for another one before it gives up."""
_FORMS = "write sqlite:///FILE or postgresql+psycopg://HOST/NAME"
_IS_READING = "stepbench_is_reading"
"""Option of a connection whose transaction changes nothing."""


class Database:
    """
    A database whose tables are those of this version.

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
