"""The revisions with a known slowdown, and the study of the gate, with a program that answers at once in its place."""

import ast
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bench import workload_file
from bench.record import from_plain, to_plain
from bench.running.session import Interrupted, interrupts_raised
from bench.statistics import Interval
from tests.peers import ab, lines, tools
from tests.peers.ab import Answer, Judged, answer_of, without_directories
from tests.peers.load import Load
from tests.studies import gate, slowed
from tests.studies.gate import KINDS, Run, planned, reaches_goal, summary

LOAD = Load(seconds=5.0, load_1min=0.5, pressure_ratio=0.01, steal_ratio=None)
ROW = {"case_id": "a", "label": "mlp", "ratio": {"value": 1.05, "low": 1.03, "high": 1.07}, "verdict": "slower"}
GREW = {"name": "host_syncs", "before": 0, "now": 1}
PROGRAM = """\
import dataclasses
import json, os, subprocess, sys
arguments = sys.argv[1:]
head = arguments[arguments.index("--head") + 1]
revision = subprocess.run(["git", "rev-parse", "--verify", head], capture_output=True, text=True).stdout.strip()
print("not for the study", file=sys.stderr)
is_slower = head.startswith("slower")
row = {"case_id": "a", "label": revision, "ratio": {"value": 1.05 if is_slower else 1.0}}
row |= {"verdict": "slower" if is_slower else "same", "why": " ".join(arguments), "changes": [], "flags": []}
failures = [{"case_id": "a", "reason": "slower by 5.0%"}] if is_slower else []
if head == "item":
    raise SystemExit("error: " + os.getcwd() + "/workload.py: no such thing")
print(json.dumps({"schema_version": 1, "rows": [row], "failures": failures}))
sys.exit(int(is_slower))
"""


def _run(head: str, repeat: int = 0, status: int = 0, **answer: Any) -> Run:
    return Run(
        head=head,
        repeat=repeat,
        started_at="2026-01-01T00:00:00+00:00",
        seconds_a_case=10.0,
        answer=Answer(exit_status=status, wall_seconds=20.0, **answer),
        load=LOAD,
    )


@pytest.mark.parametrize("tag", [slowed.BASE, *slowed.CHANGES])
def test_every_revision_is_a_workload_file_with_the_same_two_functions(tag: str, tmp_path: Path) -> None:
    path = tmp_path / "workload.py"
    path.write_text(slowed.source_of(tag), encoding="utf-8")
    assert list(workload_file.functions(path)) == ["mlp", "conv"]
    assert workload_file.batch_sizes(path) == slowed.BATCH_SIZES


def test_the_same_work_is_another_text_and_the_same_program() -> None:
    base, same = slowed.source_of(slowed.BASE), slowed.source_of("same")
    assert base != same
    assert ast.dump(ast.parse(base)) == ast.dump(ast.parse(same))


def test_a_change_that_no_longer_fits_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(slowed.CHANGES, "same", [("no such line", "")])
    with pytest.raises(ValueError, match="'no such line' 0 times, not once"):
        slowed.source_of("same")


def test_the_repository_can_be_made_anew(tmp_path: Path) -> None:
    hashes = []
    for folder in (tmp_path / "one", tmp_path / "deep" / "other"):
        slowed.make_repository(folder)
        command = ["git", "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/tags"]
        hashes.append(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)
        assert (folder / "workload.py").read_text(encoding="utf-8") == slowed.source_of(slowed.BASE)
    assert hashes[0] == hashes[1]
    assert {line.split()[0] for line in hashes[0].splitlines()} == {slowed.BASE, *slowed.CHANGES}


def test_the_answer_is_read_from_the_json() -> None:
    row = {**ROW, "why": "see /home/me/x.log", "changes": [GREW], "flags": ["contended"]}
    failures = [{"case_id": "a", "reason": "host_syncs grew from 0 to 1"}]
    answer = answer_of(1, 12.0, json.dumps({"schema_version": 1, "rows": [row], "failures": failures}), "")
    interval = Interval(value=1.05, low=1.03, high=1.07)
    judged = Judged(
        label="mlp",
        ratio=interval,
        verdict="slower",
        why="see x.log",
        changes=("host_syncs +1",),
        flags=("contended",),
    )
    assert answer.rows == (judged,)
    assert answer.failures == ("host_syncs grew from 0 to 1",)
    assert from_plain(Answer, to_plain(answer)) == answer


def test_no_answer_keeps_the_last_lines_and_no_place_of_the_machine() -> None:
    answer = answer_of(2, 1.0, "", "one\ntwo\n/tmp/x/run_bench.py: error: no such thing\n")
    assert answer.error == "two / run_bench.py: error: no such thing / exit status 2"
    assert without_directories("slower by 5/100 in a/b.py at /usr/lib/c.py") == "slower by 5/100 in a/b.py at c.py"


@pytest.mark.parametrize(
    ("head", "status", "verdict", "error", "outcome"),
    [
        ("slower5", 1, "slower", "", "red"),
        ("slower5", 0, "inconclusive", "", "inconclusive"),
        ("slower5", 0, "same", "", "green"),
        ("same", 0, "inconclusive", "", "inconclusive"),
        ("same", 3, None, "", "inconclusive"),
        ("item", 0, "inconclusive", "", "green"),  # its time is not asked about
        ("same", 2, None, "", "broken"),
        ("same", 1, None, "Traceback", "broken"),  # an interpreter that dies ends with 1, too
    ],
)
def test_an_outcome_is_what_a_user_would_call_it(
    head: str, status: int, verdict: Any, error: str, outcome: str
) -> None:
    assert _run(head, status=status, rows=(Judged(label="mlp", verdict=verdict),), error=error).outcome == outcome


def test_kinds_are_mixed_in_an_order_that_a_restart_keeps() -> None:
    order = planned(["same", "slower5"])
    assert order == planned(["slower5", "same"])
    assert sorted(order) == [("same", repeat) for repeat in range(20)] + [("slower5", repeat) for repeat in range(10)]
    first = [kind for kind, _ in order[:15]]
    assert (first.count("same"), first.count("slower5")) == (10, 5)
    assert [repeat for kind, repeat in order if kind == "same"] == list(range(20))
    assert len(planned(["same", "slower5"], repeats=1)) == 2


def test_a_goal_is_a_share_of_red_runs_and_nothing_broken() -> None:
    red, green, broken = _run("slower5", status=1), _run("slower5"), _run("slower5", status=2)
    assert reaches_goal("slower5", [red] * 9 + [green])
    assert not reaches_goal("slower5", [red] * 8 + [green] * 2)
    assert not reaches_goal("slower5", [red] * 9 + [broken])
    assert not reaches_goal("slower10", [_run("slower10", status=1)] * 9 + [_run("slower10")])
    assert reaches_goal("same", [_run("same")] * 20)
    assert not reaches_goal("same", [_run("same")] * 19 + [_run("same", status=1)])
    assert not reaches_goal("slower5", [dataclasses.replace(red, seconds_a_case=101.0)])


def test_the_summary_has_a_row_a_kind_and_says_what_was_wrong() -> None:
    ratio = Interval(value=1.052, low=1.04, high=1.06)
    open_row, slow_row = (Judged(label="mlp", verdict=verdict, ratio=ratio) for verdict in ("inconclusive", "slower"))
    item = Judged(label="mlp", changes=("host_syncs +1",))
    runs = [
        _run("same", 0),
        _run("same", 1, status=1, failures=("slower by 3.0%",)),
        _run("slower5", 0, status=1, rows=(slow_row,)),
        _run("slower5", 1, rows=(open_row,)),
        *(_run("item", repeat, status=1, rows=(item,)) for repeat in range(2)),
        _run("activation", status=2, error="exit status 2"),
    ]
    text = summary(runs, [{"kind": "sitting", "cores": "2"}])
    assert "- cores: 2" in text
    assert "| same | everything | 2 | 1 | 1 | 0 | 0 | 10.0 |  | <= 0%: missed | load over 1 min: median 0.5" in text
    assert "| slower5 | slower | 2 | 1 | 0 | 1 | 0 | 10.0 | 1.052 | >= 90%: missed |" in text
    assert "| item | counters,memory | 2 | 2 | 0 | 0 | 0 | 10.0 |  | >= 100%: reached |" in text
    assert "- same: slower by 3.0% (1 times)" in text
    assert "- item: mlp: host_syncs +1 (2 times)" in text
    assert "- activation: exit status 2 (1 times)" in text
    assert "False alarms" in summary([], [])


def test_a_study_runs_the_program_and_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    monkeypatch.setattr(ab, "PROGRAM", program)
    out = tmp_path / "out"
    for kinds, status in (("slower5,same", 0), ("slower5,item,same", 1)):
        monkeypatch.setattr(sys, "argv", ["gate.py", "--out", str(out), "--kinds", kinds, "--repeats", "1"])
        assert gate.main() == status
    runs = gate.read_runs(out / "runs.jsonl")
    assert sorted((run.head, run.outcome) for run in runs) == [
        ("item", "broken"),
        ("same", "green"),
        ("slower5", "red"),
    ]
    (same,) = (run.answer.rows[0] for run in runs if run.head == "same")
    assert "--base base --head same --workload workload.py:mlp,workload.py:conv --device cpu" in same.why
    assert "--fail-on" not in same.why
    (slower,) = (run.answer.rows[0] for run in runs if run.head == "slower5")
    assert "--fail-on slower" in slower.why
    assert len(slower.label) == 40  # the program found the revision
    assert str(tmp_path) not in "".join(path.read_text(encoding="utf-8") for path in out.iterdir())
    assert {path.name for path in out.iterdir()} == {"runs.jsonl", "summary.md"}
    assert (
        "item: not for the study / error: workload.py: no such thing / exit status 1 (1 times)"
        in capsys.readouterr().out
    )


def test_a_study_that_lacks_runs_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gate.py", "--out", str(tmp_path), "--kinds", "same", "--repeats", "2"])
    lines.append(tmp_path / "runs.jsonl", {"kind": "run", **to_plain(_run("same"))})

    def interrupt(*_arguments: Any, **_options: Any) -> Answer:
        raise Interrupted(2)

    monkeypatch.setattr(gate, "ask", interrupt)
    assert gate.main() == 3
    assert "| same | everything | 1 | 0 | 1 |" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert not (tmp_path / "run").exists()


def test_what_interrupts_a_study_ends_its_command_as_ctrl_c_does(tmp_path: Path) -> None:
    code = "import time\ntry:\n print('up', flush=True)\n time.sleep(60)\nexcept KeyboardInterrupt:\n print('bye')"
    path = tmp_path / "log"

    def interrupt_when_up() -> None:
        while b"up" not in path.read_bytes():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    with path.open("wb") as log, interrupts_raised():
        threading.Thread(target=interrupt_when_up, daemon=True).start()
        with pytest.raises(Interrupted):
            tools.run_anyhow([sys.executable, "-S", "-c", code], tmp_path, log)
    assert path.read_text(encoding="utf-8") == "up\nbye\n"


def test_an_unknown_kind_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["gate.py", "--out", "x", "--kinds", "slowest"])
    with pytest.raises(SystemExit, match="2"):
        gate.main()
    assert "'slowest' is not one of same, slower3" in capsys.readouterr().err
    assert set(gate.USUAL) < set(KINDS)
