"""The launcher's own decisions; what it does with processes is seen in the tests of the program."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import pytest
from torch.multiprocessing.spawn import ProcessExitedException

import bench.measuring.process  # a visit imports it, and torch with it, which would count as its time
from bench.measuring.task import COMPILED_FOLDER, Task, mark_compiling
from bench.running import launcher

SECOND_NS = 10**9
USUAL_PATIENCE_SECONDS = 20.0
"""Of a visit that nobody should have to wait for."""


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


class ScriptedProcess:
    """Has ended with a code already, or lives until it is killed."""

    pid = 0

    def __init__(self, exitcode: int | None) -> None:
        self.exitcode = exitcode
        self.sentinel, self._life = os.pipe()
        if exitcode is not None:
            self._end(exitcode)

    def _end(self, exitcode: int) -> None:
        self.exitcode = exitcode
        os.close(self._life)
        self._life = -1

    def is_alive(self) -> bool:
        return self.exitcode is None

    def kill(self) -> None:
        if self.is_alive():
            self._end(-signal.SIGKILL)

    def join(self) -> None:
        assert not self.is_alive(), "nobody ends a process that was not killed"

    def close(self) -> None:
        self.kill()
        os.close(self.sentinel)


class ScriptedContext:
    """What torch's `start_processes` returns, of processes that are none."""

    def __init__(self, processes: Sequence[ScriptedProcess]) -> None:
        self.processes = list(processes)
        self._waiting = {process.sentinel: process for process in processes}

    @property
    def sentinels(self) -> list[int]:
        return list(self._waiting)

    def join(self, timeout: float, grace_period: float) -> bool:
        assert (timeout, grace_period) == (0, launcher.GRACE_SECONDS)
        for rank, process in enumerate(self.processes):
            if not process.is_alive():
                self._waiting.pop(process.sentinel, None)
                if process.exitcode:
                    for other in self.processes:
                        other.kill()
                    raise ProcessExitedException("rank failed", rank, 0, process.exitcode)
        return not self._waiting


Visits = Callable[..., list[launcher.Visit]]


@pytest.fixture(name="parent")
def _parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    """Return the parent's end of the launcher's standard input."""
    heard, says = os.pipe()
    with os.fdopen(heard, encoding="utf-8") as stdin, os.fdopen(says, "w", encoding="utf-8") as parent:
        monkeypatch.setattr("sys.stdin", stdin)
        yield parent


@pytest.fixture(name="visits")
def _visits(tmp_path: Path, parent: TextIO, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visits]:
    """Return the maker of visits from the exit codes of their processes; None: one that lives until it is killed."""
    processes: list[ScriptedProcess] = []
    monkeypatch.setattr(launcher, "STACK_SECONDS", 0.0)
    monkeypatch.setattr("os.kill", lambda pid, number: None)  # the processes are none

    def visits(
        *exit_codes: Sequence[int | None], deadline_seconds: float = USUAL_PATIENCE_SECONDS
    ) -> list[launcher.Visit]:
        found = []
        for codes in exit_codes:
            own = [ScriptedProcess(code) for code in codes]
            processes.extend(own)
            task = Task(num_processes=len(own), ordered_at_ns=time.monotonic_ns(), deadline_seconds=deadline_seconds)
            found.append(launcher.Visit(_starting(own), task, tmp_path))
        return found

    yield visits
    for process in processes:
        process.close()


def _starting(processes: Sequence[ScriptedProcess]) -> Callable[..., Any]:
    """Return what stands for torch's `start_processes`."""

    def start(function: Callable[..., None], args: tuple[str], nprocs: int) -> ScriptedContext:
        assert function is bench.measuring.process.run_rank
        assert nprocs == len(processes)
        return ScriptedContext(processes)

    return start


def _ending(*exit_codes: int, is_bystander: bool = False, timed_out: bool = False) -> dict[str, Any]:
    return {
        "timed_out": timed_out,
        "is_compiling": False,
        "is_bystander": is_bystander,
        "exit_codes": list(exit_codes),
    }


def test_visits_side_by_side_that_end_well_are_waited_for(visits: Visits) -> None:
    assert launcher._serve(visits([0], [0, 0])) == [_ending(0), _ending(0, 0)]


@pytest.mark.parametrize("code", [1, -signal.SIGSEGV])
@pytest.mark.parametrize("failed", [0, 1])
def test_a_visit_that_fails_ends_the_one_beside_it_which_is_a_bystander(visits: Visits, failed: int, code: int) -> None:
    started = time.monotonic()
    codes: list[list[int | None]] = [[None], [None]]
    codes[failed] = [code]
    endings = launcher._serve(visits(*codes))
    assert endings[failed] == _ending(code)
    assert endings[1 - failed] == _ending(-signal.SIGTERM, is_bystander=True)
    assert time.monotonic() - started < USUAL_PATIENCE_SECONDS / 2


def test_all_ranks_of_a_bystander_are_ended(visits: Visits) -> None:
    _, bystander = launcher._serve(visits([1], [None, None]))
    assert bystander == _ending(-signal.SIGTERM, -signal.SIGTERM, is_bystander=True)


def test_a_visit_that_ended_well_before_is_no_bystander(visits: Visits) -> None:
    assert launcher._serve(visits([0], [3])) == [_ending(0), _ending(3)]


def test_two_visits_that_fail_at_once_both_say_so(visits: Visits) -> None:
    assert launcher._serve(visits([1], [3])) == [_ending(1), _ending(3)]


def test_a_rank_that_another_one_s_failure_ended_is_told_from_it(visits: Visits) -> None:
    assert launcher._serve(visits([None, 3])) == [_ending(-signal.SIGTERM, 3)]


def test_at_the_deadline_a_visit_is_ended(visits: Visits) -> None:
    assert launcher._serve(visits([None, None], deadline_seconds=0.05)) == [
        _ending(-signal.SIGKILL, -signal.SIGKILL, timed_out=True)
    ]


def test_a_visit_that_misses_its_deadline_ends_the_one_beside_it(visits: Visits) -> None:
    late, beside = visits([None], deadline_seconds=0.05) + visits([None])
    assert launcher._serve([late, beside]) == [
        _ending(-signal.SIGKILL, timed_out=True),
        _ending(-signal.SIGTERM, is_bystander=True),
    ]


def test_visits_end_when_the_parent_is_gone(visits: Visits, parent: TextIO) -> None:
    parent.close()
    with pytest.raises(launcher.ParentGoneError):
        launcher._serve(visits([None], [None]))
