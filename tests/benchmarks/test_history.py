"""A history of a million points: how long a trend of one case takes, and adding a run of a hundred cases."""

import datetime
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.case import Case
from bench.history.entries import entry_of_run
from bench.history.schema import METRICS, points, runs, series
from bench.history.store import Added, Store
from bench.history.trends import trends_of
from bench.result import CaseResult
from bench.results.frame import Run

RUNS, SERIES = 2000, 500
TREND_BAR_SECONDS, ADD_BAR_SECONDS = 1.0, 2.0


@pytest.fixture(name="store", scope="module")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A history of 2000 runs of 500 cases, each with a step of its own and 2 % noise; it takes a minute to fill."""
    path: Path = tmp_path_factory.mktemp("history") / "history.sqlite"
    store = Store(f"sqlite:///{path}")
    chance = random.Random(1)
    first = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    texts = {"case_version": "v", "fingerprint": "f", "workload": "w", "machine": "m"}
    names = [
        {"id": f"s{number}", "case_id": f"c{number}", "name": f"case {number:03}", **texts} for number in range(SERIES)
    ]
    with store.transaction() as connection:
        connection.execute(series.insert(), names)
        for number in range(RUNS):
            started_at = (first + datetime.timedelta(hours=number)).isoformat()
            origin = {"commit": f"{number:09x}", "label": "", "suite": "default", "path": ""}
            connection.execute(runs.insert().values(id=f"r{number}", started_at=started_at, **origin))
            step = {name: 0.001 * math.exp(chance.gauss(0, 0.02)) for name in METRICS if name.endswith("_seconds")}
            connection.execute(
                points.insert(),
                [{"series_id": one["id"], "run_id": f"r{number}", "flags": "", **step} for one in names],
            )
    yield store
    store.close()


@pytest.mark.benchmark(group="history")
def test_the_trend_of_one_case_among_a_million_points(store: Store, benchmark: BenchmarkFixture) -> None:
    def trend() -> int:
        (one,) = store.all_series(["case 123"])
        return len(trends_of(store, [one], ["step_seconds"])[0].points)

    assert benchmark.pedantic(trend, rounds=5, iterations=1) == RUNS  # type: ignore[no-untyped-call]  # as the plugin has it
    assert benchmark.stats is not None
    assert benchmark.stats.stats.median <= TREND_BAR_SECONDS


@pytest.mark.benchmark(group="history")
def test_a_run_of_a_hundred_cases_is_added(
    store: Store,
    benchmark: BenchmarkFixture,
    make_case: Callable[..., Case],
    make_rounds: Callable[..., list[CaseResult]],
    make_run: Callable[..., Run],
) -> None:
    cases = [make_case(batch_size=number + 1) for number in range(100)]
    results = [result for case in cases for result in make_rounds(case, [0.004] * 8)]
    numbers = iter(range(100))

    def add() -> Added:
        return store.add(entry_of_run(make_run(results, started_at=f"2026-01-01T00:00:{next(numbers):02}+00:00")))

    assert benchmark.pedantic(add, rounds=5, iterations=1) == "added"  # type: ignore[no-untyped-call]
    assert benchmark.stats is not None
    assert benchmark.stats.stats.median <= ADD_BAR_SECONDS
