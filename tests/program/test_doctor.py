"""Doctor as a person runs it."""

import json
import sys

from tests.program.sandbox import Sandbox, one_line

FAKE = """#!/bin/sh
echo "Failed to initialize NVML: Driver/library version mismatch"
exit 18
"""


def test_this_machine_is_looked_at_and_proved_and_nothing_is_left(sandbox: Sandbox) -> None:
    before = sandbox.files()
    ended = sandbox.run("doctor", "--format", "json", CUDA_VISIBLE_DEVICES="")
    assert ended.returncode in (0, 1), ended.stderr  # 1 where there is a card, since the variable hides it
    answer = json.loads(ended.stdout)
    proofs = {(proof["device"], proof["precision"], proof["strategy"]): proof["status"] for proof in answer["proofs"]}
    assert proofs[("cpu", "fp32", "single")] == proofs[("cpu", "fp32", "ddp")] == "ok"
    assert answer["variables"]["CUDA_VISIBLE_DEVICES"] == ""
    assert sys.version.split()[0] == answer["versions"]["python"]
    assert ended.stderr.splitlines()[0].startswith("looking at the driver")
    assert "\x1b" not in ended.stdout + ended.stderr
    assert sandbox.files() == before


def test_a_driver_that_fails_is_told_with_its_remedy(sandbox: Sandbox) -> None:
    tool = sandbox.directory / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(FAKE)
    tool.chmod(0o755)
    ended = sandbox.run("doctor", "--quiet", PATH=f"{tool.parent}:/usr/bin:/bin")
    said = " ".join(ended.stdout.split())
    assert "Driver/library version mismatch" in said
    assert "restart the machine" in said
    assert ended.stderr == ""


def test_a_mistake_is_one_line(sandbox: Sandbox) -> None:
    ended = sandbox.run("doctor", "--format", "markdwon")
    assert one_line(ended.stderr) == "error: --format: 'markdwon' is not known; did you mean 'markdown'?"
    assert (ended.returncode, ended.stdout) == (2, "")
