"""`history`: runs put in, shown, drawn, accepted; and every mistake one line."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.case import Case
from bench.cli import main
from bench.result import CaseResult, Environment, Plan, SamplingPlan
from bench.running.journal import FILE_NAME, JournalWriter

Capture = pytest.CaptureFixture[str]
Write = Callable[..., str]
NAME = "mlp-cpu-single-fp32-b64-d1"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run_bench.py"])


@pytest.fixture(name="write")
def _write(make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]) -> Write:
    """Return the maker of a run's directory, by its number and step."""

    def write(number: int, step_seconds: float = 0.004) -> str:
        directory = Path(f"run{number:03}")
        directory.mkdir()
        journal = JournalWriter(directory / FILE_NAME)
        origin: dict[str, Any] = {"started_at": f"2026-01-{number + 1:02}T00:00:00+00:00", "commit": f"c{number:02}"}
        environment = Environment(hard={"cpu_name": "EPYC", "cores": "2"})
        journal.write_plan(Plan(cases=(make_case(),), sampling=SamplingPlan(), environment=environment, **origin))
        for result in make_rounds(make_case(), [step_seconds] * 2):
            journal.write_result(result)
        journal.close()
        return str(directory)

    return write


@pytest.fixture(name="changed")
def _changed(write: Write) -> None:
    """Ten runs at 4 ms and ten at 4.4 ms, all of them in the history."""
    names = [write(number, 0.004 if number < 10 else 0.0044) for number in range(20)]
    assert main(["history", "add", *names]) == 0


def test_runs_are_added_once_into_the_history_beside_the_reports(write: Write, capsys: Capture) -> None:
    run = write(0)
    assert main(["history", "add", run]) == 0
    assert main(["history", "add", f"{run}/{FILE_NAME}"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{run}: added", f"{run}/{FILE_NAME}: was there already"]
    assert Path("reports/history.sqlite").is_file()


@pytest.mark.usefixtures("changed")
def test_show_has_a_line_a_series_with_its_last_change(capsys: Capture) -> None:
    capsys.readouterr()
    assert main(["history", "show"]) == 0
    _, line = capsys.readouterr().out.splitlines()
    assert line.split("  ")[0] == NAME
    assert "EPYC, 2 cores" in line
    assert "+10.0 % between c09 and c10" in line


@pytest.mark.usefixtures("changed")
def test_a_trend_is_its_newest_points_and_where_the_level_changed(capsys: Capture) -> None:
    capsys.readouterr()
    assert main(["history", "trend", NAME]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 21
    (told,) = [line for line in lines if "%" in line]
    assert told.split()[1] == "c10"
    assert "4.40 ms" in told


@pytest.mark.usefixtures("changed")
def test_an_accepted_change_says_why(capsys: Capture) -> None:
    assert main(["history", "accept", NAME, "--reason", "a larger model"]) == 0
    capsys.readouterr()
    assert main(["history", "show"]) == 0
    assert "+10.0 % between c09 and c10 (accepted: a larger model)" in capsys.readouterr().out


@pytest.mark.usefixtures("changed")
def test_a_trend_is_a_picture_and_a_page(capsys: Capture) -> None:
    assert main(["history", "trend", "--png", "to/trend.png", "--html", "to/trend.html"]) == 0
    assert Path("to/trend.png").read_bytes().startswith(b"\x89PNG")
    page = Path("to/trend.html").read_text()
    assert "+10.0 % between c09 and c10" in page
    assert "peak_allocated_bytes" not in page.partition("Figures")[0]  # it did not change
    assert capsys.readouterr().out.splitlines()[-2:] == ["to/trend.png", "to/trend.html"]


@pytest.mark.usefixtures("changed")
def test_an_index_is_made_anew_from_the_journals(capsys: Capture) -> None:
    capsys.readouterr()
    assert main(["history", "rebuild"]) == 0
    assert capsys.readouterr().out == "made anew from 20 journals\n"
    assert main(["history", "show"]) == 0
    assert "+10.0 %" in capsys.readouterr().out


def test_a_file_of_pytest_benchmark_is_a_run_too(write: Write, capsys: Capture) -> None:
    assert main(["export", write(0), "--format", "pytest-benchmark", "--out", "theirs.json"]) == 0
    assert main(["history", "add", "theirs.json"]) == 0
    capsys.readouterr()
    assert main(["history", "show"]) == 0
    assert f"stepbench::{NAME}" in capsys.readouterr().out


def test_an_empty_history_says_how_to_fill_it(capsys: Capture) -> None:
    assert main(["history", "show"]) == 3
    assert capsys.readouterr().err == "no series; put runs in with: history add DIR\n"
    assert main(["history", "trend", "x"]) == 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "the following arguments are required: ACTION, NAME"),
        (("ad", "run000"), "ACTION: invalid choice: 'ad'"),
        (("add",), "history add: no run is named; give the directories of runs"),
        (("add", "gone"), "gone: cannot be read (No such file or directory); give the directory of a run"),
        (("show", "--metric", "step_second"), "--metric: 'step_second' is not known; did you mean 'step_seconds'?"),
        (("show", "--db", "nonsense"), "--db 'nonsense' is no address of a database"),
        (("accept", "x"), "history accept: --reason is missing; say why the change is meant"),
        (("accept", "x", "--reason", "y"), "history accept: 0 series fit (none); name one of `history show`"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], complaint: str, capsys: Capture) -> None:
    assert main(["history", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {complaint}")
    assert said.count("\n") == 1


@pytest.mark.usefixtures("changed")
def test_a_change_that_is_not_there_cannot_be_accepted(capsys: Capture) -> None:
    assert main(["history", "accept", NAME, "--reason", "y", "--commit", "c03"]) == 2
    assert capsys.readouterr().err == (
        "error: history accept: no such change of step_seconds; changes begin at commit: c10\n"
    )


@pytest.mark.usefixtures("changed")
def test_a_journal_that_is_gone_keeps_the_index_as_it_was(capsys: Capture) -> None:
    Path("run003", FILE_NAME).unlink()
    assert main(["history", "rebuild"]) == 2
    assert "is gone, and the index would lose its run" in capsys.readouterr().err
    assert main(["history", "show"]) == 0
    assert " 20 " in capsys.readouterr().out
