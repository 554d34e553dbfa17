"""The calibration: what is counted, what the table says of it, and what there is when it is interrupted."""

import signal
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from bench.case import Case
from bench.commands._calibrate import SLOWDOWNS, Score, calibrate
from bench.commands._compared_cases import ComparedCase
from bench.commands._gate import Gate
from bench.comparing.sides import Figures
from bench.errors import NothingToMeasureError
from bench.pair import Pair, Stage, Turns
from bench.result import Usage, Use
from bench.running.session import Interrupted

MARGIN = 0.02
USE = Use(usage=Usage(cpu_seconds=0.1, involuntary_switches=0), window_seconds=0.1, num_threads=1)
NOISE = (0.999, 1.001) * 8


class ScriptedGate:
    """Runs pairs whose head is as slow as it is made, or *ratio* times that."""

    budget_seconds = 100.0

    def __init__(self, statuses: Sequence[str] = ("ok",), runs: int = 1000, ratio: float = 1.0) -> None:
        self.statuses, self.left, self.ratio = statuses, runs, ratio
        self.steps: dict[str, float] = {}
        self.said: list[str] = []
        self.ran: list[str] = []
        self.asked: list[tuple[float, int]] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def run_once(self, compared: ComparedCase) -> None:
        self.ran.append(compared.label)

    def figures(self, compared: ComparedCase) -> tuple[Figures, Figures]:
        status = self.statuses[int(compared.label) % len(self.statuses)]
        return Figures(label="base"), Figures(label="head", status=status)

    def longest_seconds(self, cases: Sequence[ComparedCase], *, more_work: float) -> float:
        assert more_work in SLOWDOWNS
        return len(cases) * self.budget_seconds

    def step_seconds(self, compared: ComparedCase) -> float:
        return self.steps.get(compared.label, 0.001)

    def two_stages(
        self, cases: Sequence[ComparedCase], margin_ratio: float, *, into: list[Pair], more_work: float
    ) -> None:
        if self.left == 0:
            raise Interrupted(signal.SIGINT)
        self.left -= 1
        assert margin_ratio == MARGIN
        self.asked.append((more_work, len(cases)))
        for compared in cases:
            into += self._pairs(compared.head, "first", 6, more_work)
            if more_work:
                into += self._pairs(compared.head, "fresh", 16, more_work)

    def _pairs(self, case: Case, stage: Stage, number: int, more_work: float) -> list[Pair]:
        ratios = [self.ratio * (1 + more_work) * noise for noise in NOISE[:number]]
        sides = [tuple(Turns(step_seconds=(seconds,), uses=(USE,)) for seconds in (1.0, ratio)) for ratio in ratios]
        return [
            Pair(case=case, stage=stage, index=index, server=0, head_first=False, base=base, head=head)
            for index, (base, head) in enumerate(sides)
        ]


@pytest.fixture(name="cases")
def _compared_cases(make_case: Callable[..., Case]) -> list[ComparedCase]:
    cases = [make_case(workload=f"w{number}") for number in range(3)]
    return [ComparedCase(base=case, head=case, label=str(number)) for number, case in enumerate(cases)]


def _calibrate(gate: ScriptedGate, cases: Sequence[ComparedCase], repeats: int) -> int:
    return calibrate(cast("Gate", gate), cases, repeats, MARGIN)


def _rows(text: str) -> list[list[str]]:
    """Return the cells of a table, which stand two letters apart."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def test_a_run_is_red_with_one_case_slower_and_else_undecided_with_one_inconclusive() -> None:
    score = Score(slowdown_ratio=0.03)
    for verdicts in (["same", "same"], ["slower", "inconclusive"], ["slower", "slower"], ["same", "inconclusive"]):
        score.add(verdicts)
    assert (score.runs, score.red_runs, score.undecided_runs) == (4, 2, 1)
    assert (score.cases, score.red_cases) == (8, 3)


def test_the_base_is_held_against_itself_at_every_slowdown_in_every_round(cases: Sequence[ComparedCase]) -> None:
    gate = ScriptedGate()
    assert _calibrate(gate, cases, 2) == 0
    assert gate.asked == [(slowdown, 3) for slowdown in SLOWDOWNS] * 2
    assert gate.said[0] == "2 runs at each of 4 slowdowns, about 40 minutes in all if every case looks slower"
    assert gate.said[1:3] == ["[1/2] the base itself", "[1/2] +3%"]
    assert gate.said[-1] == "[2/2] +10%"


def test_the_table_says_how_often_each_was_called_slower(
    cases: Sequence[ComparedCase], capsys: pytest.CaptureFixture[str]
) -> None:
    _calibrate(ScriptedGate(), cases, 10)
    header, *rows = _rows(capsys.readouterr().out)
    assert header == ["head", "runs", "called slower", "95 % interval", "inconclusive", "cases called slower"]
    assert rows == [
        ["the base itself", "10", "0%", "0% to 31%", "0 of 10", "0 of 30"],
        ["+3%", "10", "100%", "69% to 100%", "0 of 10", "30 of 30"],
        ["+5%", "10", "100%", "69% to 100%", "0 of 10", "30 of 30"],
        ["+10%", "10", "100%", "69% to 100%", "0 of 10", "30 of 30"],
    ]


def test_what_is_neither_slower_nor_the_same_is_counted_apart(
    cases: Sequence[ComparedCase], capsys: pytest.CaptureFixture[str]
) -> None:
    _calibrate(ScriptedGate(ratio=1.02), cases, 1)  # the margin itself, where nothing can be told
    assert _rows(capsys.readouterr().out)[1] == ["the base itself", "1", "0%", "0% to 98%", "1 of 1", "0 of 3"]


def test_an_interrupted_calibration_shows_what_there_is(
    cases: Sequence[ComparedCase], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Interrupted):
        _calibrate(ScriptedGate(runs=5), cases, 3)
    _, *rows = _rows(capsys.readouterr().out)
    assert [row[:2] for row in rows] == [["the base itself", "2"], ["+3%", "1"], ["+5%", "1"], ["+10%", "1"]]


def test_a_slowdown_that_was_not_reached_has_no_row(
    cases: Sequence[ComparedCase], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Interrupted):
        _calibrate(ScriptedGate(runs=1), cases, 3)
    assert [row[0] for row in _rows(capsys.readouterr().out)] == ["head", "the base itself"]


def test_cases_that_do_not_run_are_left_out(cases: Sequence[ComparedCase]) -> None:
    gate = ScriptedGate(statuses=("ok", "error", "oom"))
    _calibrate(gate, cases, 1)
    assert gate.ran == ["0", "1", "2"]
    assert {number for _, number in gate.asked} == {1}


def test_with_no_case_that_runs_there_is_nothing_to_calibrate(cases: Sequence[ComparedCase]) -> None:
    gate: Any = ScriptedGate(statuses=("error",))
    with pytest.raises(NothingToMeasureError, match="no case runs here"):
        _calibrate(gate, cases, 1)
    assert gate.asked == []


def test_a_case_whose_steps_are_too_long_to_add_one_is_left_out_and_named(cases: Sequence[ComparedCase]) -> None:
    gate = ScriptedGate()
    gate.steps = {"1": 0.07}  # 33 of them are 2.3 s
    assert _calibrate(gate, cases, 1) == 0
    assert {number for _, number in gate.asked} == {2}
    assert any("too long" in said and said.endswith(": 1") for said in gate.said)
    gate.steps = {str(number): 1.0 for number in range(3)}
    with pytest.raises(NothingToMeasureError, match="too slow"):
        _calibrate(gate, cases, 1)
