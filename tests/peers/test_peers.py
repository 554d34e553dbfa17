"""Reading the tools' outputs, the arithmetic of the tables, and going on where a measurement was stopped."""

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from bench.record import to_plain
from bench.reporting import csv
from bench.result import Sitting
from bench.running.journal import FILE_NAME, JournalWriter
from tests.peers import coverage, lines, outputs, report, run
from tests.peers.load import Load, Watch
from tests.peers.pair import Pair, apart, covers, log_half_width
from tests.peers.sections import coverage_section, peers_section
from tests.peers.summary import agree, half_width, processes_needed, row_of, wilson
from tests.peers.tools import TOOLS, Tool, ToolError, is_enough, run_to_end
from tests.peers.unit import Observation, Unit

LOAD = Load(seconds=5.0, load_1min=0.5, pressure_ratio=0.01, steal_ratio=None)
PLUS_MINUS_1 = (0.00101, 0.00099)
"""Two figures that are 2 % apart."""
SPLIT = {"servers_seconds": 1.0, "visits_seconds": 2.0, "reporting_seconds": 0.5, "contended": 0.0}


def _observation(figure: float = 0.001, processes: Sequence[float] = (), **fields: Any) -> Observation:
    usual = {"wall_seconds": 10.0, "low_seconds": figure * 0.99, "high_seconds": figure * 1.01, "fixed_seconds": 0.0}
    return Observation(figure_seconds=figure, process_seconds=tuple(processes) or (figure,), **{**usual, **fields})


def _unit(tool: str, repeat: int = 0, **fields: Any) -> Unit:
    usual: dict[str, Any] = {"observation": _observation(), "load": LOAD, "started_at": "2026-01-01T00:00:00+00:00"}
    return Unit(tool=tool, repeat=repeat, **{**usual, **fields})


def _pair(index: int, first: Sequence[float], second: Sequence[float]) -> Pair:
    started_at = f"2026-01-01T00:{index:02}:00+00:00"
    sides = {"first_seconds": tuple(first), "second_seconds": tuple(second)}
    return Pair(index=index, pool=0, started_at=started_at, load=LOAD, **sides)


def test_pyperf_s_interval_is_over_processes_and_its_calibration_is_fixed() -> None:
    runs = [{"warmups": [[1, 0.02]]}, {"values": [1.0, 3.0]}, {"values": [4.0, 4.0]}]
    found = outputs.of_pyperf({"benchmarks": [{"runs": runs}]}, wall_seconds=30.0)
    assert found.process_seconds == (2.0, 4.0)
    assert found.figure_seconds == pytest.approx(math.sqrt(8.0))
    assert found.log_half_width == pytest.approx(12.7062 * math.log(2) / math.sqrt(2) / math.sqrt(2), rel=1e-4)
    assert found.fixed_seconds == pytest.approx(10.0)
    assert found.detail["mean_seconds"] == 3.0


def test_pytest_benchmark_s_interval_is_over_the_rounds_of_one_process() -> None:
    stats = {"mean": 2.0, "stddev": 0.5, "rounds": 25, "iterations": 1, "median": 1.9, "iqr": 0.2}
    found = outputs.of_pytest_benchmark({"benchmarks": [{"stats": stats}]}, wall_seconds=5.0)
    assert (found.low_seconds, found.high_seconds) == pytest.approx((2.0 - 0.196, 2.0 + 0.196))
    assert found.process_seconds == (2.0,)


def test_repeated_processes_make_an_interval_of_their_own_and_their_times_add_up() -> None:
    found = outputs.of_several([_observation(figure) for figure in PLUS_MINUS_1])
    assert found.wall_seconds == 20.0
    assert found.process_seconds == PLUS_MINUS_1
    assert found.log_half_width > 0.1


def test_the_timer_s_bounds_are_the_quartiles_of_its_blocks() -> None:
    found = outputs.of_timer({"times": [1.0, 2.0, 3.0, 4.0, 5.0]}, wall_seconds=5.0)
    assert (found.low_seconds, found.figure_seconds, found.high_seconds) == (2.0, 3.0, 4.0)
    assert outputs.of_timer({"times": [2.0]}, wall_seconds=5.0).log_half_width == 0.0


def test_the_suite_s_figures_come_from_its_row_and_its_journal(
    tmp_path: Path, make_case: Callable[..., Any], make_rounds: Callable[..., Any], make_run: Callable[..., Any]
) -> None:
    results = make_rounds(make_case(), (0.004, 0.005, 0.006))
    written = make_run(results)
    csv.write(written, tmp_path)
    journal = JournalWriter(tmp_path / FILE_NAME)
    journal.write_plan(written.plan)
    for result in results:
        journal.write_result(result)
    journal.write_sitting(Sitting(servers_seconds=3.0, reporting_seconds=0.5, total_seconds=4.0))
    journal.close()
    found = outputs.of_stepbench(tmp_path, wall_seconds=5.0)
    assert found.process_seconds == pytest.approx((0.004, 0.005, 0.006))
    assert found.figure_seconds == pytest.approx(0.00493242, rel=1e-5)
    assert found.low_seconds < found.figure_seconds < found.high_seconds
    assert (found.detail["servers_seconds"], found.detail["reporting_seconds"]) == (3.0, 0.5)


def test_an_interval_that_reaches_zero_claims_nothing() -> None:
    assert _observation(low_seconds=0.0).log_half_width == math.inf


@pytest.mark.parametrize("sd_ratio", [0.0, 0.005, 0.02, 0.045, 0.08, 0.3])
def test_the_number_of_processes_is_the_smallest_that_is_enough(sd_ratio: float) -> None:
    slow = next(number for number in range(2, 1000) if half_width(sd_ratio, number) <= 0.025)
    assert processes_needed(sd_ratio) == slow


def test_a_number_of_processes_that_nobody_would_wait_for_is_none() -> None:
    assert processes_needed(100.0) is None


def test_a_row_compares_what_is_claimed_with_what_repeats_differ_by() -> None:
    row = row_of([_observation(figure) for figure in (0.001, 0.001 * math.e**0.1)], min_processes=None)
    assert row.claimed_ratio == pytest.approx(0.01, rel=1e-3)
    assert row.sd_ratio == pytest.approx(0.1 / math.sqrt(2))
    assert row.single_ratio == pytest.approx(12.7062 * 0.1 / math.sqrt(2), rel=1e-4)
    assert (row.covered, row.pairs) == (0, 1)
    assert row.process_sd_ratio == row.sd_ratio  # one process a run
    assert row.processes is not None
    assert row.known_seconds == pytest.approx(10.0 * row.processes)
    assert (row.used_seconds, row.reached) == (None, 0)


def test_a_tool_with_processes_of_its_own_is_judged_by_them_and_pays_for_its_minimum() -> None:
    one = _observation(processes=PLUS_MINUS_1 * 5, fixed_seconds=5.0)
    row = row_of([one], min_processes=20)
    assert row.sd_ratio is None
    assert row.processes is not None
    assert row.processes < 20
    assert row.known_seconds == pytest.approx(5.0 + row.processes * 0.5)
    assert row.used_seconds == pytest.approx(5.0 + 20 * 0.5)
    assert (row.reached, row.reached_seconds) == (1, 10.0)


def test_two_figures_agree_within_the_root_of_the_sum_of_squares() -> None:
    assert agree(_observation(1.0), _observation(1.014))
    assert not agree(_observation(1.0), _observation(1.015))


def test_wilson_s_interval_is_the_textbook_s() -> None:
    assert wilson(36, 40) == pytest.approx((0.76950, 0.96044), abs=1e-4)
    assert wilson(40, 40) == pytest.approx((0.91238, 1.0), abs=1e-4)


def test_the_rule_stops_after_eight_processes_and_not_before() -> None:
    assert not is_enough([0.001] * 7)
    assert is_enough([0.001] * 8)
    assert not is_enough([0.001, 0.002] * 4)


def test_a_pair_is_covered_when_its_runs_differ_by_less_than_both_half_widths() -> None:
    run_of = [1.0, 1.1, 1.2]
    width = log_half_width(run_of)
    assert covers(run_of, [value * math.exp(1.41 * width) for value in run_of])
    assert not covers(run_of, [value * math.exp(1.42 * width) for value in run_of])


def test_runs_apart_are_compared_side_by_side() -> None:
    pairs = [_pair(index, [1.0, 1.01, 1.02], [1.0 + index, 1.01 + index, 1.02 + index]) for index in range(3)]
    found = apart(pairs, lag=2)
    assert found is not None
    assert (found.minutes, found.covered, found.comparisons) == (2.0, 1, 2)
    assert apart(pairs, lag=3) is None


def test_a_line_that_was_cut_off_is_dropped_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "units.jsonl"
    assert lines.continued(path) == []
    lines.append(path, {"number": 1})
    with path.open("a", encoding="utf-8") as file:
        file.write('{"number": 2')
    assert lines.read(path) == [{"number": 1}]
    assert lines.continued(path) == [{"number": 1}]
    lines.append(path, {"number": 3})
    assert lines.read(path) == [{"number": 1}, {"number": 3}]


def test_every_repeat_has_every_tool_once_in_an_order_that_a_restart_keeps() -> None:
    order = run.planned(["a", "b", "c"], repeats=20)
    assert order == run.planned(["c", "b", "a"], repeats=20)
    assert all(sorted(order[start : start + 3]) == [(tool, start // 3) for tool in "abc"] for start in range(0, 60, 3))
    assert len({tuple(tool for tool, _ in order[start : start + 3]) for start in range(0, 60, 3)}) > 1


@pytest.fixture(name="calls")
def _calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Put two tools in the place of the real ones, one of which fails; return who was called."""
    calls: list[str] = []

    def good(_folder: Path) -> Observation:
        calls.append("stepbench")
        return _observation(detail=SPLIT)

    def bad(_folder: Path) -> Observation:
        calls.append("pyperf")
        raise ToolError("exit status 1 / no such thing")

    for name, observe in (("stepbench", good), ("pyperf", bad)):
        monkeypatch.setitem(TOOLS, name, Tool(observe=observe, claim="whatever", min_processes=8))
    options = ["--out", str(tmp_path), "--tools", "stepbench,pyperf", "--repeats", "2"]
    monkeypatch.setattr(sys, "argv", ["run.py", *options])
    return calls


def test_what_is_there_is_not_run_again_and_a_failure_is_told(
    calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = _unit("stepbench", observation=_observation(detail=SPLIT))
    lines.append(tmp_path / "units.jsonl", {"kind": "unit", **to_plain(there)})
    assert run.main() == 0
    assert sorted(calls) == ["pyperf", "pyperf", "stepbench"]
    assert run.main() == 0
    assert len(calls) == 3
    assert "pyperf, repeat 1: ToolError: exit status 1 / no such thing" in capsys.readouterr().out
    assert not (tmp_path / "unit").exists()


def test_a_tool_that_is_not_installed_is_named_with_the_cure(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(TOOLS, "pyperf", Tool(observe=lambda _: _observation(), claim="", needs="no_such_module"))
    with pytest.raises(SystemExit, match="2"):
        run.main()
    assert "no_such_module is not installed: python -m pip install" in capsys.readouterr().err
    assert calls == []


def test_a_command_that_fails_says_its_last_lines(tmp_path: Path) -> None:
    assert run_to_end([sys.executable, "-S", "-c", ""], tmp_path) > 0
    with pytest.raises(ToolError, match="exit status 3 / out of order"):
        run_to_end([sys.executable, "-S", "-c", "print('out of order'); raise SystemExit(3)"], tmp_path)


def test_pairs_are_continued_with_other_servers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class FakePool:
        def __init__(self, *_arguments: Any) -> None:
            pass

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_error: object) -> None:
            pass

    monkeypatch.setattr(coverage, "Pool", FakePool)
    monkeypatch.setattr(
        coverage,
        "step_of_visit",
        lambda _pool, _case, round_index, _timeout_seconds: 0.001 * (1 + round_index % 2 / 100),
    )
    for wanted in ("1", "3"):
        monkeypatch.setattr(sys, "argv", ["coverage.py", "--out", str(tmp_path), "--pairs", wanted])
        assert coverage.main() == 0
    pairs = report.read_pairs(tmp_path / "pairs.jsonl")
    assert [(pair.index, pair.pool) for pair in pairs] == [(0, 0), (1, 1), (2, 1)]
    assert {len(pair.first_seconds) for pair in pairs} == {8}
    assert "| in turn | 3 | 3 | **100%**" in capsys.readouterr().out


def test_the_page_holds_tables_machine_and_raw_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, calls: list[str]
) -> None:
    run.main()
    lines.append(tmp_path / "pairs.jsonl", {"kind": "pair", **to_plain(_pair(0, [1.0, 1.1], [1.0, 1.1]))})
    folder = tmp_path / "page"
    monkeypatch.setattr(sys, "argv", ["report.py", str(tmp_path), "--to", str(folder)])
    report.main()
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "- cores: " in text
    assert "| stepbench | 2 | 10.0 | 1.00 ms | ±1.0% | 0.0% |" in text
    assert "where this suite's seconds go (medians): start of the servers 1.0" in text
    assert (folder / "units.jsonl").read_bytes() == (tmp_path / "units.jsonl").read_bytes()
    assert (folder / "pairs.jsonl").is_file()


def test_nothing_measured_is_said() -> None:
    assert "Not measured yet" in peers_section([])
    assert "Not measured yet" in coverage_section([])


def test_the_ratio_of_the_two_tools_is_of_seconds_to_the_target() -> None:
    ours = _observation(processes=PLUS_MINUS_1 * 5, wall_seconds=4.0, detail=SPLIT)
    theirs = _observation(processes=PLUS_MINUS_1 * 10, wall_seconds=60.0)
    text = peers_section([_unit("stepbench", observation=ours), _unit("pyperf", observation=theirs)])
    assert "pyperf over this suite, seconds to ±2.5%: 18.8**" in text  # 20 * 60 / 20 over 8 * 4 / 10


def test_the_load_of_this_machine_can_be_read() -> None:
    load = Watch().load()
    assert load.seconds >= 0
    assert load.load_1min >= 0
