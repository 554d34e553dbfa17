"""The split of a run's wall time: every second is in one part."""

import dataclasses
from collections.abc import Callable

import pytest

from bench.case import Case
from bench.result import CaseResult, Measurement, Sitting
from bench.results.wall_time import split_seconds


@pytest.fixture(name="visits")
def _visits(make_case: Callable[..., Case], make_measurement: Callable[..., Measurement]) -> list[CaseResult]:
    measurement = make_measurement(
        start_seconds=0.02,
        build_seconds=0.1,
        warmup_total_seconds=0.3,
        compile_seconds=0.2,
        window_seconds=0.5,
        extras_seconds=0.05,
    )
    ok = CaseResult(case=make_case(), round=0, status="ok", measurement=measurement, duration_seconds=1.0)
    hung = CaseResult(case=make_case(workload="cnn"), round=0, status="timeout", duration_seconds=30.0)
    skipped = CaseResult(case=make_case(device="cuda"), round=0, status="skipped")
    return [ok, ok, hung, skipped]


SITTINGS = [
    Sitting(servers_seconds=4.0, reporting_seconds=1.0, total_seconds=20.0),
    Sitting(servers_seconds=5.0, reporting_seconds=2.0, total_seconds=30.0),
]


def test_each_part_is_the_sum_over_visits_and_sittings(visits: list[CaseResult]) -> None:
    assert split_seconds(visits, SITTINGS) == pytest.approx(
        {
            "starting the servers": 9.0,
            "start of workers": 0.04,
            "build": 0.2,
            "compilation": 0.4,
            "warm-up": 0.2,
            "timed steps": 1.0,
            "memory, counters, check": 0.1,
            "tear-down": 0.06,  # what is left of the two seconds of both visits
            "visits that failed": 30.0,
            "reporting": 3.0,
        }
    )


def test_a_run_that_was_killed_left_no_sitting_and_is_split_all_the_same(visits: list[CaseResult]) -> None:
    split = split_seconds(visits, [])
    assert (split["starting the servers"], split["reporting"], split["timed steps"]) == (0, 0, 1.0)


def test_parts_that_overlap_make_no_negative_tear_down(visits: list[CaseResult]) -> None:
    short = dataclasses.replace(visits[0], duration_seconds=0.1)
    assert split_seconds([short], [])["tear-down"] == 0
