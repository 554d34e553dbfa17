"""A real pool of one server: what its workers inherit, what they leave behind, and what happens when it dies."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.running import pool as pool_module
from bench.running.pool import PROBE, CallError, Pool
from bench.running.visit import perform

HERE = "tests.running.test_pool"
DEADLINE_SECONDS = 60.0

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux")


def standard_input() -> dict[str, Any]:
    """Return what a child of a user's code would read; in a worker."""
    read = subprocess.run(["/bin/cat"], stdout=subprocess.PIPE, timeout=5, check=True)
    return {"file": str(Path("/proc/self/fd/0").readlink()), "read": len(read.stdout)}


def leave_a_child() -> dict[str, Any]:
    """Leave a process behind, in a session of its own; in a worker."""
    return {"pid": subprocess.Popen(["/bin/sleep", "100"], start_new_session=True).pid}


def is_loaded(name: str) -> dict[str, Any]:
    """Return whether a module was there before this worker began; in a worker."""
    return {"is_loaded": name in sys.modules}


@pytest.fixture(scope="module", name="pool")
def _pool() -> Iterator[Pool]:
    with Pool(1, "forkserver", dict(os.environ)) as started:
        yield started


def _call(pool: Pool, function: str) -> Any:
    return pool.call(function, timeout_seconds=DEADLINE_SECONDS)


def test_a_worker_reads_nothing_and_never_the_orders_of_its_launcher(pool: Pool) -> None:
    assert _call(pool, f"{HERE}:standard_input") == {"file": os.devnull, "read": 0}


def test_what_a_worker_leaves_behind_is_gone_when_its_answer_comes(pool: Pool) -> None:
    for _ in range(5):
        left = _call(pool, f"{HERE}:leave_a_child")["pid"]
        assert not psutil.pid_exists(left)


def test_the_only_server_of_a_pool_is_replaced_when_it_dies(pool: Pool) -> None:
    launcher = pool._servers[0]._process
    launcher.kill()
    launcher.wait()
    with pytest.raises(CallError, match="the process that starts workers"):
        _call(pool, f"{HERE}:standard_input")
    assert _call(pool, PROBE)["preloaded"]


def test_a_fork_server_that_fails_its_canary_gives_way_to_spawned_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_complaint_about", lambda look: "a device was initialised in it")
    with Pool(1, "forkserver", dict(os.environ)) as fallen_back:
        assert fallen_back.start_method == "spawn"
        (note,) = fallen_back.notes
        assert "(a device was initialised in it); workers are spawned instead" in note
        assert not _call(fallen_back, PROBE)["preloaded"]


def test_a_server_imports_for_all_its_workers_what_a_task_names_and_outlives_what_cannot_be_imported(
    pool: Pool,
) -> None:
    name = "zipapp"  # which nothing else needs
    order: dict[str, Any] = {"function": f"{HERE}:is_loaded", "arguments": {"name": name}}
    before = perform(pool._servers[0], pool._task(**order, deadline_seconds=DEADLINE_SECONDS))
    imports = ("no_such_module", name)
    after = perform(pool._servers[0], pool._task(**order, imports=imports, deadline_seconds=DEADLINE_SECONDS))
    assert before.answer is not None
    assert after.answer is not None
    assert (before.answer.seen, after.answer.seen) == ({"is_loaded": False}, {"is_loaded": True})
