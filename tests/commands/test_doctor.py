"""Doctor's command on recorded facts: what is printed in each format, and the exit status."""

import argparse
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
from rich.console import Console

from bench.cli import main
from bench.commands import _doctor, doctor
from bench.doctor._finding import Finding
from bench.doctor._in_worker import look_at_torch
from bench.doctor._seen import Facts
from bench.errors import NothingToMeasureError, UsageError
from bench.result import CaseResult, Environment
from bench.running.pool import CallError
from bench.running.session import Interrupted
from tests.doctor import records

Capture = pytest.CaptureFixture[str]


def _execute(*, output: str | None = None, explain: str | None = None) -> int:
    return doctor.execute(argparse.Namespace(format=output, explain=explain, quiet=True))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Callable[[Facts], None]:
    """Put recorded facts in the place of this machine's."""

    def put(facts: Facts) -> None:
        monkeypatch.setattr(_doctor, "look", lambda _say: facts)

    return put


@pytest.mark.parametrize("output", ["table", "json", "markdown"])
def test_the_exit_status_says_whether_something_is_red(
    seen: Callable[[Facts], None], capsys: Capture, output: str
) -> None:
    seen(records.cpu_facts())
    assert _execute(output=output) == 0
    seen(records.facts(torch=records.cpu_torch()))
    assert _execute(output=output) == 1
    assert capsys.readouterr().err == ""


def test_the_table_is_worst_first_with_the_remedy_under_the_finding(
    seen: Callable[[Facts], None], capsys: Capture
) -> None:
    seen(records.facts(torch=records.cpu_torch(), variables={"OMP_NUM_THREADS": "64"}))
    _execute()
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0].split() == ["check", "found"]
    assert lines[1].startswith(
        "error    build       torch 2.13.0+cpu is a CPU-only build, so it cannot use NVIDIA H100"
    )
    assert lines[2].split()[0] == "try:"
    assert lines[3].startswith("warning  cores       OMP_NUM_THREADS makes torch use 64 threads on 8 cores")
    assert [line.split()[0] for line in lines[5:-2]] == ["ok"] * len(lines[5:-2])
    assert lines[-2:] == ["", "NOT READY: 1 thing has to be put right, from the top down."]


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_the_table_can_be_read_on_any_terminal(width: int, encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    finding = Finding(name="health", severity="warning", finding="µ [b]" * 30, evidence="±1", remedy="do it " * 40)
    _doctor.print_table([finding], Console(file=stream, width=width))
    stream.seek(0)
    lines = stream.read().splitlines()
    assert max(map(len, lines)) <= width
    assert ("u [b]" if encoding == "ascii" else "µ [b]") in "".join(lines)


def test_the_json_alone_is_on_standard_output(seen: Callable[[Facts], None], capsys: Capture) -> None:
    seen(records.cpu_facts())
    _execute(output="json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["ready"] is True
    assert answer["findings"][0]["severity"] == "note"


@pytest.mark.parametrize("output", ["table", "json", "markdown"])
def test_no_format_tells_who_and_where(
    seen: Callable[[Facts], None], capsys: Capture, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.setenv("HOME", "/data/people/jane")
    monkeypatch.setenv("LOGNAME", "jane")
    monkeypatch.setattr("socket.gethostname", lambda: "gpu-box-7")
    variables = {"LD_LIBRARY_PATH": "/data/people/jane/cudnn/lib"}
    failure = "OSError: /home/otto/x.so on gpu-box-7 for jane"
    versions = {"Linux": "6.8.0-gpu-box-7", "torch": "2.13.0", "nvidia-cudnn-cu12": "9.10.2.21"}
    torch = records.torch(devices=(records.device(name="vGPU of Jane"),))
    seen(records.facts(variables=variables, broken={"timm": failure}, versions=versions, torch=torch))
    _execute(output=output)
    printed = capsys.readouterr().out
    assert "~/cudnn/lib" in printed
    assert "6.8.0-<name>" in printed.replace("&lt;", "<")
    assert "9.10.2.21" in printed
    assert [word for word in ("jane", "otto", "gpu-box-7") if word in printed.lower()] == []


def test_an_error_is_explained_in_three_lines(capsys: Capture) -> None:
    assert _execute(explain="RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["means", "cause", "try"]


def test_a_traceback_is_read_from_standard_input(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Traceback (most recent call last):\n\xff\nRuntimeError: CUDA error: device-side assert triggered\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode("latin-1")), encoding="utf-8"))
    assert _execute(explain="-") == 0
    assert "index out of range" in capsys.readouterr().out


def test_an_unknown_text_says_so_and_ends_with_3(capsys: Capture) -> None:
    assert _execute(explain="KeyError: 'labels'") == 3
    assert capsys.readouterr().out.startswith("This text is not known here.")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"output": "jsn"}, "--format: 'jsn' is not known; did you mean 'json'?"),
        (
            {"explain": " "},
            "--explain: there is no text; give an error's last line, or - and a traceback on standard input",
        ),
        ({"explain": "x", "output": "json"}, "--explain answers in three lines; leave --format out"),
    ],
)
def test_a_mistake_is_one_line_with_the_cure(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError) as error:
        _execute(**options)
    assert str(error.value) == complaint


def test_an_interrupt_ends_it_with_its_own_status(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_say: object) -> Facts:
        raise Interrupted(2)

    monkeypatch.setattr(_doctor, "look", interrupt)
    assert _execute() == 130
    assert capsys.readouterr() == ("", "SIGINT: nothing was found out\n")


class FakePool:
    """Answers as workers would, or fails as they would; starts nothing."""

    fails: tuple[str, ...] = ()
    cannot_start = False

    def __init__(self, *_arguments: object) -> None:
        if self.cannot_start:
            raise NothingToMeasureError("no worker can be started here: ImportError: libcudnn.so.9")
        self.notes = ("the fork server failed its canary (timeout)",)
        self.environment = Environment()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_arguments: object) -> None:
        pass

    def call(self, function: str, *, timeout_seconds: float, **arguments: Any) -> dict[str, Any]:
        if function in self.fails or arguments.get("name") in self.fails:
            raise CallError("a worker was killed by SIGSEGV")
        return {"error": "RuntimeError: no"} if arguments else look_at_torch()

    def visit(self, case: Any, **_fields: Any) -> CaseResult:
        return CaseResult(case=case, round=0, status="timeout", reason="not done after 30 s and killed")


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> type[FakePool]:
    class Pool(FakePool):
        pass

    monkeypatch.setattr(_doctor, "Pool", Pool)
    monkeypatch.setattr(_doctor, "OPTIONAL", ("json", "csv", "no_such_module"))  # two that are installed
    monkeypatch.setattr(
        _doctor, "collect", lambda environment: records.cpu_facts(torch=None, variables={"OMP_NUM_THREADS": "8"})
    )
    return Pool


def _look() -> Facts:
    return _doctor.look(lambda _text: None)


def test_what_workers_see_and_prove_is_put_beside_what_the_parent_sees(pool: type[FakePool]) -> None:
    facts = _look()
    assert facts.torch is not None
    assert facts.notes == ("the fork server failed its canary (timeout)",)
    assert facts.broken == {"json": "RuntimeError: no", "csv": "RuntimeError: no"}
    assert [proof.status for proof in facts.proofs] == ["timeout", "untried", "untried", "untried"]
    assert facts.machine.cpu == "Some CPU"


def test_what_workers_told_is_kept_when_no_more_can_be_started(
    pool: type[FakePool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_arguments: object, **_fields: object) -> CaseResult:
        raise NothingToMeasureError("a process that starts workers died and cannot be replaced: no")

    monkeypatch.setattr(pool, "visit", dies)
    facts = _look()
    assert facts.torch is not None
    assert facts.torch_failure == ""
    assert facts.broken.keys() == {"json", "csv"}
    assert [proof.status for proof in facts.proofs] == ["crashed", "untried", "untried", "untried"]


def test_which_packages_are_broken_is_kept_when_torch_cannot_be_asked(
    pool: type[FakePool], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = pool.call

    def dies(self: FakePool, function: str, **fields: Any) -> dict[str, Any]:
        if "name" not in fields:
            raise NothingToMeasureError("a process that starts workers died and cannot be replaced: no")
        return call(self, function, **fields)

    monkeypatch.setattr(pool, "call", dies)
    facts = _look()
    assert facts.torch_failure.startswith("a process that starts workers died")
    assert facts.broken.keys() == {"json", "csv"}
    assert facts.notes != ()


def test_a_worker_that_dies_when_torch_is_asked_is_a_fact(pool: type[FakePool]) -> None:
    pool.fails = ("bench.doctor._in_worker:look_at_torch", "csv")
    facts = _look()
    assert (facts.torch, facts.torch_failure) == (None, "a worker was killed by SIGSEGV")
    assert facts.broken["csv"] == "a worker was killed by SIGSEGV"
    assert facts.proofs != ()


def test_a_torch_that_cannot_be_imported_is_a_fact_and_the_rest_is_still_seen(pool: type[FakePool]) -> None:
    pool.cannot_start = True
    facts = _look()
    assert facts.torch_failure == "no worker can be started here: ImportError: libcudnn.so.9"
    assert facts.machine.cpu == "Some CPU"
    assert facts.variables == {"OMP_NUM_THREADS": "8"}


def test_a_file_is_not_taken_for_its_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "error.txt"
    path.write_text("CUDA out of memory")
    assert main(["doctor", "--explain", str(path)]) == 2
    assert f"'{path}' is a file; write --explain - < '{path}'" in capsys.readouterr().err
    assert main(["doctor", "--explain", "CUDA out of memory " * 1000]) == 0  # too long for a name
