"""The launcher's own decisions; what it does with processes is seen in the tests of the program."""

import time
from pathlib import Path

import pytest

from bench.measuring.task import COMPILED_FOLDER, Task, mark_compiling
from bench.running import launcher

SECOND_NS = 10**9


def _task(compile_timeout_seconds: float) -> Task:
    return Task(
        ordered_at_ns=time.monotonic_ns(), deadline_seconds=30.0, compile_timeout_seconds=compile_timeout_seconds
    )


def _patience_seconds(task: Task, directory: Path) -> float:
    return launcher.Visit(lambda *_, **__: None, task, directory).patience_seconds


def test_an_eager_visit_is_waited_for_until_its_deadline(tmp_path: Path) -> None:
    assert 29 < _patience_seconds(_task(0.0), tmp_path) <= 30


def test_a_compiled_one_is_looked_at_every_second_since_its_deadline_moves(tmp_path: Path) -> None:
    task = _task(600.0)
    assert _patience_seconds(task, tmp_path) == launcher.COMPILING_LOOK_SECONDS
    mark_compiling(tmp_path, time.monotonic_ns() - 600 * SECOND_NS)  # and should have been done by now
    assert _patience_seconds(task, tmp_path) == 0


@pytest.mark.parametrize("others", [[], ["2"]])
def test_the_last_launcher_removes_the_run_s_folder_with_all_that_was_compiled(
    tmp_path: Path, others: list[str]
) -> None:
    run = tmp_path / "stepbench-x"
    (run / COMPILED_FOLDER / "a case" / "ab").mkdir(parents=True)
    for name in others:
        (run / name).mkdir()
    launcher._remove_folder_of_run(run)
    assert run.exists() == bool(others)
    assert [path.name for path in tmp_path.iterdir()] == (["stepbench-x"] if others else [])


def test_a_folder_that_is_gone_already_is_no_error(tmp_path: Path) -> None:
    launcher._remove_folder_of_run(tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []
