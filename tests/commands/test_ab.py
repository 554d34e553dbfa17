"""What a comparison says at its end, from single runs and pairs that are made up."""

import argparse
import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bench.case import Case
from bench.commands import _ab, _compare, ab
from bench.commands._compared_cases import ComparedCase, ComparedCases
from bench.commands._gate import LOADING_SECONDS, Gate
from bench.commands._sides import Setting
from bench.comparing.comparison import Row, failures
from bench.errors import NothingToMeasureError
from bench.pair import Pair, Stage, Turns
from bench.result import CaseResult, Counters, Environment, Failure, Measurement, Status, Usage, Use
from bench.running.pool import Place, Pool
from bench.running.session import Interrupted

USE = Use(usage=Usage(cpu_seconds=0.1, involuntary_switches=0), window_seconds=0.1, num_threads=1)
STEADY = (0.999, 1.001) * 3


@dataclasses.dataclass
class ScriptedPool:
    environment: Environment


def _pair(case: Case, ratio: float, stage: Stage = "first", **fields: Any) -> Pair:
    base, head = (Turns(step_seconds=(seconds,) * 2, uses=(USE,) * 2) for seconds in (0.01, 0.01 * ratio))
    usual: dict[str, Any] = {"index": 0, "server": 0, "head_first": False, "base": base, "head": head}
    return Pair(case=case, stage=stage, **{**usual, **fields})


Sides = Mapping[str, Any]
MakeWork = Callable[..., _ab.Work]


@pytest.fixture(name="make_work")
def _make_work(make_case: Callable[..., Case], make_measurement: Callable[..., Measurement]) -> MakeWork:
    """Return the maker of work whose single runs are done: by workload, the fields of base and head, or a failure."""

    def result(case: Case, side: Sides) -> CaseResult:
        if "status" in side:
            return CaseResult(case=case, round=0, status=side["status"], reason=side.get("reason"))
        counted = {"source": "dispatch", "operators": 61, **(side.get("counters") or {})}
        counters = None if side.get("counters", {}) is None else Counters(**counted)
        return CaseResult(case=case, round=0, status="ok", measurement=make_measurement(counters=counters))

    def make(runs: Mapping[str, tuple[Sides, Sides]], *words: str, new: Sequence[str] = ()) -> _ab.Work:
        parser = argparse.ArgumentParser()
        ab.add_arguments(parser)
        pool = cast("Pool", ScriptedPool(Environment(hard={"torch": "2.13.0"})))
        base, head = (
            Setting(name=name, place=Place(name=name, working_directory=Path()), pool=pool) for name in ("old", "new")
        )
        gate = Gate(base=base, head=head, budget_seconds=80.0, timeout_seconds=30.0, say=lambda _: None)
        able = []
        for workload, sides in runs.items():
            case = make_case(workload=workload)
            able.append(ComparedCase(base=case, head=case, label=workload))
            for name, side in zip(("base", "head"), sides, strict=True):
                gate.results[name, case.id] = result(case, side)
        options = parser.parse_args(["--base", "x", *words])
        return _ab.Work(gate=gate, cases=ComparedCases(able=tuple(able), new=tuple(new)), options=options)

    return make


def _rows(work: _ab.Work) -> dict[str, Row]:
    return {row.label: row for row in work.comparison().rows}


OK: tuple[Sides, Sides] = ({}, {})


def test_a_case_of_which_a_counter_is_not_known_on_one_side_is_timed_all_the_same(
    make_work: MakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head that is so slow that no time was left to count is the last one that may go untimed."""
    work = make_work({"mlp": ({}, {"counters": None}), "broken": ({}, {"status": "error", "reason": "x"})})
    timed: list[ComparedCase] = []
    monkeypatch.setattr(Gate, "two_stages", lambda _self, cases, _margin, *, into: timed.extend(cases))
    work.measure()
    assert [compared.label for compared in timed] == ["mlp"]
    assert "not known now" in _rows(work)["mlp"].gap


def test_counts_of_two_kinds_are_not_compared(make_work: MakeWork) -> None:
    work = make_work({"mlp": ({}, {"counters": {"source": "profiler", "operators": 300}})})
    row = _rows(work)["mlp"]
    assert (row.changes, "operators" in row.compared, "peak_allocated_bytes" in row.compared) == ((), False, True)
    assert row.gap == "operators were counted by dispatch and by profiler, and so are not compared"


@pytest.mark.parametrize(("broken", "fails"), [("head", True), ("base", False), ("", False)])
def test_a_head_that_breaks_while_taking_turns_has_failed(make_work: MakeWork, broken: str, fails: bool) -> None:
    work = make_work({"mlp": OK})
    case = work.cases.able[0].head
    ended: dict[str, Any] = {
        "status": "crashed",
        "reason": "killed by SIGSEGV",
        "broken": broken,
        "base": None,
        "head": None,
    }
    work.pairs += [_pair(case, 1.0), _pair(case, 1.0, **ended)]
    found = work.comparison()
    assert bool(failures(found, frozenset())) == fails
    (row,) = found.rows
    said = "crashed: killed by SIGSEGV (while taking turns)"
    assert (row.failure, row.verdict) == ((said, None) if fails else ("", "inconclusive"))


def test_a_canary_that_breaks_says_nothing_of_its_case(make_work: MakeWork) -> None:
    work = make_work({"mlp": OK})
    case = work.cases.able[0].head
    ended: dict[str, Any] = {"status": "oom", "broken": "head", "base": None, "head": None}
    work.pairs += [*(_pair(case, ratio) for ratio in STEADY), _pair(case, 1.0, "canary", **ended)]
    assert _rows(work)["mlp"].verdict == "same"


def test_a_workload_that_only_the_base_s_worker_could_miss_is_new(
    make_work: MakeWork, capsys: pytest.CaptureFixture[str]
) -> None:
    """The change that brings the first benchmark must not fail for it."""
    reason = "workload module 'package.models' is not found from here; give file.py:function"
    work = make_work({"package.models": ({"status": "error", "reason": reason}, {})}, new=("other",))
    found = work.comparison()
    assert (found.rows, found.new, found.fixed) == ((), ("other", "package.models"), ())
    assert _compare.conclude(found, [], frozenset()) == 0
    assert "every case is new" in capsys.readouterr().err


def test_a_base_that_fails_otherwise_is_no_new_case(make_work: MakeWork) -> None:
    found = make_work({"mlp": ({"status": "error", "reason": "ValueError: x"}, {})}).comparison()
    assert (found.new, found.fixed) == ((), ("mlp (error: ValueError: x)",))
    assert _compare.conclude(found, [], frozenset()) == 3


def test_a_workload_that_neither_side_finds_is_nothing_to_compare(
    make_work: MakeWork, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt module must not pass for ever."""
    missing = {"status": "error", "reason": "workload module 'package.modls' is not found from here"}
    found = make_work({"package.modls": (missing, missing)}, new=("other",)).comparison()
    assert found.new == ("other",)
    assert found.still_failing == (f"package.modls (error: {missing['reason']})",)
    assert _compare.conclude(found, [], frozenset()) == 3
    assert "nothing can be compared" in capsys.readouterr().err


def test_a_base_whose_workload_is_wrong_is_no_new_case(make_work: MakeWork) -> None:
    reason = "workload 'wl.py:small' returned int; a workload returns bench.Workload(...)"
    found = make_work({"wl": ({"status": "error", "reason": reason}, {})}).comparison()
    assert (found.new, len(found.fixed)) == ((), 1)


@pytest.mark.parametrize("is_done", [False, True])
def test_only_what_was_not_done_was_interrupted(
    make_work: MakeWork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_done: bool
) -> None:
    work = make_work({"mlp": OK}, "--format", "json")
    work.pairs += [_pair(work.cases.able[0].head, ratio) for ratio in STEADY]
    work.is_done = is_done
    _end_with(OSError(28, "No space left on device", "pairs.jsonl"), work, monkeypatch)
    assert _ab.run(work.options) == 2
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    why = "" if is_done else "pairs.jsonl: No space left on device"
    assert (row["verdict"], row["why"]) == ("same" if is_done else "inconclusive", why)


def test_what_ended_before_its_first_run_does_not_say_that_every_case_is_new(
    make_work: MakeWork, capsys: pytest.CaptureFixture[str]
) -> None:
    found = make_work({}, new=("other",)).comparison("interrupted")
    assert _compare.conclude(found, [], frozenset()) == 3
    assert "every case is new" not in capsys.readouterr().err


def test_a_counter_that_is_named_and_not_known_here_is_said(
    make_work: MakeWork, capsys: pytest.CaptureFixture[str]
) -> None:
    found = make_work({"mlp": OK}).comparison()
    assert _compare.conclude(found, [], frozenset({"kernels", "operators"})) == 0
    err = capsys.readouterr().err
    assert "warning: --fail-on kernels: not known of any case here, so it cannot fail" in err
    assert "--fail-on operators" not in err


def test_what_ended_early_keeps_its_figures_and_claims_nothing(make_work: MakeWork) -> None:
    work = make_work({"mlp": ({}, {"counters": {"operators": 63}}), "cnn": OK})
    del work.gate.results["head", work.cases.able[1].key]
    work.pairs += [_pair(work.cases.able[0].head, 0.5 * ratio) for ratio in STEADY]
    found = work.comparison("interrupted")
    (row,) = found.rows
    assert row.ratio is not None
    assert row.ratio.value == pytest.approx(0.5)
    assert (row.verdict, row.why) == ("inconclusive", "interrupted")
    assert [change.name for change in row.changes] == ["operators"]
    assert found.vanished == ()


def test_an_error_after_the_first_figures_is_told_with_what_is_known(
    make_work: MakeWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = make_work({"mlp": ({}, {"counters": {"operators": 63}})}, "--format", "json", "--out", str(tmp_path / "out"))

    def full(_self: object) -> None:
        raise OSError(28, "No space left on device", "pairs.jsonl")

    monkeypatch.setattr(_ab, "_begin", lambda *_: work)
    monkeypatch.setattr(_ab.Work, "measure", full)
    assert _ab.run(work.options) == 1  # operators grew, which stays found
    said = capsys.readouterr()
    assert said.err.startswith("pairs.jsonl: No space left on device: what is known by now follows")
    assert json.loads(said.out)["rows"][0]["changes"]


@pytest.mark.parametrize(
    ("words", "ahead"),
    [
        ((), r": after one run a side, roughly 2\d s if nothing looks slower and 8\d s if everything does"),
        (("--budget", "200"), r": after one run a side, roughly 5\d s if nothing .* and 2\d\d s if everything does"),
        (("--counters-only",), ", each by one run a side"),
        (
            ("--calibrate", "5"),
            r", 5 runs at each of 4 slowdowns, about \d\d minutes in all if every .*",
        ),
    ],
)
def test_a_dry_run_shows_cases_and_time_and_does_not_measure(
    make_work: MakeWork,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: Sequence[str],
    ahead: str,
) -> None:
    work = make_work({"mlp": OK}, "--dry-run", *words, new=("other",))
    work.cases = dataclasses.replace(work.cases, unable=("cnn (skipped: needs 1 CUDA device, found 0)",))
    work.gate.budget_seconds = work.options.budget or 80.0
    _end_with(AssertionError("measured"), work, monkeypatch)
    assert _ab.run(work.options) == 0
    *lines, empty, last = capsys.readouterr().out.splitlines()
    assert lines == [
        "mlp",
        "other  (new: the base has no such workload)",
        "cnn (skipped: needs 1 CUDA device, found 0)",
    ]
    assert (empty, bool(re.fullmatch(f"1 of 3 cases can be compared{ahead}", last))) == ("", True), last


def test_a_dry_run_of_which_nothing_can_be_compared_says_so_in_its_status(
    make_work: MakeWork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = make_work({}, "--dry-run", new=("other",))
    monkeypatch.setattr(_ab, "_begin", lambda *_: work)
    assert _ab.run(work.options) == 3
    assert capsys.readouterr().out.endswith("\n\n0 of 1 case can be compared\n")


def _end_with(ending: Exception, work: _ab.Work, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> None:
        raise ending

    monkeypatch.setattr(_ab, "_begin", lambda *_: work)
    monkeypatch.setattr(_ab.Work, "measure", end)
    monkeypatch.setattr(_ab, "calibrate", end)


def test_what_was_found_fails_also_where_nothing_can_start_a_worker_any_more(
    make_work: MakeWork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = make_work({"mlp": ({}, {"counters": {"operators": 63}})})
    _end_with(NothingToMeasureError("no server starts"), work, monkeypatch)
    assert _ab.run(work.options) == 1
    assert "no server starts: what is known by now follows" in capsys.readouterr().err


def test_a_calibration_without_a_case_ends_as_nothing_to_measure(
    make_work: MakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = make_work({"mlp": OK})
    work.options.base, work.options.calibrate = None, 3
    _end_with(NothingToMeasureError("no case runs here"), work, monkeypatch)
    with pytest.raises(NothingToMeasureError) as caught:
        _ab.run(work.options)
    assert caught.value.exit_status == 3


def test_a_file_that_cannot_be_written_costs_nothing_of_what_is_printed(
    make_work: MakeWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = make_work({"mlp": OK}, "--format", "json", "--out", str(tmp_path / "out"))

    def in_the_way(_self: object) -> None:
        (tmp_path / "out" / "comparison.json").mkdir()

    monkeypatch.setattr(_ab, "_begin", lambda *_: work)
    monkeypatch.setattr(_ab.Work, "measure", in_the_way)
    assert _ab.run(work.options) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["rows"][0]["case_id"] == work.cases.able[0].key
    assert said.err.splitlines()[-1] == f"error: {tmp_path / 'out' / 'comparison.json'}: Is a directory"


def test_why_a_side_did_not_run_is_said_though_no_progress_is_wanted(
    make_work: MakeWork, capsys: pytest.CaptureFixture[str]
) -> None:
    work = make_work({"mlp": OK})
    (compared,) = work.cases.able
    refused = CaseResult(case=compared.base, round=0, status="error", reason="module 'net' was imported from elsewhere")
    work.gate.results.clear()
    monkey: Any = work.gate.base.pool
    monkey.visit = lambda *_, **__: refused
    work.gate.run_once(compared)
    sides = [f"mlp: {side}: error: module 'net' was imported from elsewhere" for side in ("base", "head")]
    assert capsys.readouterr().err.splitlines() == sides


@pytest.mark.parametrize(("status", "lines"), [("crashed", 2), ("error", 0)])
def test_the_last_lines_that_a_reason_points_to_are_shown(
    make_work: MakeWork, capsys: pytest.CaptureFixture[str], status: Status, lines: int
) -> None:
    """Nothing else keeps them; an error has its message and its place."""
    work = make_work({"mlp": OK})
    (compared,) = work.cases.able
    failure = Failure(message="x", log_tail={"0": ("Fatal Python error: Segmentation fault",)}, exit_code=-11)
    ended = CaseResult(case=compared.base, round=0, status=status, reason="x", failure=failure)
    work.gate.results.clear()
    monkey: Any = work.gate.base.pool
    monkey.visit = lambda *_, **__: ended
    work.gate.run_once(compared)
    assert capsys.readouterr().err.count("    Fatal Python error: Segmentation fault\n") == lines


def test_an_interrupted_calibration_says_nothing_of_a_comparison(
    make_work: MakeWork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = make_work({"mlp": OK})
    work.options.base, work.options.calibrate = None, 3

    def interrupted(*_: object) -> int:
        raise Interrupted(2)

    monkeypatch.setattr(_ab, "_begin", lambda *_: work)
    monkeypatch.setattr(_ab, "calibrate", interrupted)
    assert _ab.run(work.options) == 130
    assert capsys.readouterr().out == ""


def test_a_compiled_case_s_pairs_are_not_counted_as_if_each_compiled_from_nothing(make_work: MakeWork) -> None:
    work = make_work({"mlp": OK})
    (compared,) = work.cases.able
    usual = work.gate.pace(compared).overhead_seconds
    for key, result in work.gate.results.items():
        assert result.measurement is not None
        compiled = dataclasses.replace(result.measurement, compile_seconds=20.0, warmup_total_seconds=20.1)
        work.gate.results[key] = dataclasses.replace(result, measurement=compiled)
    # But each of the two workers loads what was compiled.
    assert work.gate.pace(compared).overhead_seconds == pytest.approx(usual + 2 * LOADING_SECONDS, abs=0.1)
