"""`env` on journals of other machines, and on scripted workers of this one."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from bench import cli
from bench.commands import _env
from bench.result import DeviceInfo, Environment, Plan, SamplingPlan
from bench.running import journal
from bench.running.pool import CallError

HERE = Environment(hard={"torch": "2.13.0", "OMP_NUM_THREADS": "2"}, soft={"hostname": "here"})
H100 = DeviceInfo(type="cuda", index=0, name="NVIDIA H100 80GB HBM3")

Write = Callable[[str, Environment], Path]


@pytest.fixture(name="write")
def _write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the journal of a run that was made in an environment."""
    monkeypatch.setenv("COLUMNS", "160")

    def write(name: str, environment: Environment) -> Path:
        (tmp_path / name).mkdir()
        writer = journal.JournalWriter(tmp_path / name / journal.FILE_NAME)
        writer.write_plan(Plan(cases=(), sampling=SamplingPlan(), environment=environment))
        writer.close()
        return tmp_path / name

    return write


def test_runs_on_one_machine_are_comparable(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    yesterday, today = write("a", HERE), write("b", dataclasses.replace(HERE, soft={"hostname": "there"}))
    assert cli.main(["env", str(yesterday), str(today)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["soft", "hostname", "here", "there"]
    assert lines[-1] == "comparable: every hard key is equal"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            Environment(hard={"torch": "2.12.1", "OMP_NUM_THREADS": "1"}),
            "OMP_NUM_THREADS was 2 and is now 1; torch was 2.13.0 and is now 2.12.1",
        ),
        (dataclasses.replace(HERE, devices=(H100,)), "accelerators was none and is now cuda:0 NVIDIA H100 80GB HBM3"),
    ],
)
def test_runs_on_two_machines_are_not_and_the_keys_are_named(
    write: Write, capsys: pytest.CaptureFixture[str], environment: Environment, sentence: str
) -> None:
    assert cli.main(["env", str(write("a", HERE)), str(write("b", environment))]) == 3
    assert capsys.readouterr().out.splitlines()[-1] == f"not comparable in absolute times: {sentence}"


def test_the_environment_of_a_run_is_shown(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["env", str(write("a", HERE))]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["kind", "key", "value"],
        ["hard", "torch", "2.13.0"],
        ["hard", "OMP_NUM_THREADS", "2"],
        ["hard", "accelerators", "none"],
        ["soft", "hostname", "here"],
        ["soft", "start_method", "forkserver"],
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a", "b", "c"], "error: env takes at most two runs, not 3; compare them in pairs"),
        (["a", "--measure-peak"], "error: --measure-peak measures this machine; leave the runs out"),
        (["a"], "error: a: cannot be read (No such file or directory); give the directory of a run"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["env", *arguments]) == 2
    assert capsys.readouterr().err == sentence + "\n"


class ScriptedPool:
    """A machine with an H100 that attains 700 TFLOP/s and 3 TB/s of it."""

    notes = ("a note of the pool",)
    environment = dataclasses.replace(HERE, devices=(H100,))

    def __init__(self, *arguments: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *arguments: object) -> None:
        pass

    def call(self, function: str, *, timeout_seconds: float, **arguments: Any) -> dict[str, Any]:
        assert function == "bench.measuring.attained:look"
        if arguments["device"] == "cpu":
            return {"flops_per_second": {"fp32": 8.13e10}, "bytes_per_second": 2e10, "others_ratio": 0.06}
        return {"flops_per_second": {"bf16": 7e14}, "bytes_per_second": 3e12, "others_ratio": 0.0}


def test_what_is_attained_stands_beside_the_data_sheet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(_env, "Pool", ScriptedPool)
    assert cli.main(["env", "--measure-peak"]) == 0
    seen = capsys.readouterr()
    assert seen.err.splitlines() == [
        "a note of the pool",
        "cpu: other programs took the processor meanwhile; stop them and measure again",
    ]
    rows = [line.rstrip() for line in seen.out.splitlines()]
    assert rows[-6:] == [
        "device  what  attained      data sheet   share",
        "cpu     fp32  81.3 GFLOP/s",
        "cpu     copy  20 GB/s",
        "cuda:0  bf16  700 TFLOP/s   990 TFLOP/s  71%",
        "cuda:0  copy  3 TB/s        3.35 TB/s    90%",
        _env.PEAK_LEGEND,
    ]


def test_a_device_that_cannot_be_measured_is_a_row_and_costs_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted = ScriptedPool.call

    def call(pool: ScriptedPool, function: str, *, timeout_seconds: float, **arguments: Any) -> dict[str, Any]:
        if arguments["device"] == "cuda:0":
            raise CallError("out of memory")
        return scripted(pool, function, timeout_seconds=timeout_seconds, **arguments)

    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(_env, "Pool", ScriptedPool)
    monkeypatch.setattr(ScriptedPool, "call", call)
    assert cli.main(["env", "--measure-peak"]) == 0
    rows = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert rows[-2] == "cuda:0  not measured  out of memory"


def test_tf32_is_measured_where_there_is_such_a_thing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, list[str]] = {}
    scripted = ScriptedPool.call

    def call(pool: ScriptedPool, function: str, *, timeout_seconds: float, **arguments: Any) -> dict[str, Any]:
        asked[arguments["device"]] = arguments["number_formats"]
        return scripted(pool, function, timeout_seconds=timeout_seconds, **arguments)

    devices = (
        dataclasses.replace(H100, capability=(9, 0)),
        DeviceInfo(type="cuda", index=1, name="Tesla T4", capability=(7, 5)),
    )
    monkeypatch.setattr(_env, "Pool", ScriptedPool)
    monkeypatch.setattr(ScriptedPool, "call", call)
    monkeypatch.setattr(ScriptedPool, "environment", dataclasses.replace(HERE, devices=devices))
    assert cli.main(["env", "--measure-peak"]) == 0
    assert ["tf32" in asked[device] for device in ("cpu", "cuda:0", "cuda:1")] == [False, True, False]
    capsys.readouterr()
