"""The tables of a history, and how one that an older version wrote becomes one that this version reads."""

from collections.abc import Mapping, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    inspect,
    select,
    text,
)

from bench.errors import UsageError

VERSION = 1
METRICS = {
    "step_seconds": Float,
    "step_seconds_low": Float,
    "step_seconds_high": Float,
    "forward_seconds": Float,
    "backward_seconds": Float,
    "optimizer_seconds": Float,
    "throughput_samples_per_second": Float,
    "peak_allocated_bytes": BigInteger,
    "operators": BigInteger,
    "host_syncs": BigInteger,
    "allocated_bytes": BigInteger,
    "rounds": BigInteger,
}
"""Columns of results.csv that a point keeps."""

_LOCK = 7_837_266_243
"""Any number that no other program takes for its own lock in the same database."""

metadata = MetaData()

version = Table("history_version", metadata, Column("version", Integer, nullable=False))

runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),  # from when, where and what it was, so that a run is never in it twice
    Column("started_at", Text, nullable=False, index=True),
    Column("commit", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("suite", Text, nullable=False),
    Column("path", Text, nullable=False),  # of the journal, from which all of this can be made again
)

series = Table(
    "series",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("case_version", String(32), nullable=False),
    Column("fingerprint", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("workload", Text, nullable=False),
    Column("machine", Text, nullable=False),
)

points = Table(
    "points",
    metadata,
    Column("series_id", String(32), ForeignKey("series.id"), primary_key=True),
    Column("run_id", String(32), ForeignKey("runs.id"), primary_key=True),
    Column("flags", Text, nullable=False),
    *(Column(name, kind) for name, kind in METRICS.items()),
)
Index("points_by_run", points.c.run_id)

acceptances = Table(
    "acceptances",
    metadata,
    # No key into the other tables: what a person decided outlives an index that is made again.
    Column("series_id", String(32), primary_key=True),
    Column("metric", String(64), primary_key=True),
    Column("run_id", String(32), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("accepted_at", String(40), nullable=False),
)

MIGRATIONS: Mapping[int, Sequence[str]] = {}
"""From a version to the statements that make the next one of it; all of them run in one transaction."""


def is_current(connection: Connection) -> bool:
    """Return whether the tables are there, of this version."""
    has_version = inspect(connection).has_table(version.name)
    return has_version and connection.execute(select(version.c.version)).scalar_one() == VERSION


def prepare(connection: Connection) -> None:
    """
    Make the tables where there are none, or bring older ones to this version.

    Raises:
        UsageError: If a newer version wrote them.
    """
    if connection.dialect.name == "postgresql":  # two who come first would both make the tables
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    if not inspect(connection).has_table(version.name):
        metadata.create_all(connection)
        connection.execute(version.insert().values(version=VERSION))
        return
    found = connection.execute(select(version.c.version)).scalar_one()
    if found > VERSION:
        raise UsageError(
            f"the history was written with schema {found}, this version reads up to {VERSION}; use a newer stepbench"
        )
    for number in range(found, VERSION):
        for statement in MIGRATIONS[number]:
            connection.execute(text(statement))
    if found < VERSION:
        connection.execute(version.update().values(version=VERSION))
