"""Until when a visit may go on: a deadline, one to compile, and the deadline once more from there."""

from pathlib import Path

import pytest

from bench.measuring.task import COMPILING_FILE, Limit, Task, mark_compiling

SECOND_NS = 10**9
ORDERED_NS = 5 * SECOND_NS


def _task(compile_timeout_seconds: float = 0.0) -> Task:
    return Task(ordered_at_ns=ORDERED_NS, deadline_seconds=30.0, compile_timeout_seconds=compile_timeout_seconds)


@pytest.mark.parametrize("compile_timeout_seconds", [0.0, 10.0, 600.0])
def test_until_something_is_compiled_the_deadline_counts_from_the_order(
    tmp_path: Path, compile_timeout_seconds: float
) -> None:
    limit = _task(compile_timeout_seconds).limit(tmp_path)
    assert limit == Limit(end_ns=ORDERED_NS + 30 * SECOND_NS, is_compiling=False)


def test_compilation_has_a_deadline_of_its_own_from_its_beginning(tmp_path: Path) -> None:
    mark_compiling(tmp_path, 8 * SECOND_NS)
    assert _task(600.0).limit(tmp_path) == Limit(end_ns=608 * SECOND_NS, is_compiling=True)


def test_when_it_is_over_the_deadline_counts_from_there(tmp_path: Path) -> None:
    mark_compiling(tmp_path, 8 * SECOND_NS, 100 * SECOND_NS)
    assert _task(600.0).limit(tmp_path) == Limit(end_ns=130 * SECOND_NS, is_compiling=False)


def test_no_limit_is_later_than_the_longest_time_that_a_visit_takes(tmp_path: Path) -> None:
    """At that the parent takes the launcher for dead."""
    task = _task(600.0)
    assert (task.longest_seconds, _task().longest_seconds) == (660.0, 30.0)
    last_start_ns = task.limit(tmp_path).end_ns
    mark_compiling(tmp_path, last_start_ns)
    last_end_ns = task.limit(tmp_path).end_ns
    mark_compiling(tmp_path, last_start_ns, last_end_ns)
    assert task.limit(tmp_path).end_ns == ORDERED_NS + round(task.longest_seconds * SECOND_NS)


def test_an_eager_case_cannot_move_its_deadline(tmp_path: Path) -> None:
    mark_compiling(tmp_path, 8 * SECOND_NS, 100 * SECOND_NS)
    assert _task().limit(tmp_path).end_ns == ORDERED_NS + 30 * SECOND_NS


@pytest.mark.parametrize("text", ["by a user's code", "[]", "{}", "[null]", '["x"]', "3"])
def test_a_mark_that_is_none_of_ours_is_no_mark(tmp_path: Path, text: str) -> None:
    (tmp_path / COMPILING_FILE).write_text(text)
    assert _task(600.0).limit(tmp_path).end_ns == ORDERED_NS + 30 * SECOND_NS
