"""`history`: runs put in, shown, drawn, accepted; and every mistake one line."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.case import Case
from bench.cli import main
from bench.commands import _history_fill
from bench.history.schema import acceptances
from bench.history.store import Acceptance, Store
from bench.history.trends import trends_of
from bench.result import CaseResult, Counters, Environment, Plan, SamplingPlan
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

    def write(
        number: int, step_seconds: float = 0.004, host_syncs: int = 0, torch: str = "2.13", cases: Sequence[Case] = ()
    ) -> str:
        directory = Path(f"run{number:03}")
        directory.mkdir()
        journal = JournalWriter(directory / FILE_NAME)
        origin: dict[str, Any] = {"started_at": f"2026-01-{number + 1:02}T00:00:00+00:00", "commit": f"c{number:02}"}
        environment = Environment(hard={"cpu_name": "EPYC", "cores": "2", "torch": torch})
        cases = tuple(cases) or (make_case(),)
        journal.write_plan(Plan(cases=cases, sampling=SamplingPlan(), environment=environment, **origin))
        counters = Counters(source="dispatch", host_syncs=host_syncs)
        for case in cases:
            for result in make_rounds(case, [step_seconds] * 2, counters=counters):
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
    assert told.split()[:5] == ["2026-01-11", "00:00", "c10", "4.40", "ms"]


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
    assert main(["history", "import", "theirs.json"]) == 0
    assert capsys.readouterr().out.endswith("theirs.json: added\n")
    assert main(["history", "show"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if f"stepbench::{NAME}" in line]
    assert "EPYC, 2 cores" in line
    assert main(["history", "show", "--metric", "peak_allocated_bytes"]) == 0
    assert "12.0 MiB" in capsys.readouterr().out  # as in the run


def test_a_storage_of_pytest_benchmark_is_put_in_as_a_whole(write: Write, capsys: Capture) -> None:
    storage = Path(".benchmarks/Linux-CPython-3.13-64bit")
    storage.mkdir(parents=True)
    for number in range(2):
        out = str(storage / f"{number:04}_c{number:02}.json")
        assert main(["export", write(number), "--format", "pytest-benchmark", "--out", out]) == 0
    capsys.readouterr()
    assert main(["history", "import", ".benchmarks"]) == 0
    assert [line.rpartition(": ")[2] for line in capsys.readouterr().out.splitlines()] == ["added"] * 2


def test_all_runs_below_a_folder_are_added(write: Write, capsys: Capture) -> None:
    runs = [write(number) for number in range(2)]
    assert main(["history", "add", "."]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{run}: added" for run in runs]


def test_a_run_that_has_grown_since_is_brought_up_to_date(
    write: Write, make_rounds: Callable[..., list[CaseResult]], make_case: Callable[..., Case], capsys: Capture
) -> None:
    run = write(0)
    assert main(["history", "add", run]) == 0
    journal = JournalWriter(Path(run, FILE_NAME))
    for result in make_rounds(make_case(), [0.008] * 4)[2:]:
        journal.write_result(result)
    journal.close()
    capsys.readouterr()
    assert main(["history", "add", run]) == 0
    assert main(["history", "add", run]) == 0
    assert main(["history", "show"]) == 0
    added, again, _, line = capsys.readouterr().out.splitlines()
    assert (added, again) == (f"{run}: brought up to date", f"{run}: was there already")
    assert "5.66 ms" in line  # the geometric mean of 4, 4, 8 and 8


def test_a_history_that_is_not_there_is_not_made_by_looking(capsys: Capture) -> None:
    for action in ("show", "trend"):
        assert main(["history", action]) == 2
        told = (
            f"error: there is no history at '{Path.cwd()}/reports/history.sqlite'; put runs in with: history add DIR\n"
        )
        assert capsys.readouterr().err == told
    assert not Path("reports").exists()


def test_an_empty_history_says_how_to_fill_it(capsys: Capture) -> None:
    assert main(["history", "rebuild"]) == 0
    assert main(["history", "show"]) == 3
    assert capsys.readouterr().err == "no series; put runs in with: history add DIR\n"
    assert main(["history", "trend", "x"]) == 2
    assert capsys.readouterr().err == "error: history trend: no series fits; `history show` lists them\n"


def test_one_bad_run_of_a_folder_keeps_none_of_the_others_out(write: Write, capsys: Capture) -> None:
    runs = [write(number) for number in range(3)]
    Path(runs[1], FILE_NAME).write_text("torn\n")
    assert main(["history", "add", "."]) == 2
    said = capsys.readouterr()
    assert said.out.splitlines() == [f"{runs[0]}: added", f"{runs[2]}: added"]
    assert said.err.startswith(f"error: {runs[1]}/{FILE_NAME}:1: not JSON")
    assert said.err.count("\n") == 1


@pytest.mark.usefixtures("changed")
def test_an_accepted_change_stays_accepted_when_its_border_moves(write: Write, capsys: Capture) -> None:
    store = Store("sqlite:///reports/history.sqlite", must_exist=True)
    (series,) = store.all_series()
    (trend,) = trends_of(store, [series], ["step_seconds"])
    for distance, stays in ((0, True), (3, True), (-3, True), (4, False)):
        run_id = trend.points[10 + distance].run_id
        found = Acceptance(series_id=series.id, metric="step_seconds", run_id=run_id, reason="meant")
        with store.transaction() as connection:
            connection.execute(acceptances.delete())
        store.accept(found, "2026-01-01")
        (again,) = trends_of(store, [series], ["step_seconds"])
        assert [change.reason for change in again.changes] == ["meant" if stays else ""], distance
    store.close()


def test_a_count_that_was_none_has_a_trend(write: Write, capsys: Capture) -> None:
    names = [write(number, host_syncs=5 if number >= 10 else 0) for number in range(20)]
    assert main(["history", "add", *names]) == 0
    capsys.readouterr()
    assert main(["history", "show", "--metric", "host_syncs"]) == 0
    assert "from 0 to 5 between c09 and c10" in capsys.readouterr().out
    assert main(["history", "trend", "--metric", "host_syncs", "--png", "t.png", "--html", "t.html"]) == 0
    page = Path("t.html").read_text()
    assert "host syncs from 0 to 5 between c09 and c10, in doubt: most points of a level are flagged" in page
    assert ">in doubt</span>" in page


def test_of_two_series_with_one_name_the_one_that_goes_on_is_meant(write: Write, capsys: Capture) -> None:
    names = [write(number, torch="2.11" if number < 3 else "2.13") for number in range(6)]
    assert main(["history", "add", *names]) == 0
    capsys.readouterr()
    assert main(["history", "show"]) == 0
    ids = [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert main(["history", "trend", NAME]) == 0
    said = capsys.readouterr()
    assert said.err == f"the newest of 2 series of this name; the others: {ids[0]}\n"
    assert said.out.splitlines()[1].split()[2] == "c03"
    assert main(["history", "trend", ids[0]]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[2] == "c00"


def test_an_exact_name_is_not_a_part_of_a_longer_one(
    write: Write, make_case: Callable[..., Case], capsys: Capture
) -> None:
    assert main(["history", "add", write(0, cases=[make_case(), make_case(num_devices=16)]), write(1)]) == 0
    capsys.readouterr()
    assert main(["history", "trend", NAME]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert main(["history", "trend", "mlp"]) == 2
    assert "2 series fit: " in capsys.readouterr().err


@pytest.mark.usefixtures("changed")
def test_a_commit_may_be_shortened_or_in_full(capsys: Capture) -> None:
    assert main(["history", "accept", NAME, "--reason", "y", "--commit", "c10ffffffffff"]) == 0
    assert main(["history", "accept", NAME, "--reason", "y", "--commit", "c1"]) == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "the following arguments are required: ACTION, NAME"),
        (("ad", "run000"), "ACTION: invalid choice: 'ad'"),
        (("add",), "history add: no run is named; give the directories of runs, or their folder"),
        (
            ("add", "a.json"),
            "history add: 'a.json' is no run; what pytest-benchmark wrote goes in with: history import",
        ),
        (("import",), "history import: no file is named; give JSON files of pytest-benchmark, or their folder"),
        (("import", "."), "history import: '.' is no .json file, and has none below it"),
        (("rebuild", "run000"), "history rebuild: 'run000' is of no use; put runs in with: history add DIR"),
        (("import", "gone.json"), "gone.json: cannot be read (No such file or directory); give a run or a .json file"),
        (("add", "gone"), "gone: cannot be read (No such file or directory); give the directory of a run"),
        (("show", "--metric", "step_second"), "--metric: 'step_second' is not known; did you mean 'step_seconds'?"),
        (("show", "--db", "nonsense"), "--db 'nonsense' is no address of a database"),
        (("show", "--db", "sqlite:///gone.sqlite"), "there is no history at 'gone.sqlite'; put runs in with"),
        (("accept", "x"), "history accept: --reason is missing; say why the change is meant"),
        (("accept", "x", "--reason", "y"), "history accept: no series fits; `history show` lists them"),
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
    assert capsys.readouterr().err == ("error: history accept: no such change of step_seconds; changes begin at: c10\n")


def test_a_run_that_was_moved_is_found_where_it_is_now(write: Write, capsys: Capture) -> None:
    run = write(0)
    assert main(["history", "add", run]) == 0
    Path(run).rename("elsewhere")
    assert main(["history", "add", "elsewhere"]) == 0
    assert main(["history", "rebuild"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "made anew from 1 journal"


@pytest.mark.usefixtures("changed")
def test_a_run_whose_journal_is_gone_or_another_s_stays_in_the_index(capsys: Capture) -> None:
    Path("run003", FILE_NAME).unlink()
    Path("run005", FILE_NAME).write_bytes(Path("run006", FILE_NAME).read_bytes())
    capsys.readouterr()
    assert main(["history", "rebuild"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "made anew from 18 journals",
        f"2 runs stayed as in the index: {_history_fill.WHY_IT_STAYED}",
    ]
    assert main(["history", "show"]) == 0
    assert " 20 " in capsys.readouterr().out
