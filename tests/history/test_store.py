"""The index: what goes in comes out, once, whole, and in both databases."""

import dataclasses
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from bench.case import Case
from bench.errors import UsageError
from bench.history import schema
from bench.history.entries import Entry, entry_of_run
from bench.history.store import SHORT_ID_LENGTH, Acceptance, Store
from bench.result import Environment
from bench.results.frame import Run
from tests.history.conftest import MakeRunOf

DEADLINE_SECONDS = 120.0


def test_a_run_is_a_point_of_each_of_its_cases(store: Store, run_of: MakeRunOf, make_case: Callable[..., Case]) -> None:
    cases = [make_case(), make_case(precision="amp_bf16")]
    store.add(entry_of_run(run_of(0, cases=cases)))
    assert [(one.name, one.num_points, one.machine) for one in store.all_series()] == [
        ("mlp-cpu-single-amp_bf16-b64-d1", 1, "EPYC, 2 cores"),
        ("mlp-cpu-single-fp32-b64-d1", 1, "EPYC, 2 cores"),
    ]
    (point,) = store.points_of(store.all_series()[0].id)
    assert (point.started_at, point.commit) == ("2026-01-01T00:00:00+00:00", "c00000000")
    assert point.figures["step_seconds"] == pytest.approx(0.004)
    assert point.figures["peak_allocated_bytes"] == 12 * 2**20


def test_a_run_that_is_there_already_is_not_added_again(store: Store, run_of: MakeRunOf) -> None:
    entry = entry_of_run(run_of(0))
    assert [store.add(entry), store.add(entry)] == ["added", "was there already"]
    assert len(store.all_runs()) == 1


def test_points_are_in_the_order_of_the_runs_whatever_order_they_were_added_in(store: Store, run_of: MakeRunOf) -> None:
    for number in (2, 0, 1):
        store.add(entry_of_run(run_of(number)))
    (series,) = store.all_series()
    assert [point.commit for point in store.points_of(series.id)] == ["c00000000", "c00000001", "c00000002"]


def test_another_machine_or_another_model_is_another_series(store: Store, run_of: MakeRunOf) -> None:
    grown = run_of(2)
    larger = [
        dataclasses.replace(result, measurement=dataclasses.replace(result.measurement, parameters=2000))
        for result in grown.results
        if result.measurement
    ]
    for run in (
        run_of(0),
        run_of(1, environment=Environment(hard={"cpu_name": "EPYC", "cores": "64"})),
        dataclasses.replace(grown, results=larger),
    ):
        store.add(entry_of_run(run))
    assert [one.num_points for one in store.all_series()] == [1, 1, 1]


def test_what_was_accepted_outlives_an_index_that_is_made_anew(store: Store, run_of: MakeRunOf) -> None:
    entries = [entry_of_run(run_of(number)) for number in range(2)]
    for entry in entries:
        store.add(entry)
    (series,) = store.all_series()
    for reason in ("first thought", "a larger model"):
        accepted = Acceptance(series_id=series.id, metric="step_seconds", run_id=entries[1].run["id"], reason=reason)
        store.accept(accepted, "2026-01-01")
    store.renew({entry.run["id"]: entry for entry in entries[1:]})
    assert store.all_acceptances() == [accepted]
    assert [run["commit"] for run in store.all_runs()] == ["c00000001", "c00000000"]
    assert [one.num_points for one in store.all_series()] == [2]


def test_a_series_without_points_goes_when_its_runs_are_renewed(store: Store, run_of: MakeRunOf) -> None:
    store.add(entry_of_run(run_of(0)))
    (old,) = store.all_runs()
    store.renew({old["id"]: entry_of_run(run_of(0, environment=Environment(hard={"cpu_name": "Xeon"})))})
    (series,) = store.all_series()
    assert (series.machine, series.num_points, len(store.all_runs())) == ("Xeon", 1, 1)


def test_two_machines_that_begin_together_are_two_runs(store: Store, run_of: MakeRunOf) -> None:
    machines = [Environment(hard={"cpu_name": "EPYC", "cores": cores}) for cores in ("2", "64")]
    assert [store.add(entry_of_run(run_of(0, environment=one))) for one in machines] == ["added"] * 2
    assert len(store.all_runs()) == 2


def test_what_a_run_did_not_look_for_begins_no_series(store: Store, run_of: MakeRunOf) -> None:
    hard = {"cpu_name": "EPYC", "cores": "2"}
    for number, more in enumerate(({}, {"cxx": "g++ 14", "triton": "3.5"}, {"torch": "2.13.0"})):
        store.add(entry_of_run(run_of(number, environment=Environment(hard={**hard, **more}))))
    assert sorted(one.num_points for one in store.all_series()) == [1, 2]


def test_names_may_be_long_and_strange(store: Store, run_of: MakeRunOf, make_case: Callable[..., Case]) -> None:
    entry = entry_of_run(run_of(0, cases=[make_case(workload=f"{'x' * 3000}/mödel.py:f")], commit="c" * 100))
    (one,) = entry.series
    store.add(dataclasses.replace(entry, series=[{**one, "name": f"tests/{'é' * 3000}[a%_b]", "case_id": "y" * 300}]))
    assert [found.num_points for found in store.all_series(["[A%_B]"])] == [1]
    assert store.all_series(["[a%xb]"]) == []


def test_a_series_is_found_by_the_first_letters_of_its_id(store: Store, run_of: MakeRunOf) -> None:
    store.add(entry_of_run(run_of(0)))
    (one,) = store.all_series()
    assert store.all_series([one.id[:SHORT_ID_LENGTH]]) == [one]
    assert store.all_series([one.id[: SHORT_ID_LENGTH - 1]]) == []
    assert one.newest_at == "2026-01-01T00:00:00+00:00"


def test_a_reader_needs_not_write(tmp_path: Path, run_of: MakeRunOf) -> None:
    path = tmp_path / "h.sqlite"
    store = Store(f"sqlite:///{path}")
    store.add(entry_of_run(run_of(0)))
    with store.transaction() as connection:  # somebody writes, and takes time
        connection.execute(schema.runs.update().values(label="x"))
        reader = Store(f"sqlite:///{path}", must_exist=True)
        assert len(reader.all_series()) == 1
        reader.close()
    store.close()


def test_a_change_that_fails_half_way_leaves_nothing(store: Store, run_of: MakeRunOf) -> None:
    good = entry_of_run(run_of(0))
    torn = dataclasses.replace(good, points=[{**good.points[0], "series_id": None}])
    with pytest.raises(UsageError, match="--db"):
        store.add(torn)
    assert (store.all_runs(), store.all_series()) == ([], [])
    assert store.add(good) == "added"


WRITER = """
import json, sys
sys.path.insert(0, sys.argv[3])
from bench.history.entries import Entry
from bench.history.store import Store
store = Store(sys.argv[1])
for line in open(sys.argv[2]):
    store.add(Entry(**json.loads(line)))
"""


def test_four_writers_at_once_lose_nothing(url: str, run_of: MakeRunOf, tmp_path: Path) -> None:
    import json  # noqa: PLC0415 (of this test alone)

    writers = []
    for writer in range(4):
        path = tmp_path / f"{writer}.jsonl"
        entries = [dataclasses.asdict(entry_of_run(run_of(25 * writer + number))) for number in range(25)]
        path.write_text("".join(f"{json.dumps(entry, default=str)}\n" for entry in entries))
        command = [sys.executable, "-c", WRITER, url, str(path), str(Path(schema.__file__).parents[2])]
        writers.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    for process in writers:
        _, errors = process.communicate(timeout=DEADLINE_SECONDS)
        assert process.returncode == 0, errors
    store = Store(url)
    (series,) = store.all_series()
    assert (series.num_points, len(store.all_runs())) == (100, 100)
    store.close()


def test_an_older_history_is_brought_to_this_version(
    url: str, run_of: MakeRunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(url)
    store.add(entry_of_run(run_of(0)))
    store.close()
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    migration = {schema.VERSION - 1: ["ALTER TABLE runs ADD COLUMN host VARCHAR(64) DEFAULT ''"]}
    monkeypatch.setattr(schema, "MIGRATIONS", migration)
    store = Store(url)
    with store.transaction() as connection:
        assert connection.execute(text("SELECT host FROM runs")).scalar_one() == ""
        assert connection.execute(text("SELECT version FROM history_version")).scalar_one() == schema.VERSION
    store.close()


def test_the_index_is_what_a_series_is_found_by(tmp_path: Path, run_of: MakeRunOf) -> None:
    store = Store(f"sqlite:///{tmp_path / 'h.sqlite'}")
    store.add(entry_of_run(run_of(0)))
    store.close()
    with sqlite3.connect(tmp_path / "h.sqlite") as connection:
        plan = " ".join(
            str(row) for row in connection.execute("EXPLAIN QUERY PLAN SELECT * FROM points WHERE series_id='x'")
        )
    assert "SEARCH points USING" in plan


def test_an_entry_of_a_run_without_measurements_has_no_points(make_run: Callable[..., Run], store: Store) -> None:
    entry = entry_of_run(make_run([]))
    assert isinstance(entry, Entry)
    assert store.add(entry) == "added"
    assert store.all_series() == []
