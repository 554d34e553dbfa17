"""A user's repository whose tests time training steps, under pytest and every option of pytest-benchmark."""

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.case import Case
from bench.exporting import pytest_benchmark
from bench.registry import PACKAGE_DIR
from bench.result import CaseResult
from bench.results.frame import Run

DEADLINE_SECONDS = 120.0
MODEL = """
import torch
from torch import nn


def _make_batch(batch_size):
    return torch.randn(batch_size, 8), torch.randint(0, 3, (batch_size,))


def _compute_loss(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def small():
    return nn.Linear(8, 3), _make_batch, _compute_loss
"""
TESTS = """
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import my_model

GiB = 2**30


def test_plain(benchmark):
    assert benchmark(sum, [1, 2]) == 3


def test_step(train_step):
    step = train_step(my_model.small, device="cpu", rounds=3)
    assert step.peak_memory < 2 * GiB
    assert step["operators"] > 10
    assert step.seconds > 0


def test_ddp(train_step):
    step = train_step("my_model.py:small", device="cpu", strategy="ddp", num_devices=2, batch_size=4, rounds=2)
    assert step["collectives"] > 0
"""


class Project:
    """A folder with a model and its tests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tests").mkdir()
        self.write(TESTS)
        (root / "tests" / "my_model.py").write_text(MODEL)

    def write(self, tests: str) -> None:
        (self.root / "tests" / "test_speed.py").write_text(tests)

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run its tests from its root."""
        loaded = {found.name for found in importlib.metadata.entry_points(group="pytest11")}
        plugin = [] if "stepbench" in loaded else ["-p", "bench.pytest_plugin"]
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE_DIR.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *plugin, *options, "tests"],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    def saved(self) -> list[dict[str, Any]]:
        """Return what pytest-benchmark has stored, oldest first."""
        files = sorted((self.root / ".benchmarks").rglob("*.json"))
        return [json.loads(file.read_text()) for file in files]


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_steps_stand_beside_plain_benchmarks_with_all_that_is_known_of_them(
    project: Project,
    make_case: Callable[..., Case],
    make_rounds: Callable[..., list[CaseResult]],
    make_run: Callable[..., Run],
) -> None:
    histogram = ["--benchmark-histogram=plot"] if importlib.util.find_spec("pygal") else []
    ended = project.run("--benchmark-json=out.json", "--benchmark-save=first", *histogram)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    content = json.loads((project.root / "out.json").read_text())
    found = {one["name"]: one for one in content["benchmarks"]}
    assert set(found) == {"test_plain", "test_step", "test_ddp"}
    step = found["test_step"]
    assert (step["stats"]["rounds"], step["stats"]["iterations"]) == (3, 1)
    assert step["extra_info"]["stepbench_round"] == "worker"
    assert step["extra_info"]["operators"] > 10
    assert {"forward_seconds", "backward_seconds", "peak_allocated_bytes", "flags"} <= step["extra_info"].keys()
    seconds = step["stats"]["data"]
    assert min(seconds) <= step["extra_info"]["step_seconds"] <= max(seconds)
    assert "few_rounds" in step["extra_info"]["flags"].split()
    assert not found["test_plain"]["extra_info"]
    assert content["machine_info"]["stepbench"]["torch"]
    assert len(list(project.root.glob("plot*.svg"))) == len(histogram)
    assert len(project.saved()) == 1
    ours = project.root / "ours.json"
    ours.write_bytes(pytest_benchmark.export(make_run(make_rounds(make_case(), [0.004, 0.0041]))))
    compared = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", "out.json", "ours.json", "--columns=median,rounds"],
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert compared.returncode == 0, compared.stderr
    names = ("test_plain", "test_step", "test_ddp", make_case().slug)
    assert [name for name in names if name not in compared.stdout] == []
    again = project.run("--benchmark-compare", "--benchmark-autosave", "-k", "plain or step")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "test_step (NOW)" in again.stdout
    assert len(project.saved()) == 2


def test_where_benchmarks_are_disabled_one_worker_still_answers(project: Project) -> None:
    ended = project.run("--benchmark-disable")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout


def test_benchmarks_that_are_skipped_start_nothing(project: Project) -> None:
    ended = project.run("--benchmark-skip")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 skipped" in ended.stdout


def test_under_xdist_steps_are_tests(project: Project) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed (extra test)")
    ended = project.run("-n", "2", "-W", "default")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout


BAR = """
def test_step(train_step):
    train_step("my_model.py:small", device="cpu", rounds=8).must_not_be_slower_than("baseline")
"""


def test_a_bar_against_a_baseline_wants_one_of_this_case_then_fails_what_is_slower(project: Project) -> None:
    once = BAR.replace("rounds=8", "rounds=1")  # whatever comes of it is told before anything is judged
    project.write(once)
    without = project.run()
    assert without.returncode == 1
    assert "save it once with --benchmark-save=baseline" in without.stdout
    disabled = project.run("--benchmark-disable")
    assert disabled.returncode == 0, disabled.stdout
    project.write(BAR)
    assert project.run("--benchmark-save=baseline").returncode == 0
    project.write(once.replace('device="cpu"', 'device="cpu", precision="amp_bf16"'))
    other = project.run()
    assert other.returncode == 1
    assert "'baseline' was saved of another case than tests_my_model.py_small-cpu-single-amp_bf16" in other.stdout
    project.write(BAR)
    slower = "import time; time.sleep(0.02)\n    return nn.functional"
    (project.root / "tests" / "my_model.py").write_text(MODEL.replace("return nn.functional", slower))
    ended = project.run()
    assert ended.returncode == 1
    # Beside other work the step is flagged, and a bar judges nothing then; tests/test_testing.py has what it says.
    assert "slower than 'baseline' by" in ended.stdout or "InconclusiveWarning" in ended.stdout


OTHERS = """
import pytest


@pytest.fixture
def train_step():
    return lambda: sum(range(1000))


def test_theirs(benchmark, train_step):
    benchmark(train_step)
"""


def test_a_fixture_of_the_same_name_is_theirs(project: Project) -> None:
    project.write(OTHERS)
    ended = project.run("--benchmark-json=out.json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (found,) = json.loads((project.root / "out.json").read_text())["benchmarks"]
    assert found["stats"]["median"] > 0


MISTAKES = {
    '"my_model.py:smal", device="cpu"': "did you mean 'small'?",
    '"my_model.py:small", device="cpu", precision="bf16"': "precision: 'bf16' is not known",
    '"my_model.py:small", device="cpu", batch_size=0': "batch_size: 0 is no whole number above 0",
    '"my_model.py:small", device="cpu", rounds=-1': "rounds: -1 is no whole number above 0",
    '"my_model.py:small", batch_size=1, global_batch_size=2': "cannot stand beside global_batch_size",
    "lambda: None": "is inside of something; put it at the top of a file",
}
MISTAKEN = """
def test_twice(train_step):
    for precision in ("fp32", "amp_bf16"):
        train_step("my_model.py:small", device="cpu", precision=precision, rounds=1)


def test_not_alone(benchmark, train_step):
    train_step("my_model.py:small", device="cpu")


def test_not_here(train_step):
    train_step("my_model.py:small", device="cuda")


def test_elsewhere(train_step, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train_step("my_model.py:small", device="cpu", rounds=2).seconds > 0
"""


def test_each_mistake_is_told_in_one_line(project: Project) -> None:
    calls = "".join(
        f"def test_mistake{number}(train_step):\n    train_step({call})\n\n\n" for number, call in enumerate(MISTAKES)
    )
    project.write(calls + MISTAKEN)
    ended = project.run("-W", "default")  # pytest-benchmark warns of a fixture that a test did not come to use
    expected = [
        *MISTAKES.values(),
        "train_step: a test times one step; use pytest.mark.parametrize for others",
        "train_step: 'benchmark' was made before it; ask for train_step alone",
    ]
    assert [words for words in expected if words not in ended.stdout] == [], ended.stdout
    # Passed: the one that changed its directory. Skipped: the one without a GPU.
    assert f" {len(expected)} failed, 1 passed, 1 skipped, " in ended.stdout
    assert "another exception" not in ended.stdout


def test_a_step_that_fails_fails_its_test_with_the_reason(project: Project) -> None:
    (project.root / "tests" / "my_model.py").write_text(MODEL.replace("nn.Linear(8, 3)", "nn.Linear(9, 3)"))
    project.write(BAR + "\n\ndef test_plain(benchmark):\n    benchmark(sum, [1, 2])\n")
    ended = project.run("--benchmark-json=out.json")
    assert ended.returncode == 1
    assert "mat1 and mat2 shapes cannot be multiplied" in ended.stdout
    assert "testing.py" not in ended.stdout
    found = json.loads((project.root / "out.json").read_text())["benchmarks"]
    assert [one["name"] for one in found] == ["test_plain"]
