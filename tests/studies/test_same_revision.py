"""The arithmetic of a revision against itself, and going on where it was stopped."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from bench.record import to_plain
from tests.peers import lines
from tests.peers.load import Load
from tests.studies import same_revision
from tests.studies.same_revision import Ratio, bar, cases, difference_p_value, summary

LOAD = Load(seconds=5.0, load_1min=0.5, pressure_ratio=0.01, steal_ratio=None)
EVEN = (0.98, 1.02, 0.99, 1.01, 0.98, 1.02, 0.99, 1.01)
SLOWER = tuple(1.1 * ratio for ratio in EVEN)


def _ratio(index: int, candidate: Sequence[float] = EVEN) -> Ratio:
    return Ratio(
        index=index,
        case_id=cases()[index % 6].id,
        started_at="2026-01-01T00:00:00+00:00",
        candidate_seconds=tuple(candidate),
        baseline_seconds=(1.0,) * len(candidate),
        load=LOAD,
    )


@pytest.mark.parametrize("ratios", [100, 102])
def test_the_bar_is_what_chance_stays_within_99_times_in_100(ratios: int) -> None:
    assert bar(ratios) == 11  # P(X <= 10) = 0.989 and P(X <= 11) = 0.996 for 100 tosses at 5 %


def test_a_p_value_is_small_on_either_side_of_one() -> None:
    assert difference_p_value(SLOWER) == pytest.approx(2 / 2**8)  # all eight on one side
    assert difference_p_value([1 / ratio for ratio in SLOWER]) == pytest.approx(difference_p_value(SLOWER))
    assert difference_p_value(EVEN) > 0.5


def test_six_different_cases_are_taken_in_turn() -> None:
    assert len({case.id for case in cases()}) == 6
    assert {case.global_batch_size for case in cases()} == {64, 8}


def test_the_summary_counts_what_excludes_one() -> None:
    text = summary([_ratio(0), _ratio(1, SLOWER), _ratio(6)], [{"kind": "sitting", "cores": "2"}])
    assert "exclude 1: **1 of 3**" in text
    assert "- cores: 2" in text
    assert "- verdicts: same 2, slower 1" in text
    assert "rejects: not slower by 2% 1, equal 1" in text
    assert f"| {cases()[0].id} | 2 | 0 | 1.000 | 1.000 |" in text


def test_the_summary_of_nothing_is_a_summary() -> None:
    assert "exclude 1: **0 of 0**" in summary([], [])


@pytest.mark.parametrize(("slower", "status"), [(11, 0), (12, 1)])
def test_the_exit_status_says_whether_too_many_exclude_one(
    slower: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(100):
        ratio = _ratio(index, SLOWER if index < slower else EVEN)
        lines.append(tmp_path / "ratios.jsonl", {"kind": "ratio", **to_plain(ratio)})
    monkeypatch.setattr(sys, "argv", ["same_revision.py", "--out", str(tmp_path), "--ratios", "100"])
    assert same_revision.main() == status
    assert (tmp_path / "summary.md").is_file()


def test_it_goes_on_where_it_was_stopped_and_a_few_ratios_prove_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits: list[tuple[str, int]] = []

    class FakePool:
        def __init__(self, *_arguments: Any) -> None:
            pass

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_error: object) -> None:
            pass

    def visit(_pool: FakePool, case: Any, round_index: int, _timeout_seconds: float) -> float:
        visits.append((case.workload, round_index))
        return 0.001 * (1 + len(visits) % 3 / 100)

    monkeypatch.setattr(same_revision, "Pool", FakePool)
    monkeypatch.setattr(same_revision, "step_of_visit", visit)
    for wanted in ("1", "3"):
        monkeypatch.setattr(sys, "argv", ["same_revision.py", "--out", str(tmp_path), "--ratios", wanted])
        assert same_revision.main() == 3
    found = [line for line in lines.read(tmp_path / "ratios.jsonl") if line["kind"] == "ratio"]
    assert [line["index"] for line in found] == [0, 1, 2]
    assert len(visits) == 3 * 2 * same_revision.ROUNDS
    assert [workload for workload, _ in visits[:: 2 * same_revision.ROUNDS]] == ["mlp:small", "mlp:small", "cnn:small"]
