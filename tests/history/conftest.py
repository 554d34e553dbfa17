"""Histories of runs that are made up, in SQLite and, where there is a server, in PostgreSQL."""

import contextlib
import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.case import Case
from bench.history.store import Store
from bench.result import CaseResult, Environment
from bench.results.frame import Run

DEADLINE_SECONDS = 60.0
MakeRunOf = Callable[..., Run]


@pytest.fixture(name="run_of")
def _run_of(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> MakeRunOf:
    """Return the maker of a run by its number: one case whose step is given, a day and a commit of its own."""

    def make(number: int, step_seconds: float = 0.004, cases: Sequence[Case] = (), **fields: Any) -> Run:
        results = [result for case in cases or [make_case()] for result in make_rounds(case, [step_seconds] * 2)]
        usual: dict[str, Any] = {
            "started_at": f"2026-{1 + number // 28:02}-{1 + number % 28:02}T00:00:00+00:00",
            "commit": f"c{number:08}",
            "environment": Environment(hard={"cpu_name": "EPYC", "cores": "2"}),
        }
        return make_run(results, **{**usual, **fields})

    return make


@pytest.fixture(name="postgres", scope="session")
def _postgres() -> Iterator[str]:
    """The address of a database of a server that is started for the tests, on loopback alone."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra postgres)")
    on_path = shutil.which("initdb")
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")) or ([on_path] if on_path else [])  # noqa: PTH207 (a pattern from the root)
    if not programs:
        pytest.skip("there is no PostgreSQL (Debian: apt-get install postgresql)")
    user = _unprivileged()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True)))
        if user:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        port = _free_port()
        control = [str(Path(programs[-1]).with_name("pg_ctl")), "-D", str(folder / "data"), "-w", "-t", "30"]
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        _run(user, [programs[-1], "-D", str(folder / "data"), "-A", "trust", "-U", "tests", "--no-sync"])
        _run(user, [*control, "-l", str(folder / "log"), "-o", options, "start"])
        stack.callback(_run, user, [*control, "-m", "immediate", "stop"])
        yield f"postgresql+psycopg://tests@127.0.0.1:{port}/postgres"


def _unprivileged() -> str | None:
    """Return who may run the server, which refuses to be root; None: whoever we are."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.skip("PostgreSQL refuses to run as root, and there is nobody else")


def _run(user: str | None, command: Sequence[str]) -> None:
    ended = subprocess.run(
        command, user=user, cwd="/", capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(name="url", params=["sqlite", "postgres"])
def _url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty history in each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'history.sqlite'}"
    address: str = request.getfixturevalue("postgres")
    name = f"t{abs(hash(str(tmp_path))):x}"[:30]
    from sqlalchemy import create_engine, text  # noqa: PLC0415 (only where a server is)

    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return address.rpartition("/")[0] + f"/{name}"


@pytest.fixture(name="store")
def _store(url: str) -> Iterator[Store]:
    store = Store(url)
    yield store
    store.close()
