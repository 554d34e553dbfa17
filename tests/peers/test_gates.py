"""Reading what other tools' gates say, asv's rule by hand, and the table."""

import sys
from pathlib import Path
from typing import Any

import pytest

from bench.record import to_plain
from tests.peers import asv_rule, gate_tools, gates, lines, report
from tests.peers.ab import Answer
from tests.peers.asv_rule import is_worse, p_value
from tests.peers.gate_section import gates_section
from tests.peers.gate_tools import AB, FACTORS, GATES, HEADS, asv_name, pyperf_alarm, pytest_benchmark_alarm
from tests.peers.gated import Gated, Heard
from tests.peers.load import Load
from tests.peers.tools import ToolError

LOAD = Load(seconds=5.0, load_1min=0.5, pressure_ratio=0.01, steal_ratio=None)
SEVEN = (1.00, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06)


def _gated(head: str, alarm: bool, repeat: int = 0, rule: str = AB, **fields: Any) -> Gated:
    heard = Heard(seconds=10.0, alarms={rule: alarm}, ratio=1.05 if head == "slower5" else 1.0)
    usual: dict[str, Any] = {"tool": "stepbench-ab", "started_at": "2026-01-01T00:00:00+00:00", "heard": heard}
    return Gated(head=head, repeat=repeat, load=LOAD, **{**usual, **fields})


def _times(factor: float) -> list[float]:
    return [factor * value for value in SEVEN]


def test_apart_without_exception_is_as_unlikely_as_two_orders_of_all() -> None:
    assert p_value(SEVEN, _times(2.0)) == pytest.approx(2 / 3432)  # 14 over 7
    assert p_value([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]) == pytest.approx(2 / 20)
    assert p_value([1.0, 2.0, 4.0], [3.0, 5.0, 6.0]) == pytest.approx(4 / 20)  # one step from that, either side


def test_beyond_twenty_samples_the_normal_stands_in() -> None:
    base, head = [float(value) for value in range(21)], [value + 0.5 for value in range(21)]
    # U = 210 of 441, and sqrt(21 * 21 * 43 / 12) = 39.75: z = -10.5 / 39.75
    assert p_value(base, head) == pytest.approx(0.7916, abs=1e-3)


def test_asv_wants_more_than_the_factor_and_different_samples() -> None:
    assert is_worse(SEVEN, _times(1.2))
    assert not is_worse(_times(1.2), SEVEN)
    assert not is_worse(SEVEN, _times(1.09))
    assert is_worse(SEVEN, _times(1.09), factor=1.05)
    assert not is_worse([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6], [1.15, 1.25, 1.35, 1.45, 1.55, 1.65, 1.75], factor=1.05)
    assert not is_worse(SEVEN[:6], _times(2.0)[:6])  # 2 / 924 is above 0.002


def test_so_few_samples_that_asv_has_another_rule_are_refused() -> None:
    with pytest.raises(ValueError, match="more samples than 5 and 5"):
        is_worse(SEVEN[:5], SEVEN[:5])
    assert asv_rule.FACTOR == 1.1


@pytest.mark.parametrize(
    ("text", "alarm"),
    [
        ("Mean +- std dev: [base] 10.0 ms +- 0.1 ms -> [head] 10.6 ms +- 0.1 ms: 1.06x slower\n", True),
        ("Mean +- std dev: [base] 10.6 ms +- 0.1 ms -> [head] 10.0 ms +- 0.1 ms: 1.06x faster\n", False),
        ("Benchmark hidden because not significant (1): step\n", False),
    ],
)
def test_pyperf_hides_what_is_not_significant(text: str, alarm: bool) -> None:
    assert pyperf_alarm(text) == alarm


def test_a_regression_is_told_from_a_test_that_failed() -> None:
    assert not pytest_benchmark_alarm(0, "1 passed")
    assert pytest_benchmark_alarm(1, "pytest_benchmark.session.PerformanceRegression: Performance has regressed.")
    with pytest.raises(ToolError, match="exit status 2 / no such file"):
        pytest_benchmark_alarm(2, "no such file")


@pytest.mark.parametrize(("status", "alarm"), [(0, False), (1, True), (3, False)])
def test_the_own_gate_alarms_by_its_exit_status(
    status: int, alarm: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ask(_folder: Path, head: str, functions: Any, *, fail_on: str, seed: int) -> Answer:
        assert (head, functions, fail_on, seed) == ("slower5", ["mlp"], "slower", 4)
        return Answer(exit_status=status, wall_seconds=30.0)

    monkeypatch.setattr(gate_tools, "ask", ask)
    assert GATES["stepbench-ab"](tmp_path, "slower5", 4) == Heard(seconds=30.0, alarms={AB: alarm}, ratio=None)


def test_the_own_gate_without_an_answer_is_no_silence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answer = Answer(exit_status=1, wall_seconds=1.0, error="Traceback / exit status 1")
    monkeypatch.setattr(gate_tools, "ask", lambda *_arguments, **_options: answer)
    with pytest.raises(ToolError, match="Traceback"):
        GATES["stepbench-ab"](tmp_path, "same", 0)


def test_both_workloads_lie_in_files_of_the_same_name(tmp_path: Path) -> None:
    found = gate_tools._workloads(tmp_path, "slower5")
    assert list(found) == ["base", "head"]
    texts = [(tmp_path / side / "workload.py").read_text(encoding="utf-8") for side in found]
    assert ["= 60, 40" in text for text in texts] == [True, False]
    assert found["head"]["PEERS_WORKLOAD"].endswith("head/workload.py:mlp")


def test_the_table_counts_alarms_of_each_head_and_both_factors() -> None:
    units = [_gated("same", False), _gated("same", True, 1), _gated("slower5", True), _gated("slower5", True, 1)]
    alarms = {asv_name(factor): factor == FACTORS[1] for factor in FACTORS}
    units += [_gated("slower5", True, heard=Heard(seconds=20.0, alarms=alarms, ratio=1.06), tool="asv-rule")]
    units += [_gated("same", True, heard=None, failure="ToolError: no", tool="pyperf")]
    text = gates_section(units)
    shares = "**1 of 2** (9% to 91%) | **2 of 2** (34% to 100%)"
    assert f"| {AB} | {shares} | 10 | 1.000 (1.000 to 1.000) | 1.050 (1.050 to 1.050) |" in text
    assert f"| {asv_name(1.1)} |  | **0 of 1** (0% to 79%) | 20 |" in text
    assert f"| {asv_name(1.05)} |  | **1 of 1** (21% to 100%) | 20 |" in text
    assert "- pyperf, same, repeat 0: ToolError: no" in text
    assert "| pyperf" not in text
    assert "Not measured yet" in gates_section([])


def test_what_was_asked_is_not_asked_again_and_the_page_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def answer(_folder: Path, head: str, repeat: int) -> Heard:
        asked.append(f"{head} {repeat}")
        if repeat == 1:
            raise ToolError("cannot read /tmp/somewhere/x.json")
        return Heard(seconds=10.0, alarms={AB: head != "same"}, ratio=1.0)

    monkeypatch.setitem(GATES, "stepbench-ab", answer)
    out = tmp_path / "out"
    arguments = ["gates.py", "--out", str(out), "--tools", "stepbench-ab", "--repeats"]
    for repeats in ("1", "2"):
        monkeypatch.setattr(sys, "argv", [*arguments, repeats])
        assert gates.main() == 0
    assert sorted(asked) == sorted(f"{head} {repeat}" for head in HEADS for repeat in range(2))
    assert "repeat 1: ToolError: cannot read x.json" in capsys.readouterr().out
    assert not (out / "unit").exists()
    monkeypatch.setattr(sys, "argv", ["report.py", str(out), "--to", str(tmp_path / "page")])
    report.main()
    text = (tmp_path / "page" / "README.md").read_text(encoding="utf-8")
    assert f"| {AB} | **0 of 1** (0% to 79%) | **1 of 1** (21% to 100%) | 10 |" in text
    assert lines.read(tmp_path / "page" / "gates.jsonl") == lines.read(out / "gates.jsonl")
    assert to_plain(report.read_gates(out / "gates.jsonl"))[0]["tool"] == "stepbench-ab"
