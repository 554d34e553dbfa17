"""Two revisions as a person compares them: whose code is measured, what is left behind, how it ends."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.program.sandbox import Sandbox, one_line

NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 3)

    def forward(self, inputs):
        return self.layer(inputs)
"""
WORKLOAD = """
import torch
from torch import nn

from model_package.net import Net


def _make_batch(batch_size):
    return torch.randn(batch_size, 8), torch.randint(0, 3, (batch_size,))


def _compute_loss(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def small():
    return Net(), _make_batch, _compute_loss
"""
NEWER = """

def newer():
    return small()
"""
CASE = ("--device", "cpu", "--strategy", "single", "--precision", "fp32", "--format", "json")


def _git(directory: Path, *arguments: str) -> str:
    names = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **names, **nothing}, timeout=20
    ).stdout


@pytest.fixture(name="repository")
def _repository(sandbox: Sandbox) -> Sandbox:
    """A repository with a workload in a folder and a package beside it, committed once, its path with a space in it."""
    root = sandbox.directory / "a repository"
    for name, text in {"model_package/net.py": NET, "model_package/__init__.py": "", "folder/wl.py": WORKLOAD}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    _git(sandbox.directory, "init", "-q", "-b", "main", str(root))
    _git(root, "add", "-A")
    _git(root, "commit", "-qm", "first")
    sandbox.directory = root / "folder"
    return sandbox


def _worktrees(sandbox: Sandbox) -> int:
    return _git(sandbox.directory, "worktree", "list", "--porcelain").count("worktree ")


def _rows(output: str) -> dict[str, Any]:
    return {row["label"]: row for row in json.loads(output)["rows"]}


def test_each_side_runs_its_own_code_though_only_the_inside_of_a_package_differs(repository: Sandbox) -> None:
    """The working tree is on the path, as an editable install puts it there, and must be found by neither side."""
    net, workload = repository.directory.parent / "model_package" / "net.py", repository.directory / "wl.py"
    net.write_text(NET.replace("self.layer(inputs)", "self.layer(inputs) + 0 * inputs.sum().item()"))
    workload.write_text(WORKLOAD + NEWER)
    status, files = _git(repository.directory, "status", "--porcelain"), repository.files()
    cases = ("--workload", "wl.py:small,wl.py:newer", *CASE)
    ended = repository.run(
        "ab", "--base", "HEAD", *cases, "--counters-only", PYTHONPATH=str(repository.directory.parent)
    )
    assert ended.returncode == 1, ended.stderr
    (row,) = _rows(ended.stdout).values()
    changes = {change["name"]: change["now"] - change["before"] for change in row["changes"]}
    assert changes["host_syncs"] == 1
    assert json.loads(ended.stdout)["new"] == ["wl.py_newer-cpu-single-fp32-b32-d1"]
    assert _git(repository.directory, "status", "--porcelain") == status
    assert repository.files() == files
    assert _worktrees(repository) == 1


def test_sides_that_take_turns_leave_every_format_and_every_pair(repository: Sandbox) -> None:
    """Two ranks a side, and a head that sleeps: it is slower, unless this machine is too busy to say so."""
    workload = repository.directory / "wl.py"
    slower = "import time; time.sleep(0.004)\n    return nn.functional"
    workload.write_text(WORKLOAD.replace("return nn.functional", slower))
    axes = ("--device", "cpu", "--strategy", "ddp", "--precision", "fp32", "--format", "json")
    ended = repository.run(
        *("ab", "--base", "HEAD", "--workload", "wl.py:small", *axes, "--budget", "1", "--fail-on", "slower"),
        *("--out", "out", "--quiet"),
    )
    out = repository.directory / "out"
    assert {path.name for path in out.iterdir()} == {
        *("comparison.txt", "comparison.json", "comparison.md", "junit.xml", "pairs.jsonl")
    }
    assert (out / "comparison.json").read_text() == ended.stdout
    (row,) = _rows(ended.stdout).values()
    pairs = [json.loads(line) for line in (out / "pairs.jsonl").read_text().splitlines()]
    assert {pair["status"] for pair in pairs} == {"ok"}, ended.stderr
    stages = [pair["stage"] for pair in pairs]
    if row["verdict"] == "slower":
        assert (ended.returncode, stages.count("first"), stages.count("fresh")) == (1, 6, 16)
        assert row["ratio"]["low"] > 1.3
    else:
        assert (ended.returncode, row["verdict"]) == (0, "inconclusive")
        assert "contended" in row["why"]


def test_a_dry_run_leaves_neither_file_nor_worktree(repository: Sandbox) -> None:
    before = repository.files()
    cases = ("--workload", "wl.py:small", "--device", "cpu", "--strategy", "single", "--precision", "fp32,amp_bf16")
    ended = repository.run("ab", "--base", "HEAD", *cases, "--out", "out", "--dry-run", "--quiet")
    assert (ended.returncode, ended.stderr) == (0, "")
    *slugs, _, last = ended.stdout.splitlines()
    assert slugs == ["wl.py_small-cpu-single-fp32-b32-d1", "wl.py_small-cpu-single-amp_bf16-b32-d1"]
    assert re.fullmatch(r"2 of 2 cases can be compared: after one run a side, roughly \d+ s if .*", last)
    assert repository.files() == before
    assert _worktrees(repository) == 1


def test_modes_of_one_revision_need_no_repository(sandbox: Sandbox) -> None:
    ended = sandbox.run(*("ab", "--axis", "batch_size=4096,8", "--workload", "models.py:good", *CASE, "--budget", "1"))
    assert ended.returncode == 0, ended.stderr
    (row,) = _rows(ended.stdout).values()
    assert row["verdict"] in ("faster", "inconclusive")
    assert "peak_allocated_bytes" in {change["name"] for change in row["changes"]}


def _start_and_wait_for_pairs(repository: Sandbox) -> subprocess.Popen[str]:
    arguments = ("ab", "--base", "HEAD", "--workload", "wl.py:small", *CASE, "--out", "out")
    process = repository.start(*arguments)
    end = time.monotonic() + 60
    pairs = repository.directory / "out" / "pairs.jsonl"
    while not (pairs.exists() and pairs.read_bytes()):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.02)
    return process


def test_a_killed_run_leaves_no_process_and_the_next_one_clears_its_worktrees(repository: Sandbox) -> None:
    with _start_and_wait_for_pairs(repository) as process:
        process.send_signal(signal.SIGKILL)
        repository.wait(process)
    end = time.monotonic() + 10
    while repository.processes():
        assert time.monotonic() < end, repository.processes()
        time.sleep(0.05)
    assert _worktrees(repository) == 3
    ended = repository.run("ab", "--base", "HEAD", "--workload", "wl.py:small", *CASE, "--counters-only")
    assert ended.returncode == 0, ended.stderr
    assert _worktrees(repository) == 1


def test_ctrl_c_tells_what_is_known_and_leaves_nothing(repository: Sandbox) -> None:
    with _start_and_wait_for_pairs(repository) as process:
        process.send_signal(signal.SIGINT)
        ended = repository.wait(process)
    assert ended.returncode == 130, ended.stderr
    (row,) = _rows(ended.stdout).values()
    assert (row["verdict"], row["why"]) == ("inconclusive", "interrupted")
    assert _worktrees(repository) == 1


def test_a_base_that_is_not_there_is_one_line(repository: Sandbox) -> None:
    ended = repository.run("ab", "--base", "mian", "--workload", "wl.py:small")
    assert ended.returncode == 2
    assert "did you mean" in one_line(ended.stderr)
