"""Programs that are asked: they may be missing, fail, hang or answer."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.doctor import _collect
from bench.doctor._checks import judge
from tests.doctor import records
from tests.doctor.records import named

LOG = "<nvidia_smi_log><driver_version>580.82.07</driver_version>"
LOG += "<gpu><product_name>T4</product_name></gpu></nvidia_smi_log>"
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a program of that name alone on the path, which runs *script*."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def install(name: str, script: str, mode: int = 0o755) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(mode)

    return install


def test_a_driver_that_answers_is_read(install: Install) -> None:
    install("nvidia-smi", f"echo '{LOG}'")
    driver = _collect.ask_driver()
    assert (driver.outcome, driver.version, [card.name for card in driver.cards]) == ("ok", "580.82.07", ["T4"])


def test_a_tool_that_is_not_there_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _collect.ask_driver().outcome == "missing"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo 'Failed to initialize NVML: Unknown Error'; exit 255", "Failed to initialize NVML: Unknown Error"),
        ("echo 'No devices were found'", "No devices were found"),  # some versions end with 0 all the same
        ("echo broken >&2; exit 1", "broken"),
        ("exit 9", "nvidia-smi ended with exit status 9"),
        ("echo '<nvidia_smi_log><gpu>'", "nvidia-smi printed no XML"),
        ("echo '<nvidia_smi_log><gpu>'; exit 9", "nvidia-smi printed no XML"),
    ],
)
def test_a_tool_that_fails_is_quoted(install: Install, script: str, text: str) -> None:
    install("nvidia-smi", script)
    driver = _collect.ask_driver()
    assert driver.outcome == "failed"
    assert driver.text.startswith(text)


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo 'WARNING: infoROM is corrupted at gpu 0000:02:00.0' >&2", "WARNING: infoROM is corrupted"),
        ("true", "nvidia-smi ended with exit status 14"),
    ],
)
def test_a_tool_that_complains_and_answers_has_answered(install: Install, script: str, text: str) -> None:
    install("nvidia-smi", f"echo '{LOG}'; {script}; exit 14")
    driver = _collect.ask_driver()
    assert (driver.outcome, driver.version, len(driver.cards)) == ("ok", "580.82.07", 1)
    assert driver.text.startswith(text)
    found = named(judge(records.facts(driver=driver)), "driver")
    assert [(finding.severity, finding.evidence) for finding in found] == [("ok", "T4"), ("note", driver.text)]


@pytest.mark.parametrize("place", ["home", "usual"])
def test_a_toolkit_is_found_where_it_is_not_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    for name in ("home", "usual", "path"):
        program = tmp_path / name / "bin" / "nvcc"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho release of {name}\n")
        program.chmod(0o755)
    monkeypatch.setattr(_collect, "USUAL_TOOLKIT", str(tmp_path / "usual"))
    path = tmp_path / "path" / "bin"
    environment = {"CUDA_HOME": str(tmp_path / "home"), "PATH": str(path)} if place == "home" else {"PATH": "/bin"}
    assert _collect._nvcc(environment) == f"release of {place}"


def test_a_tool_that_cannot_be_run_has_failed(install: Install, tmp_path: Path) -> None:
    install("nvidia-smi", "")
    (tmp_path / "nvidia-smi").write_bytes(b"\x00not a program")
    assert _collect.ask_driver().outcome == "failed"


def test_a_tool_that_hangs_costs_its_deadline_and_no_more(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_collect, "PROGRAM_SECONDS", 0.2)
    install("nvidia-smi", "sleep 30")
    started = time.monotonic()
    driver = _collect.ask_driver()
    assert driver.outcome == "timeout"
    assert "did not answer" in driver.text
    assert time.monotonic() - started < 5


def test_only_the_variables_of_the_list_are_looked_at(install: Install) -> None:
    install("nvidia-smi", "exit 9")
    install("nvcc", "echo 'Cuda compilation tools, release 13.0, V13.0.88'")
    others = {"MY_TOKEN": "secret", "HOME": "/home/me", "PATH": os.environ["PATH"]}
    facts = _collect.collect({"CUDA_VISIBLE_DEVICES": "", **others})
    assert facts.variables == {"CUDA_VISIBLE_DEVICES": ""}
    assert facts.nvcc == "Cuda compilation tools, release 13.0, V13.0.88"
    assert facts.driver.outcome == "failed"
    assert {"python", "torch"} <= facts.versions.keys()
    assert facts.machine.usable_cores >= 1
