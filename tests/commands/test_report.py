"""`report`: the files of a finished run, made again from its journal alone."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.case import Case
from bench.cli import main
from bench.result import CaseResult, Environment, Plan, SamplingPlan
from bench.running.journal import FILE_NAME, JournalWriter

Capture = pytest.CaptureFixture[str]
Write = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run_bench.py"])


@pytest.fixture(name="write")
def _write(make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]) -> Write:
    """Return the maker of a run's directory, a path from the current folder."""

    def write(name: str) -> Path:
        case = make_case(workload=f"{name}.py:small")
        Path(name).mkdir()
        journal = JournalWriter(Path(name) / FILE_NAME)
        journal.write_plan(Plan(cases=(case,), sampling=SamplingPlan(), environment=Environment()))
        for result in make_rounds(case, [0.004, 0.0041]):
            journal.write_result(result)
        journal.close()
        return Path(name)

    return write


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_every_report_is_written_beside_the_journal_and_named(write: Write, capsys: Capture) -> None:
    run = write("a")
    before = (run / FILE_NAME).read_bytes()
    assert main(["report", "a"]) == 0
    assert names(run) >= {"report.html", "results.csv", "samples.csv.gz", "throughput.png", "memory.png", "phases.png"}
    assert set(capsys.readouterr().out.split()) == {f"a/{name}" for name in names(run) - {FILE_NAME}}
    assert (run / FILE_NAME).read_bytes() == before


def test_formats_are_chosen_as_in_run(write: Write) -> None:
    run = write("a")
    assert main(["report", "a", "--format", "html,csv"]) == 0
    assert names(run) == {FILE_NAME, "report.html", "results.csv", "samples.csv.gz"}


def test_a_journal_is_as_good_as_its_directory(write: Write) -> None:
    run = write("a")
    assert main(["report", f"a/{FILE_NAME}", "--format", "html"]) == 0
    assert names(run) == {FILE_NAME, "report.html"}


def test_out_leaves_the_run_as_it_is(write: Write, capsys: Capture) -> None:
    run = write("a")
    for _ in range(2):  # over what was written before, too
        assert main(["report", "a", "--format", "html", "--out", "to/there"]) == 0
    assert names(run) == {FILE_NAME}
    assert names(Path("to/there")) == {"report.html"}
    assert capsys.readouterr().out.splitlines()[0] == "to/there/report.html"


def test_figures_are_saved_as_what_was_asked_for(write: Write) -> None:
    run = write("a")
    assert main(["report", "a", "--format", "throughput", "--figure-format", "svg,png"]) == 0
    assert names(run) == {FILE_NAME, "throughput.svg", "throughput.png"}
    assert (run / "throughput.svg").read_text().startswith("<?xml")
    assert (run / "throughput.png").read_bytes().startswith(b"\x89PNG")


def test_several_runs_are_one_report_side_by_side(write: Write, capsys: Capture) -> None:
    for name in ("a", "b"):
        write(name)
    assert main(["report", "a", "b", "--out", "out"]) == 0
    assert names(Path("out")) == {"report.html", "results.csv", "throughput.png", "memory.png", "phases.png"}
    assert set(capsys.readouterr().out.split()) == {f"out/{name}" for name in names(Path("out"))}
    page = Path("out/report.html").read_text()
    assert "a.py:small" in page
    assert "b.py:small" in page
    assert names(Path("a")) == {FILE_NAME}


def test_several_runs_have_a_new_directory_among_the_reports(write: Write) -> None:
    for name in ("a", "b"):
        write(name)
    assert main(["report", "a", "b", "--format", "csv"]) == 0
    (directory,) = Path("reports").iterdir()
    assert directory.name.endswith("Z-side_by_side")
    assert names(directory) == {"results.csv"}


def test_a_damaged_run_among_several_is_named_and_nothing_is_written(write: Write, capsys: Capture) -> None:
    write("a")
    assert main(["report", "a", "nowhere", "--format", "html", "--out", "out"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: nowhere: cannot be read (No such file or directory); give the directory of a run\n"
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "a/results.jsonl: cannot be read (No such file or directory); give the directory of a run"),
        ("", "a/results.jsonl:1: a journal begins with its plan; this file does not"),
        ("{\n", "a/results.jsonl:1: not JSON (Expecting property name enclosed in double quotes); is this a run? "),
        ("[]\n", "a/results.jsonl:1: neither a plan nor a result"),
    ],
)
def test_what_is_no_run_is_one_line(content: str | None, complaint: str, capsys: Capture) -> None:
    Path("a").mkdir()
    if content is not None:
        Path("a", FILE_NAME).write_text(content)
    assert main(["report", "a"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"error: {complaint}")
    assert shown.err.count("\n") == 1
    assert names(Path("a")) <= {FILE_NAME}


def test_a_corrupt_line_is_named(write: Write, capsys: Capture) -> None:
    journal = write("a") / FILE_NAME
    first, second, third = journal.read_text().splitlines()
    journal.write_text(f"{first}\n{second[:40]}\n{third}\n")
    assert main(["report", "a"]) == 2
    assert capsys.readouterr().err.startswith("error: a/results.jsonl:2: not JSON (")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("a", "--format", "hmtl"), "--format: 'hmtl' is not known; did you mean 'html'?"),
        (("a", "--out", "b"), "--out 'b' holds another run; name another directory"),
        (
            ("a", "--out", f"a/{FILE_NAME}"),
            f"'a/{FILE_NAME}' cannot be written (File exists); name a directory with --out",
        ),
        (("a", f"a/{FILE_NAME}", "--out", "c"), f"'a/{FILE_NAME}' is the same run as 'a'; name each run once"),
        (("a", "b", "--format", "findings"), "--format: 'findings' is of one run; leave it out, or name a single run"),
        (("a", "--figure-format", "pgn"), "--figure-format: 'pgn' is not known; did you mean 'png'?"),
        (("a", "--fromat", "html"), "'--fromat' is not an option; did you mean --format?"),
        ((), "the following arguments are required: DIR"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], complaint: str, write: Write, capsys: Capture) -> None:
    for name in ("a", "b"):
        write(name)
    assert main(["report", *arguments]) == 2
    assert capsys.readouterr().err == f"error: {complaint}\n"


def test_a_run_of_which_nothing_was_measured_still_has_its_reports(make_case: Callable[..., Case]) -> None:
    Path("a").mkdir()
    journal = JournalWriter(Path("a", FILE_NAME))
    journal.write_plan(Plan(cases=(make_case(),), sampling=SamplingPlan(), environment=Environment()))
    journal.close()
    assert main(["report", "a"]) == 0
    assert "not reached before the run ended" in Path("a/report.html").read_text()


def test_a_report_that_fails_costs_none_of_the_others(
    write: Write, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise ValueError("no\nmore")

    monkeypatch.setattr("bench.reporting.csv.write", fail)
    run = write("a")
    assert main(["report", "a", "--format", "csv,html"]) == 2
    assert capsys.readouterr().err == "error: report 'csv': ValueError: no\n"
    assert names(run) == {FILE_NAME, "report.html"}
