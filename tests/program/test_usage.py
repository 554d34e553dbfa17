"""Mistakes, empty runs and dry runs: what is said, with which exit status, and that nothing is written."""

import re

import pandas as pd
import pytest

from tests.program.sandbox import Sandbox, one_line


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--precision amp_bf61", r"--precision: 'amp_bf61' is not known; did you mean 'amp_bf16'\?"),
        (
            "--workload modles.py:good",
            r"--workload: 'modles.py:good': there is no file modles.py; did you mean 'models.py'\?",
        ),
        ("--workload models.py:godo", r"--workload: 'models.py:godo': function 'godo' is not known; .*'good'\?"),
        (
            "--suite broken.toml",
            r"broken.toml:3: \[\[case\]\] 1: key 'worklaod' is not known; did you mean 'workload'\?",
        ),
        ("--out models.py/out", r"--out 'models.py/out' leads through a file; name a directory"),
        ("--out /proc/self/out", r"--out '/proc/self/out' cannot be written \(.+\); name another directory"),
        ("--out taken", r"--out 'taken' is not empty; name a new directory"),
        ("--resume taken", r"--resume 'taken' holds no results.jsonl; give the directory of a run"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(sandbox: Sandbox, arguments: str, complaint: str) -> None:
    (sandbox.directory / "broken.toml").write_text("schema = 1\n[[case]]\nworklaod = 'mlp'\n")
    (sandbox.directory / "taken").mkdir()
    (sandbox.directory / "taken" / "thesis.tex").write_text("mine")
    before = sandbox.files()
    ended = sandbox.run(*arguments.split())
    assert re.fullmatch(f"error: {complaint}", one_line(ended.stderr))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sandbox.files() == before


def test_a_run_of_which_nothing_can_run_here_says_why_in_rows_and_exit_status(sandbox: Sandbox) -> None:
    ended = sandbox.run(
        "--device", "cuda", "--workload", "mlp", "--out", "out", "--format", "csv", CUDA_VISIBLE_DEVICES=""
    )
    assert ended.returncode == 3
    table = pd.read_csv(sandbox.directory / "out" / "results.csv")
    assert len(table) == 8  # single in four precisions, data_parallel and ddp in two
    assert set(table["status"]) == {"skipped"}
    assert set(table["reason"]) == {"needs 1 CUDA device, found 0", "needs 2 CUDA devices, found 0"}
    assert "needs 1 CUDA device, found 0" in ended.stdout


def test_a_dry_run_shows_the_cases_and_writes_nothing(sandbox: Sandbox) -> None:
    before = sandbox.files()
    options = ("--workload", "models.py:good", "--rounds", "3", "--out", "out")
    ended = sandbox.run("--dry-run", "--suite", "quick", *options, CUDA_VISIBLE_DEVICES="")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0] == "models.py_good-cpu-single-fp32-b32-d1"
    assert lines[3] == "models.py_good-cuda-single-fp32-pinned-b32-d1  (skipped: needs 1 CUDA device, found 0)"
    assert re.fullmatch(r"3 of 5 cases run here; roughly \d+ s for 3 rounds .*", lines[-1])
    assert sandbox.files() == before


def test_workers_can_be_spawned_and_a_folder_called_bench_is_not_in_the_way(sandbox: Sandbox) -> None:
    for name in ("bench/__init__.py", "torch.py", "pandas.py", "models/torch_stub.py"):
        path = sandbox.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"raise RuntimeError('{name} of the user was imported')")
    (sandbox.directory / "models.py").rename(sandbox.directory / "models" / "mine.py")
    options = ("--workload", "models/mine.py:good", "--device", "cpu", "--strategy", "single", "--precision", "fp32")
    ended = sandbox.run("--suite", "quick", *options, "--rounds", "1", "--start-method", "spawn", "--format", "csv")
    assert ended.returncode == 0, ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr
    latest = sandbox.directory / "reports" / "latest"  # outside the checkout runs go to the current folder
    table = pd.read_csv(latest / "results.csv")
    assert table["status"].tolist() == ["ok"]
    assert '"start_method":"spawn"' in (latest / "results.jsonl").read_text().partition("\n")[0]
