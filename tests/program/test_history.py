"""A history whose writer is killed: it holds whole runs, and nothing else."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program.sandbox import Sandbox

KILLS = 50
RUNS = 6
DEADLINE_SECONDS = 60.0


@pytest.fixture(name="runs")
def _runs(sandbox: Sandbox) -> list[str]:
    """Directories of runs of ten cases, copies of one that was measured, each at its own time."""
    axes = ("--device", "cpu", "--strategy", "single", "--precision", "fp32", "--rounds", "1", "--format", "csv")
    sizes = ",".join(str(size) for size in range(1, 11))
    measured = sandbox.run("--workload", "models.py:good", *axes, "--batch-size", sizes, "--out", "measured")
    assert measured.returncode == 0, measured.stderr
    lines = (sandbox.directory / "measured" / "results.jsonl").read_text().splitlines()
    names = []
    for number in range(RUNS):
        plan = {**json.loads(lines[0]), "started_at": f"2026-01-{number + 1:02}T00:00:00+00:00"}
        directory = sandbox.directory / f"run{number}"
        directory.mkdir()
        (directory / "results.jsonl").write_text("\n".join([json.dumps(plan), *lines[1:], ""]))
        names.append(directory.name)
    return names


def _counts(path: Path) -> tuple[int, set[int]]:
    """Return how many runs there are, and the different numbers of points that they have."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "points" not in tables:
            return 0, set()
        (runs,) = connection.execute("SELECT count(*) FROM runs").fetchone()
        points = connection.execute("SELECT count(*) FROM points GROUP BY run_id").fetchall()
        orphans = connection.execute("SELECT count(*) FROM points WHERE run_id NOT IN (SELECT id FROM runs)")
        assert orphans.fetchone() == (0,)
        return runs, {number for (number,) in points}
    finally:
        connection.close()


WRITER = """
import os, random, signal, sys, time
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from bench.history.entries import entry_of
from bench.history.store import Store

entries = [entry_of(Path(name)) for name in sys.argv[3:]]


def write(path):
    store = Store(f"sqlite:///{path}")
    for entry in entries:
        store.add(entry)
    store.close()


write("usual.sqlite")  # whatever is imported late is there now
started = time.monotonic()
write("again.sqlite")
usual = time.monotonic() - started
chance = random.Random(7)
for number in range(int(sys.argv[2])):
    child = os.fork()
    if child == 0:
        write(f"killed{number}.sqlite")
        os._exit(0)
    time.sleep(usual * chance.uniform(0.0, 1.5))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_a_writer_that_is_killed_leaves_whole_runs_alone(sandbox: Sandbox, runs: list[str]) -> None:
    script = [sys.executable, "-c", WRITER, str(sandbox.program.parent), str(KILLS), *runs]
    subprocess.run(script, cwd=sandbox.directory, check=True, capture_output=True, timeout=DEADLINE_SECONDS)
    killed = sorted(sandbox.directory.glob("killed*.sqlite"))
    seen = [_counts(path) for path in killed]
    assert all(points <= {10} and (count == 0) == (points == set()) for count, points in seen), seen
    counts = {count for count, _ in seen}
    assert any(0 < count < RUNS for count in counts), f"no kill came while runs were put in: {counts}"
    # What was lost is put in again, and nothing twice.
    half_way = next(path for path, (count, _) in zip(killed, seen, strict=True) if 0 < count < RUNS)
    ended = sandbox.run("history", "add", *runs, "--db", f"sqlite:///{half_way}")
    assert ended.returncode == 0, ended.stderr
    assert _counts(half_way) == (RUNS, {10})


AXES = (
    "--workload",
    "models.py:good",
    "--device",
    "cpu",
    "--strategy",
    "single",
    "--precision",
    "fp32",
    "--rounds",
    "1",
)


def test_a_run_adds_itself(sandbox: Sandbox) -> None:
    database = "sqlite:///mine.sqlite"
    ended = sandbox.run(*AXES, "--format", "csv", "--out", "run", "--history", "--db", database)
    assert ended.returncode == 0, ended.stderr
    shown = sandbox.run("history", "show", "--db", database)
    assert "models.py_good-cpu-single-fp32" in shown.stdout
    added = sandbox.run("history", "add", "run", "--db", database)
    assert added.stdout == "run: was there already\n"


def test_a_history_that_cannot_be_written_is_told_before_anything_is_measured(sandbox: Sandbox) -> None:
    ended = sandbox.run(*AXES, "--out", "run", "--history", "--db", "sqlite:////proc/nowhere/h.sqlite")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: --db 'sqlite:////proc/nowhere/h.sqlite': unable to open database file")
    assert ended.stderr.count("\n") == 1
    assert not (sandbox.directory / "run").exists()
