"""CI files, ours and those in docs/ci.md: valid by their schema, and their shell steps run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bench.registry import PACKAGE_DIR

ROOT = PACKAGE_DIR.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BLOCKS = re.findall(r"^```(yaml|sh)\n(.*?)^```$", (ROOT / "docs" / "ci.md").read_text(), re.MULTILINE | re.DOTALL)
GITHUB, GITLAB = (text for language, text in BLOCKS if language == "yaml")
(SHELL,) = (text for language, text in BLOCKS if language == "sh")
DEADLINE_SECONDS = 120.0
QUICKLY = "--counters-only --device cpu --strategy single --precision fp32"
"""In the place of a workflow's own options: the clock would take a minute."""
WORKLOAD = """
import torch

def small():
    def make_batch(batch_size):
        return torch.randn(batch_size, 8), torch.randint(0, 3, (batch_size,))

    def compute_loss(model, batch):
        return torch.nn.functional.cross_entropy(model(batch[0]), batch[1])

    return torch.nn.Linear(8, 3), make_batch, compute_loss
"""


def _load(text: str) -> Any:
    return YAML(typ="safe").load(text)


def _check(schema: str, *files: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_our_workflows_and_the_documented_one_fit_the_schema_of_github(tmp_path: Path) -> None:
    documented = tmp_path / "documented.yml"
    documented.write_text(GITHUB)
    _check("vendor.github-workflows", *WORKFLOWS, documented)


def test_the_documented_job_fits_the_schema_of_gitlab(tmp_path: Path) -> None:
    documented = tmp_path / ".gitlab-ci.yml"
    documented.write_text(GITLAB)
    _check("vendor.gitlab-ci", documented)


@pytest.mark.parametrize("text", [*(path.read_text() for path in WORKFLOWS), GITHUB])
def test_no_workflow_may_write(text: str) -> None:
    workflow = _load(text)
    assert "pull_request_target" not in text  # it runs a stranger's code with the base's secrets and caches
    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())


@pytest.mark.parametrize("text", [*(path.read_text() for path in WORKFLOWS), GITHUB])
def test_no_step_pastes_what_a_stranger_may_have_written_into_a_shell(text: str) -> None:
    """A branch's name may hold a command; in a variable it stays a name."""
    for job in _load(text)["jobs"].values():
        assert not [step["run"] for step in job["steps"] if "${{" in step.get("run", "")]


@pytest.fixture(name="shell")
def _shell(tmp_path: Path) -> dict[str, str]:
    """The variables of a runner on whose PATH are this Python and the installed command."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in {"python": sys.executable, "stepbench": f'{sys.executable}" "{ROOT / "run_bench.py"}'}.items():
        command = programs / name  # no link, which would lose the virtual environment
        command.write_text(f'#!/bin/sh\nexec "{words}" "$@"\n')
        command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITHUB_", "CI"))}
    return {
        **kept,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "OMP_NUM_THREADS": "1",
        **{f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }


@pytest.fixture(name="project")
def _project(tmp_path: Path, shell: dict[str, str]) -> Path:
    """A clone of a project with a workload, whose origin has a branch main."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    (origin / "benchmarks").mkdir(parents=True)
    (origin / "benchmarks" / "my_model.py").write_text(WORKLOAD)
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "first"]):
        _run(["git", "-C", str(origin), *command], origin, shell)
    _run(["git", "clone", "-q", str(origin), str(clone)], tmp_path, shell)
    return clone


def _run(command: list[str], directory: Path, environment: dict[str, str]) -> None:
    ended = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_steps_of_the_documented_workflow_run(project: Path, shell: dict[str, str]) -> None:
    job = _load(GITHUB)["jobs"]["ab"]
    options = f"--workload benchmarks/my_model.py:small {QUICKLY}"
    environment = {**shell, "BASE": "origin/main", "OPTIONS": options}
    assert environment.keys() >= job["env"].keys() - {"STEPBENCH"}
    for step in job["steps"]:
        if "run" in step and step["name"] != "Install":  # .ci/run installs
            _run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], project, environment)
    assert "No case fails" in Path(shell["GITHUB_STEP_SUMMARY"]).read_text()
    assert (project / "comparison" / "junit.xml").is_file()


def test_the_documented_shell_script_runs(project: Path, shell: dict[str, str]) -> None:
    _run(["sh", "-e", "-c", SHELL.replace("--device cpu", QUICKLY)], project, shell)


def test_gitlab_runs_the_same_command_as_github() -> None:
    steps = {step.get("name"): step.get("run") for step in _load(GITHUB)["jobs"]["ab"]["steps"]}
    job = _load(GITLAB)["ab"]
    assert (job["before_script"], job["script"]) == ([steps["Install"]], [steps["Compare"]])


def test_our_own_workflow_compares_a_clone_of_this_project(tmp_path: Path, shell: dict[str, str]) -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    clone = tmp_path / "clone"
    _run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(clone)], tmp_path, shell)
    job = _load((ROOT / ".github" / "workflows" / "bench.yml").read_text())["jobs"]["ab"]
    for step in job["steps"]:
        if "run" in step and step["name"] != "Install":
            environment = {**shell, "BASE": "HEAD", "OPTIONS": f"--suite quick {QUICKLY}"}
            _run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], clone, environment)
    assert "No case fails" in Path(shell["GITHUB_STEP_SUMMARY"]).read_text()
