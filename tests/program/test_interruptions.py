"""A run that is cut short: reports of what there is, its exit status, and a resumed run that repeats nothing."""

import os
import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pandas as pd

from bench.running import journal
from tests.program.sandbox import Sandbox, one_line

OPTIONS = ("--suite", "three.toml", "--rounds", "2")
THREE = """
schema = 1
[[case]]
workload = "models.py:slow"
batch_size = [8, 16, 32]
"""

HANGING = """
import pathlib
import tempfile
import time

import torch.distributed as dist

from models import good


def hangs():
    model, make_batch, compute_loss = good()

    def hang(model, batch):
        tempfile.mkstemp()
        pathlib.Path(f"hangs{dist.get_rank()}").touch()
        if dist.get_rank() == 0:
            dist.barrier()
        time.sleep(1000)

    return model, make_batch, hang
"""


def _wait_for(what: Path, process: subprocess.Popen[str], *, lines: int = 0, seconds: float = 60.0) -> None:
    """Wait until the file is there and has so many lines."""
    end = time.monotonic() + seconds
    while not (what.exists() and what.read_bytes().count(b"\n") >= lines):
        assert time.monotonic() < end, f"{what} did not come"
        assert process.poll() is None, f"the program ended before {what} came"
        time.sleep(0.02)


def _interrupt(
    sandbox: Sandbox, number: signal.Signals, lines: int, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run until the journal has so many lines, then send the signal."""
    with sandbox.start(*arguments) as process:
        _wait_for(sandbox.directory / "out" / journal.FILE_NAME, process, lines=lines)
        process.send_signal(number)
        return sandbox.wait(process)


def _visits(out: Path) -> list[tuple[str, int]]:
    return [(result.case.id, result.round) for result in journal.read(out).results]


def test_an_interrupted_run_reports_what_there_is_and_is_resumed_until_it_is_whole(sandbox: Sandbox) -> None:
    (sandbox.directory / "three.toml").write_text(THREE)
    out = sandbox.directory / "out"

    ended = _interrupt(sandbox, signal.SIGINT, 2, *OPTIONS, "--format", "csv,throughput", "--out", "out")
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert re.search(r"^SIGINT\b.*\breporting what there is$", ended.stderr, re.MULTILINE)
    assert re.fullmatch(r"continue with: python \S*run_bench.py --resume out", ended.stderr.splitlines()[-1])
    first = _visits(out)
    assert 1 <= len(first) < 6
    table = pd.read_csv(out / "results.csv")
    reached = {case_id for case_id, _ in first}
    assert dict(zip(table["case_id"], table["status"], strict=True)) == {
        case_id: "ok" if case_id in reached else "skipped" for case_id in table["case_id"]
    }
    assert len(table) == 3
    assert set(table.loc[table["status"] == "skipped", "reason"]) <= {"not reached before the run ended"}
    assert {path.name for path in out.iterdir()} == {
        *("results.jsonl", "results.csv", "samples.csv.gz", "throughput.png"),
    }
    assert sandbox.leftovers() == []

    written = sandbox.files()
    other = sandbox.run("--resume", "out", "--suite", "three.toml", "--rounds", "3")
    assert other.returncode == 2
    assert one_line(other.stderr.partition("\n")[2]) == (
        "error: --resume 'out': --rounds was 2 and is now 3; leave the options out to continue it, or start a new one"
    )
    assert sandbox.files() == written

    ended = _interrupt(sandbox, signal.SIGTERM, len(first) + 3, "--resume", "out", "--format", "csv")
    assert ended.returncode == 143
    assert re.search(r"^SIGTERM\b.*\breporting what there is$", ended.stderr, re.MULTILINE)
    second = _visits(out)
    assert second[: len(first)] == first
    assert len(first) < len(second) < 6

    ended = sandbox.run("--resume", "out", *OPTIONS, "--format", "csv")
    assert ended.returncode == 0, ended.stderr
    last = _visits(out)
    assert last[: len(second)] == second
    assert Counter(last) == {(case_id, number): 1 for case_id in table["case_id"] for number in range(2)}
    table = pd.read_csv(out / "results.csv")
    assert table["rounds"].tolist() == [2, 2, 2]
    assert set(table["status"]) == {"ok"}


def test_when_the_parent_is_killed_everything_ends_also_a_collective_that_hangs(sandbox: Sandbox) -> None:
    (sandbox.directory / "hanging.py").write_text(HANGING)
    options = ("--workload", "hanging.py:hangs", "--device", "cpu", "--strategy", "ddp", "--precision", "fp32")
    with sandbox.start("--suite", "quick", *options, "--timeout", "100", "--out", "out") as process:
        for rank in range(2):
            _wait_for(sandbox.directory / f"hangs{rank}", process)
        assert len(sandbox.processes()) >= 6  # the program, three launchers, two ranks
        assert any(Path(path).name.startswith("tmp") for path in sandbox.temporary_files())
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert sandbox.leftovers(patience_seconds=10.0) == []
