"""A history whose writer is killed: it holds whole runs, and nothing else."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
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


def test_a_writer_that_is_killed_leaves_whole_runs_alone(sandbox: Sandbox, runs: list[str]) -> None:
    path = sandbox.directory / "history.sqlite"
    command = [sys.executable, str(sandbox.program), "history", "add", *runs, "--db", f"sqlite:///{path}"]

    def to_its_end() -> None:
        subprocess.run(command, cwd=sandbox.directory, check=True, capture_output=True, timeout=DEADLINE_SECONDS)

    started = time.monotonic()
    to_its_end()
    usual_seconds = time.monotonic() - started
    chance = random.Random(7)
    seen = set()
    for _ in range(KILLS):
        path.unlink(missing_ok=True)
        process = subprocess.Popen(command, cwd=sandbox.directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(usual_seconds * (0.6 + 0.45 * chance.random()))
        process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE_SECONDS)
        if path.exists():
            count, points = _counts(path)
            seen.add(count)
            assert points <= {10}, points
            assert (count == 0) == (points == set())
    to_its_end()  # what was lost is put in again, and nothing twice
    assert _counts(path) == (RUNS, {10})
    assert len(seen) > 1, "no kill came while runs were put in"
