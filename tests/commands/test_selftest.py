"""The self-test's command on scripted checks: what is shown, what is said, and the exit status."""

import argparse
import io
import itertools
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from rich.console import Console

import bench.selftest
from bench import registry
from bench.commands import _selftest, selftest
from bench.errors import NothingToMeasureError, UsageError
from bench.selftest._check import Finding

CHECK = '''
"""{title}."""

from bench.running.pool import CallError
from bench.running.session import Interrupted
from bench.selftest._check import Finding, OutOfTimeError


def run(pool):
    {body}
'''
BODIES = {
    "holds": 'return Finding(verdict="holds", figure="+0.1 %", bar="within ±1 %")',
    "fails": 'return Finding(verdict="fails", figure="+3.0 %", bar="within ±1 %")',
    "undecidable": 'return Finding(verdict="undecidable", figure="+1.0 %", bar="within ±1 %")',
    "crashes": 'raise CallError("a worker was killed by SIGSEGV")',
    "times_out": 'raise OutOfTimeError("a worker was not done after 30 s")',
    "breaks": '{}["no such figure"]',
    "interrupts": "raise Interrupted(2)",
}
Write = Callable[..., None]
_numbers = itertools.count()


class NoPool:
    """Starts nothing."""

    def __init__(self, *arguments: Any) -> None:
        self.notes = ("a note of the pool",)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *arguments: object) -> None:
        pass


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Put a check of each of the named kinds in the place of the real ones, as a file each."""
    folder = tmp_path / "selftest"
    folder.mkdir()
    monkeypatch.setattr(registry, "PACKAGE_DIR", tmp_path)
    monkeypatch.setattr(bench.selftest, "__path__", [str(folder)])
    monkeypatch.setattr(_selftest, "Pool", NoPool)
    before = set(sys.modules)

    def write(*kinds: str) -> None:
        for kind in kinds:
            (folder / f"{kind}.py").write_text(CHECK.format(title=f"Check that {kind}", body=BODIES[kind]))

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("bench.selftest."):
            del sys.modules[name]
            vars(bench.selftest).pop(name.rpartition(".")[2], None)


def _execute(*, check: list[str] | None = None, quiet: bool = False) -> int:
    return selftest.execute(argparse.Namespace(check=check, quiet=quiet))


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        (("holds",), 0),
        (("holds", "fails"), 1),
        (("holds", "undecidable"), 3),
        (("undecidable", "fails"), 1),
        (("holds", "crashes"), 1),
        (("holds", "breaks"), 1),
        (("holds", "times_out"), 3),
    ],
)
def test_the_exit_status_is_that_of_the_worst_check(write: Write, kinds: tuple[str, ...], status: int) -> None:
    write(*kinds)
    assert _execute() == status


def test_the_table_has_a_line_for_every_check_and_a_file_is_all_that_one_takes(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write("holds", "fails", "undecidable", "crashes", "times_out", "breaks")
    _execute(quiet=True)
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells == [
        ["check", "what must be so", "found", "bar", "verdict"],
        ["breaks", "Check that breaks", "KeyError: 'no such figure'", "fails"],
        ["crashes", "Check that crashes", "CallError: a worker was killed by SIGSEGV", "fails"],
        ["fails", "Check that fails", "+3.0 %", "within ±1 %", "fails"],
        ["holds", "Check that holds", "+0.1 %", "within ±1 %", "holds"],
        ["times_out", "Check that times_out", "a worker was not done after 30 s", "undecidable"],
        ["undecidable", "Check that undecidable", "+1.0 %", "within ±1 %", "undecidable"],
    ]


def test_a_failure_is_one_line_with_figure_and_bar_also_where_progress_is_not_wanted(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write("holds", "fails", "crashes")
    _execute(quiet=True)
    assert capsys.readouterr().err.splitlines() == [
        "crashes FAILS: found CallError: a worker was killed by SIGSEGV",
        "fails FAILS: found +3.0 %, the bar is within ±1 %",
    ]


def test_undecidable_is_said_with_what_to_do(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write("holds", "times_out", "undecidable")
    _execute(quiet=True)
    cure = "the machine is too busy or too noisy to tell; stop other programs and try again"
    assert capsys.readouterr().err == f"UNDECIDABLE: times_out, undecidable: {cure}\n"


def test_progress_is_a_line_a_check(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write("holds")
    assert _execute() == 0
    assert capsys.readouterr().err.splitlines() == [
        "starting the process that starts workers",
        "a note of the pool",
        "[1/1] holds: Check that holds",
    ]
    assert _execute(quiet=True) == 0
    assert capsys.readouterr().err == ""


def test_only_the_checks_that_are_asked_for_run(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write("holds", "fails", "undecidable")
    assert _execute(check=["undecidable", "holds", "holds"], quiet=True) == 3
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["check", "holds", "undecidable"]


def test_an_unknown_check_is_refused_with_the_one_that_was_meant(write: Write) -> None:
    write("holds", "fails")
    with pytest.raises(UsageError, match=r"^--check: 'hold' is not known; did you mean 'holds'\?$"):
        _execute(check=["fails", "hold"])


def test_an_interrupt_ends_it_with_its_own_status(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write("holds", "interrupts", "undecidable")
    assert _execute(quiet=True) == 128 + signal.SIGINT
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("", "SIGINT: 1 of 3 checks were done\n")


def test_a_machine_on_which_no_worker_starts_is_an_error_and_no_verdict(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any) -> NoPool:
        raise NothingToMeasureError("no worker can be started here")

    write("holds")
    monkeypatch.setattr(_selftest, "Pool", broken)
    with pytest.raises(NothingToMeasureError):
        _execute()


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_the_table_can_be_read_on_any_terminal(write: Write, encoding: str) -> None:
    write("holds")
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    finding = Finding(verdict="holds", figure="0.2 µs [0.1, 0.3]", bar="within ±1 %")
    _selftest.print_table({"holds": finding}, Console(file=stream, width=200))
    stream.seek(0)
    text = " ".join(stream.read().split())
    assert ("0.2 us [0.1, 0.3]" if encoding == "ascii" else "0.2 µs [0.1, 0.3]") in text
    assert ("within +/-1" if encoding == "ascii" else "within ±1") in text


def test_every_real_check_says_in_one_line_what_must_be_so() -> None:
    names = registry.names("selftest")
    assert {"bare_loop", "border", "known_duration", "same_case", "slower_case"} < set(names)
    for name in names:
        assert 10 < len(registry.summary("selftest", name)) <= 72, name
        assert callable(registry.load("selftest", name).run)
