"""Until when a visit may go on: one deadline to compile, and one from there."""

from pathlib import Path

import pytest

from bench.measuring.task import COMPILED_FILE, Task, mark_compiled

SECOND_NS = 10**9
ORDERED_NS = 5 * SECOND_NS


def _task(**fields: float) -> Task:
    return Task(ordered_at_ns=ORDERED_NS, deadline_seconds=30.0, **fields)  # type: ignore[arg-type]  # numbers all


def test_the_deadline_counts_from_the_order(tmp_path: Path) -> None:
    assert _task().deadline_ns(tmp_path) == ORDERED_NS + 30 * SECOND_NS


@pytest.mark.parametrize(("timeout_seconds", "limit_seconds"), [(600.0, 600), (10.0, 30)])
def test_until_something_is_compiled_the_longer_of_the_two_holds(
    tmp_path: Path, timeout_seconds: float, limit_seconds: int
) -> None:
    task = _task(compile_timeout_seconds=timeout_seconds)
    assert task.deadline_ns(tmp_path) == ORDERED_NS + limit_seconds * SECOND_NS


def test_it_begins_anew_whenever_something_was_compiled(tmp_path: Path) -> None:
    task = _task(compile_timeout_seconds=600.0)
    for now_ns in (100 * SECOND_NS, 700 * SECOND_NS):
        mark_compiled(tmp_path, now_ns)
        assert task.deadline_ns(tmp_path) == now_ns + 30 * SECOND_NS


def test_a_mark_that_is_none_of_ours_is_no_mark(tmp_path: Path) -> None:
    (tmp_path / COMPILED_FILE).write_text("by a user's code")
    assert _task().deadline_ns(tmp_path) == ORDERED_NS + 30 * SECOND_NS
