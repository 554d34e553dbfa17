"""The journal is the truth: it survives a torn end, and any other damage is named by file and line."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.case import Case
from bench.errors import JournalError
from bench.record import to_plain
from bench.result import SCHEMA_VERSION, CaseResult, DeviceInfo, Environment, Failure, Plan, SamplingPlan, Sitting
from bench.running import journal

CASE = Case(workload="mlp:small", device="cpu", strategy="single", precision="fp32", batch_size=8)
PLAN = Plan(
    cases=(CASE,),
    sampling=SamplingPlan(rounds=2),
    environment=Environment(
        devices=(DeviceInfo(type="cuda", index=0, name="H100", capability=(9, 0)),), hard={"torch": "2.13.0"}
    ),
    label="first \u2028 line",
)
GOOD = CaseResult(case=CASE, round=0, status="ok", duration_seconds=0.25)
BAD = CaseResult(
    case=CASE, round=1, status="crashed", failure=Failure(message="signal 9", log_tail={"0": ("a", "\x85b")})
)


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    path = tmp_path / journal.FILE_NAME
    writer = journal.JournalWriter(path)
    writer.write_plan(PLAN)
    writer.write_result(GOOD)
    writer.write_result(BAD)
    writer.close()
    return path


def _refusal(path: Path) -> str:
    with pytest.raises(JournalError) as caught:
        journal.read(path)
    return str(caught.value)


def _changed(path: Path, line: int, **changes: Any) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1] = json.dumps({**json.loads(lines[line - 1]), **changes})
    path.write_text("\n".join(lines) + "\n")


def test_what_was_written_is_read_back(path: Path) -> None:
    assert journal.read(path) == journal.Journal(plan=PLAN, results=(GOOD, BAD), result_lines=(2, 3))


def test_sittings_are_kept_apart_from_results_in_the_order_in_which_they_ended(path: Path) -> None:
    sittings = [Sitting(servers_seconds=4.0 + n, reporting_seconds=0.5, total_seconds=9.0) for n in range(2)]
    for sitting in sittings:
        writer = journal.JournalWriter(path)
        writer.write_sitting(sitting)
        writer.close()
    assert journal.read(path) == journal.Journal(
        plan=PLAN, results=(GOOD, BAD), sittings=tuple(sittings), result_lines=(2, 3)
    )


def test_a_sitting_with_a_part_missing_is_named_by_its_line(path: Path) -> None:
    with path.open("a") as file:
        file.write(json.dumps({"kind": "sitting", "schema_version": SCHEMA_VERSION, "servers_seconds": 1.0}) + "\n")
    assert _refusal(path).startswith(f"{path}:4: not a sitting (")


def test_the_directory_of_a_run_stands_for_its_journal(path: Path) -> None:
    assert journal.read(path.parent) == journal.read(path)


def test_every_line_is_on_the_disk_before_the_next_is_written(tmp_path: Path) -> None:
    path = tmp_path / journal.FILE_NAME
    writer = journal.JournalWriter(path)
    writer.write_plan(PLAN)
    assert journal.read(path).results == ()
    writer.write_result(GOOD)
    assert journal.read(path).results == (GOOD,)
    writer.close()


@pytest.mark.parametrize("cut", [1, 20, 300])
def test_a_last_line_that_was_cut_off_is_left_out(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:-cut])
    assert journal.read(path).results == (GOOD,)


def test_a_torn_end_may_be_no_text_at_all(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b'{"kind":"result"\xff\x00\x00')
    assert journal.read(path).results == (GOOD, BAD)


def test_what_is_appended_after_a_torn_line_was_dropped_stands_on_its_own(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])
    journal.drop_torn_line(path)
    writer = journal.JournalWriter(path)
    writer.write_result(BAD)
    writer.close()
    assert journal.read(path).results == (GOOD, BAD)


def test_dropping_a_torn_line_leaves_a_whole_journal_alone(path: Path) -> None:
    before = path.read_bytes()
    journal.drop_torn_line(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b'{"kind":', "not JSON (Expecting value)"),
        (b"", "not JSON (Expecting value)"),
        (b"\xff\xfe", "not JSON (not UTF-8 text)"),
        (b"[1, 2]", "neither a plan nor a result"),
        (b'{"kind": "note", "schema_version": 1}', "neither a plan nor a result"),
    ],
)
def test_a_line_that_is_corrupt_is_named_by_file_and_line(path: Path, line: bytes, complaint: str) -> None:
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], line, lines[2], b""]))
    assert _refusal(path) == f"{path}:2: {complaint}"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"case": {}}, "not a result (Case has no 'workload')"),
        ({"case": 3}, "not a result (expected an object for Case, found 3)"),
        ({"flags": "oom"}, 'not a result (expected a list, found "oom")'),
    ],
)
def test_a_result_of_another_shape_is_named_by_file_and_line(
    path: Path, changes: dict[str, Any], complaint: str
) -> None:
    _changed(path, 3, **changes)
    assert _refusal(path) == f"{path}:3: {complaint}"


def test_a_plan_of_another_shape_is_named_by_file_and_line(path: Path) -> None:
    _changed(path, 1, environment=[])
    assert _refusal(path) == f"{path}:1: not a plan (expected an object for Environment, found [])"


def test_a_second_plan_is_no_result(path: Path) -> None:
    path.write_text(path.read_text() + json.dumps({"kind": "plan", **to_plain(PLAN)}) + "\n")
    assert _refusal(path) == f"{path}:4: not a result (a second plan)"


def test_a_journal_of_a_newer_schema_is_refused_with_the_cure(path: Path) -> None:
    _changed(path, 1, schema_version=SCHEMA_VERSION + 1)
    assert _refusal(path) == (
        f"{path}:1: written with schema {SCHEMA_VERSION + 1}, this version reads {SCHEMA_VERSION}; "
        "use the version of stepbench that wrote it"
    )


def test_a_field_that_a_newer_writer_added_is_no_damage(path: Path) -> None:
    _changed(path, 2, colour="red")
    assert journal.read(path).results == (GOOD, BAD)


@pytest.mark.parametrize("content", [b"", b"no newline"])
def test_a_file_without_a_whole_line_is_no_journal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(content)
    assert _refusal(path) == f"{path}:1: a journal begins with its plan; this file does not"


def test_a_journal_that_begins_with_a_result_is_refused(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    assert _refusal(path) == f"{path}:1: a journal begins with its plan; this file does not"


def test_another_file_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("case_id,workload\n")
    assert _refusal(path) == f"{path}:1: not JSON (Expecting value); is this a run? give its directory"


def test_a_directory_without_a_journal_is_told_what_to_give(tmp_path: Path) -> None:
    path = tmp_path / journal.FILE_NAME
    assert _refusal(tmp_path) == f"{path}: cannot be read (No such file or directory); give the directory of a run"
