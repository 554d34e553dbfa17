"""A run in the form of other tools, read by what reads theirs."""

import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pandas as pd
import pytest

from bench.case import Case
from bench.cli import main
from bench.comparing.pytest_benchmark import read_document
from bench.exporting import bencher, github_action_benchmark, parquet, pytest_benchmark
from bench.result import CaseResult, Environment, Plan, SamplingPlan
from bench.results.frame import Run
from bench.running.journal import JournalWriter

MakeCase = Callable[..., Case]
MakeRounds = Callable[..., list[CaseResult]]
MakeRun = Callable[..., Run]
DEADLINE_SECONDS = 60.0
# docs of Bencher, "Bencher Metric Format (BMF)", July 2026.
BMF = {
    "type": "object",
    "patternProperties": {
        ".+": {
            "type": "object",
            "patternProperties": {
                ".+": {
                    "type": "object",
                    "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
                    "required": ["value"],
                }
            },
        }
    },
}


@pytest.fixture(name="run")
def _run(make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun) -> Run:
    """Return a run of two measured cases, 4 and 2 ms, and one that is skipped."""
    skipped = CaseResult(case=make_case(device="cuda"), round=0, status="skipped", reason="none here")
    return make_run(
        [
            *make_rounds(make_case(), [0.004, 0.004, 0.0041]),
            *make_rounds(make_case(precision="amp_bf16"), [0.002]),
            skipped,
        ],
        environment=Environment(hard={"cpu_name": "EPYC", "cores": "2", "machine": "x86_64"}, soft={"hostname": "box"}),
        commit="abc123def-dirty",
        started_at="2026-11-25T12:00:00+00:00",
    )


def test_pytest_benchmark_compares_what_was_exported(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(pytest_benchmark.export(run))
    ended = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", str(path), "--columns=median,rounds", "--group-by=group"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "mlp-cpu-single-fp32-b64-d1" in ended.stdout
    assert "benchmark 'mlp': 2 tests" in ended.stdout


def test_we_read_our_own_export_with_all_workers(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(pytest_benchmark.export(run))
    document = read_document(path)
    found = document.benchmarks["stepbench::mlp-cpu-single-fp32-b64-d1"]
    assert found.seconds == pytest.approx([0.004, 0.004, 0.0041])
    assert found.environment == document.environment == run.plan.environment
    assert (document.commit, document.started_at) == ("abc123def-dirty", "2026-11-25T12:00:00+00:00")
    (first, _) = json.loads(path.read_text())["benchmarks"]
    assert first["extra_info"]["peak_allocated_bytes"] == 12 * 2**20
    assert first["stats"]["iterations"] == 1


def test_github_action_benchmark_gets_what_it_asks_for(run: Run) -> None:
    found: list[dict[str, Any]] = json.loads(github_action_benchmark.export(run))
    assert [(one["name"], one["unit"]) for one in found] == [
        ("mlp-cpu-single-fp32-b64-d1 step", "s"),
        ("mlp-cpu-single-fp32-b64-d1 peak memory", "bytes"),
        ("mlp-cpu-single-amp_bf16-b64-d1 step", "s"),
        ("mlp-cpu-single-amp_bf16-b64-d1 peak memory", "bytes"),
    ]
    assert found[2]["value"] == pytest.approx(0.002)
    assert found[0]["range"].startswith("±")
    assert "range" not in found[2]  # one round has no interval
    assert all(isinstance(one["value"], float) and isinstance(one["extra"], str) for one in found)


def test_bencher_s_schema_holds(run: Run) -> None:
    found = json.loads(bencher.export(run))
    jsonschema.validate(found, BMF)
    assert found["mlp-cpu-single-amp_bf16-b64-d1"] == {
        "latency": {"value": pytest.approx(2e6)},
        "throughput": {"value": pytest.approx(32000.0)},
        "peak-memory": {"value": 12 * 2**20},
    }
    first = found["mlp-cpu-single-fp32-b64-d1"]["latency"]
    assert first["lower_value"] < first["value"] < first["upper_value"]


@pytest.mark.parametrize("module", [bencher, github_action_benchmark, pytest_benchmark])
def test_a_loss_that_became_infinite_is_json_all_the_same(
    module: ModuleType, make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    wild = make_run(make_rounds(make_case(), [1e-6, 1e3], final_loss=math.inf))
    json.loads(module.export(wild), parse_constant=pytest.fail)  # JSON has no Infinity


@pytest.mark.parametrize("module", [bencher, github_action_benchmark, pytest_benchmark])
def test_two_cases_with_one_readable_name_are_both_there(
    module: ModuleType, make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    cases = [make_case(workload=name) for name in ("a/b.py:f", "a_b.py:f")]
    assert cases[0].slug == cases[1].slug
    content = module.export(make_run([result for case in cases for result in make_rounds(case, [0.004])])).decode()
    assert all(case.id in content for case in cases)


def test_parquet_keeps_the_types(run: Run) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra parquet)")
    found = pd.read_parquet(io.BytesIO(parquet.export(run)))
    assert list(found.columns) == list(run.cases.columns)
    assert found["rounds"].tolist() == [3, 1, 0]


@pytest.fixture(name="directory")
def _directory(tmp_path: Path, make_case: MakeCase, make_rounds: MakeRounds, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of a run, below the current one."""
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    journal = JournalWriter(Path("run", "results.jsonl"))
    journal.write_plan(Plan(cases=(make_case(),), sampling=SamplingPlan(), environment=Environment()))
    for result in make_rounds(make_case(), [0.004, 0.0041]):
        journal.write_result(result)
    journal.close()
    return Path("run")


def test_the_command_writes_to_standard_output_or_a_file(
    directory: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["export", str(directory), "--format", "bencher"]) == 0
    sys.stdout.flush()
    printed = capfdbinary.readouterr().out
    assert main(["export", str(directory), "--format", "bencher", "--out", "to/there.json"]) == 0
    assert json.loads(printed) == json.loads(Path("to/there.json").read_bytes())
    assert b"warning: in doubt, see their flags: mlp-cpu-single-fp32-b64-d1\n" in capfdbinary.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("run", "--format", "benchr"), "--format: 'benchr' is not known; did you mean 'bencher'?"),
        (
            ("gone", "--format", "bencher"),
            "gone: cannot be read (No such file or directory); give the directory of a run",
        ),
        (("run", "--format", "bencher", "--out", "run"), "--out 'run' cannot be written (Is a directory); name a file"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...], complaint: str, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert directory.is_dir()
    assert main(["export", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {complaint}")
    assert said.count("\n") == 1


def test_parquet_without_its_package_is_one_line(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["export", str(directory), "--format", "parquet"]) == 2
    assert "needs pyarrow, which is not installed" in capsys.readouterr().err
