"""`compare` as a command: options, exit statuses, and what GitHub is told."""

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cli import main
from bench.commands import _compare, compare
from bench.result import CaseResult, Counters, Environment, Plan, SamplingPlan
from bench.running.journal import FILE_NAME, JournalWriter

Write = Callable[..., str]


@pytest.fixture(name="write")
def _write(tmp_path: Path, make_case: Callable[..., Any], make_rounds: Callable[..., list[CaseResult]]) -> Write:
    """Return the maker of a run's directory."""

    def write(name: str, seconds: float = 0.01, operators: int | None = 61, workload: str = "mlp") -> str:
        case = make_case(workload=workload)
        steps = [seconds * (1 + 0.001 * number) for number in (0, 1, -1, 2, -2, 0, 1, -1)]
        counters = Counters(source="dispatch", operators=operators)
        (tmp_path / name).mkdir()
        journal = JournalWriter(tmp_path / name / FILE_NAME)
        journal.write_plan(Plan(cases=(case,), sampling=SamplingPlan(), environment=Environment()))
        for result in make_rounds(case, steps, counters=counters):
            journal.write_result(dataclasses.replace(result))
        journal.close()
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize(
    ("now", "options", "status"),
    [
        ({}, (), 0),
        ({"seconds": 0.012}, (), 0),  # the clock of two sittings is advice
        ({"seconds": 0.012}, ("--fail-on", "slower"), 1),
        ({"seconds": 0.012}, ("--fail-on", "slower", "--margin", "30%"), 0),
        ({"seconds": 0.012}, ("--fail-on", "any"), 1),
        ({"operators": 62}, (), 1),
        ({"operators": 62}, ("--fail-on", "memory,slower"), 0),
        ({"operators": 62}, ("--fail-on", "none"), 0),
        ({"operators": 62}, ("--fail-on", "slower,host_syncs"), 0),
        ({"operators": 62}, ("--fail-on", "operators"), 1),
        ({"operators": 60}, (), 0),
        ({"workload": "cnn"}, (), 3),
    ],
)
def test_the_exit_status_is_what_was_asked_for(
    write: Write, now: dict[str, Any], options: tuple[str, ...], status: int
) -> None:
    assert main(["compare", write("a"), write("b", **now), *options]) == status


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--fail-on", "slow"), "--fail-on: 'slow' is not known; did you mean 'slower'?"),
        (("--fail-on", "host_sync"), "--fail-on: 'host_sync' is not known; did you mean 'host_syncs'?"),
        (("--fail-on", "none,any"), "--fail-on: 'none' cannot stand beside others; leave one of them out"),
        (("--format", "xml"), "--format: 'xml' is not known"),
        (("--margin", "2"), "'2' is not a share between 0 and 1"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    write: Write, options: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", write("a"), write("b"), *options]) == 2
    err = capsys.readouterr().err
    assert complaint in err
    assert err.count("\n") == 1


def test_one_side_alone_is_a_mistake(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", write("a")]) == 2
    assert "current" in capsys.readouterr().err.lower()


def test_the_answer_is_on_standard_output_and_can_be_parsed(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", write("a"), write("b", operators=62), "--format", "json"])
    assert json.loads(capsys.readouterr().out)["failures"][0]["reason"] == "operators grew from 61 to 62"


def test_github_is_told_in_its_own_words(
    write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = write("a"), write("b", operators=62)
    main(["compare", *sides])
    assert "::error" not in capsys.readouterr().err
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    main(["compare", *sides])
    assert "::error title=mlp-cpu-single-fp32-b64-d1::operators grew from 61 to 62\n" in capsys.readouterr().err


def test_a_name_cannot_end_a_workflow_command() -> None:
    assert _compare._escaped("50 %\n::set-env", ":,") == "50 %25%0A%3A%3Aset-env"


def test_the_words_of_fail_on_are_in_the_help() -> None:
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    assert "slower, memory, counters, inconclusive, any, none" in " ".join(parser.format_help().split())


def test_what_the_gate_could_not_look_at_is_said(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", write("a"), write("b", operators=None)]) == 0
    err = capsys.readouterr().err
    assert "warning: mlp-cpu-single-fp32-b64-d1: not known now, and so not compared: operators" in err
