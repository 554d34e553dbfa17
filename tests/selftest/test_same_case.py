"""A case against itself, and instruments that see a difference where there is none."""

from collections.abc import Callable

import pytest

from bench.selftest import same_case
from bench.statistics import Interval, Verdict

Recorded = Callable[..., list[float]]


@pytest.mark.parametrize(
    ("ratio", "verdict", "word"),
    [
        (1.0, "holds", "same"),
        (0.99, "holds", "same"),
        (1.05, "fails", "slower"),
        (0.95, "fails", "faster"),
        (1.02, "undecidable", "inconclusive"),
    ],
)
def test_a_case_may_be_two_percent_from_itself(recorded: Recorded, ratio: float, verdict: str, word: str) -> None:
    finding = same_case.judge({"candidate_seconds": recorded(0.005 * ratio), "baseline_seconds": [0.005] * 10})
    assert finding.verdict == verdict
    assert finding.figure.startswith(f"{word}: ")


def test_noise_is_undecidable_although_it_is_not_slower(recorded: Recorded) -> None:
    seen = {"candidate_seconds": recorded(0.005, noise=20), "baseline_seconds": [0.005] * 10}
    assert same_case.judge(seen).verdict == "undecidable"


def test_a_comparison_that_calls_everything_slower_fails(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    def always(_ratio: Interval) -> Verdict:
        return "slower"

    monkeypatch.setattr(same_case, "verdict_of", always)
    seen = {"candidate_seconds": recorded(0.005), "baseline_seconds": [0.005] * 10}
    assert same_case.judge(seen).verdict == "fails"


def test_an_empty_record_fails() -> None:
    assert same_case.judge({}).verdict == "fails"


@pytest.mark.usefixtures("_torch_as_it_was", "_short_turns")
def test_two_workers_give_a_figure_a_pair() -> None:
    seen = same_case.observe(2)
    assert {name: len(figures) for name, figures in seen.items()} == {"candidate_seconds": 2, "baseline_seconds": 2}
    assert min(min(figures) for figures in seen.values()) > 0
