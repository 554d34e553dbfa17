"""What is read as one side: our journals and pytest-benchmark's files, and one line for anything else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.case import Case
from bench.comparing.comparison import compare
from bench.comparing.pytest_benchmark import ENVIRONMENT_KEY, ROUND_IS_WORKER, ROUND_KEY, WORKERS_KEY
from bench.comparing.sides import load
from bench.errors import JournalError
from bench.record import to_plain
from bench.result import SCHEMA_VERSION, CaseResult, Environment, Plan, SamplingPlan
from bench.running.journal import JournalWriter
from tests.comparing.conftest import MakeSide

MACHINE = {
    "node": "host",
    "machine": "x86_64",
    "python_version": "3.11.7",
    "release": "6.1",
    "cpu": {"brand_raw": "AMD EPYC", "arch": "X86_64", "count": 2, "hz_actual": [1, 2]},
}


def _file(tmp_path: Path, content: Any, name: str = "0001.json") -> Path:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def _benchmarks(**stats: Any) -> dict[str, Any]:
    return {"machine_info": MACHINE, "benchmarks": [{"fullname": "tests/test_a.py::test_a[1]", "stats": stats}]}


def test_rounds_of_pytest_benchmark_are_workers_only_where_they_are_processes(tmp_path: Path) -> None:
    content = _benchmarks(data=[0.1, 0.2], median=0.15)
    side = load(_file(tmp_path, content))
    assert side.cases["tests/test_a.py::test_a[1]"].step_seconds == [0.15]
    content["benchmarks"][0]["extra_info"] = {ROUND_KEY: ROUND_IS_WORKER}
    assert load(_file(tmp_path, content)).cases["tests/test_a.py::test_a[1]"].step_seconds == [0.1, 0.2]
    assert side.environment.hard == {
        "cpu_name": "AMD EPYC",
        "cpu_arch": "X86_64",
        "cores": "2",
        "python": "3.11",  # the patch version forbids nothing
        "machine": "x86_64",
    }


def test_of_a_benchmark_of_ours_all_is_compared_and_its_own_machine_counts(tmp_path: Path) -> None:
    content = _benchmarks(data=[0.3], median=0.3)
    environment = Environment(hard={"torch": "2.13.0"})
    columns = {"operators": 61, "peak_allocated_bytes": 1024, "parameters": 1000.0, "mfu_ratio": None}
    axes = {"device": "cpu", "num_devices": 2, "flags": "contended", "counters_source": "dispatch"}
    own = {ROUND_KEY: ROUND_IS_WORKER, WORKERS_KEY: [0.1, 0.2], ENVIRONMENT_KEY: to_plain(environment)}
    content["benchmarks"][0]["extra_info"] = {**own, **columns, **axes}
    side = load(_file(tmp_path, content))
    assert side.environment == environment
    (found,) = side.cases.values()
    assert found.step_seconds == [0.1, 0.2]
    assert found.exact == {"operators": 61, "peak_allocated_bytes": 1024, "parameters": 1000}
    assert (found.counters_source, found.flags) == ("dispatch", ("contended",))
    assert found.memory_tolerance_bytes > 0


def test_a_file_without_rounds_is_of_one_figure(tmp_path: Path) -> None:
    side = load(_file(tmp_path, _benchmarks(median=0.15)))
    assert side.cases["tests/test_a.py::test_a[1]"].step_seconds == [0.15]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", ":1: not JSON"),
        ('{"benchmarks": [\n{]}', ":2: not JSON"),
        ("[]", ":1: not a file of pytest-benchmark"),
        ({"machine_info": {}}, ":1: not a file of pytest-benchmark (it has no 'benchmarks')"),
        (
            {"machine_info": MACHINE, "benchmarks": [{"fullname": "a"}]},
            ":1: not a file of pytest-benchmark (it has no 'stats')",
        ),
        ({"machine_info": None, "benchmarks": []}, ":1: not a file of pytest-benchmark"),
        (
            {
                "machine_info": MACHINE,
                "benchmarks": [
                    {
                        "fullname": "a",
                        "stats": {"median": 1.0},
                        "extra_info": {ROUND_KEY: ROUND_IS_WORKER, ENVIRONMENT_KEY: []},
                    }
                ],
            },
            ":1: not a file of pytest-benchmark (",
        ),
        (_benchmarks(median="x"), ":1: not a file of pytest-benchmark"),
        (_benchmarks(median=0), ":1: not a file of pytest-benchmark (0.0 s is no time"),
        (_benchmarks(median=1e300), ":1: not a file of pytest-benchmark"),
        ('{"machine_info": {}, "benchmarks": [{"fullname": "a", "stats": {"median": NaN}}]}', ":1: not a file"),
        ("[" * 100_000, ":1: not a file of pytest-benchmark (nested too deeply)"),
    ],
)
def test_another_json_file_is_one_line_with_its_place(tmp_path: Path, content: Any, complaint: str) -> None:
    path = _file(tmp_path, content)
    with pytest.raises(JournalError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}{complaint}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", ":1: a journal begins with its plan"),
        ("PK\x03\x04\n", ":1: not JSON"),
        (
            f'{{"kind": "plan", "schema_version": {SCHEMA_VERSION + 1}}}\n',
            ":1: written with schema ",
        ),
    ],
)
def test_another_file_is_no_journal(tmp_path: Path, content: str, complaint: str) -> None:
    path = _file(tmp_path, content, "results.jsonl")
    with pytest.raises(JournalError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}{complaint}")


def test_a_journal_that_was_cut_off_is_compared_and_named(
    tmp_path: Path, make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]
) -> None:
    path = tmp_path / "results.jsonl"
    journal = JournalWriter(path)
    journal.write_plan(Plan(cases=(make_case(),), sampling=SamplingPlan(), environment=Environment()))
    for result in make_rounds(make_case(), [0.004] * 9):
        journal.write_result(result)
    journal.close()
    whole = load(path)
    assert compare(whole, whole).notes == ()
    path.write_bytes(path.read_bytes()[:-20])
    cut = load(path)
    assert len(next(iter(cut.cases.values())).step_seconds) == 8
    told = f"The journal of {path} ends in the middle of a line: what came after it is not compared."
    assert compare(whole, cut).notes == (told,)


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    for name in ("gone", "gone.json"):
        with pytest.raises(JournalError, match="cannot be read"):
            load(tmp_path / name)


def test_a_speed_up_is_over_the_rounds_that_both_have_and_none_of_the_reference(make_side: MakeSide) -> None:
    side = make_side({"mlp": 0.01, "mlp/2": {"axes": {"precision": "amp_bf16"}, "seconds": 0.005}})
    reference, other = side.cases.values()
    assert list(reference.speedups) == []
    assert list(other.speedups) == pytest.approx([2.0] * 8)
    assert other.exact["operators"] == 61
    assert other.exact["parameters"] == 1000


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (('"window_seconds":0.1', '"window_seconds":0'), "its times are no times"),
        (('"window_seconds":0.1', '"window_seconds":NaN'), "its times are no times"),
        (('"window_seconds":0.1', '"window_seconds":"x"'), None),
        (('"parameters":1000', '"parameters":"x"'), None),
        (('"peak_allocated_bytes":12582912', '"peak_allocated_bytes":NaN'), None),
        (('"rank_window_seconds":[0.1]', '"rank_window_seconds":[]'), None),
        (('"step":[0.01', '"step":["x"'), None),
        (('"workload":"mlp"', '"workload":null'), None),
        (('"window_steps":10', '"window_steps":0'), None),
        (('"samples_seconds":{', '"samples_seconds":{"step":[],"x":{},"y":{'), None),
        (('"status":"ok"', '"status":"odd"'), "status 'odd' is not known"),
    ],
)
def test_a_result_that_nobody_can_use_is_one_line(
    tmp_path: Path,
    make_case: Callable[..., Case],
    make_rounds: Callable[..., list[CaseResult]],
    edit: tuple[str, str],
    complaint: str | None,
) -> None:
    path = tmp_path / "results.jsonl"
    writer = JournalWriter(path)
    case = make_case()
    writer.write_plan(Plan(cases=(case,), sampling=SamplingPlan(), environment=Environment()))
    for result in make_rounds(case, [0.01, 0.01]):
        writer.write_result(result)
    writer.close()
    assert edit[0] in path.read_text()
    path.write_text(path.read_text().replace(*edit))
    with pytest.raises(JournalError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}:")
    if complaint:
        assert str(caught.value) == f"{path}:2: {complaint}; is this a run that stepbench wrote?"
