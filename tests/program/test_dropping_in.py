"""One new file each adds a workload, a strategy, an output format and a subcommand; one row adds a precision."""

import json
import shutil
from pathlib import Path

import pandas as pd

from bench.registry import PACKAGE_DIR
from tests.program.sandbox import Sandbox

WORKLOAD = '''
"""Scale a vector: the smallest model that learns."""

import torch

from bench.workload import Workload

BATCH_SIZES = {"tiny": 12}


def tiny():
    """One number."""
    return Workload(
        model=torch.nn.Linear(1, 1),
        make_batch=lambda batch_size: torch.randn(batch_size, 1),
        compute_loss=lambda model, batch: (model(batch) - 3 * batch).square().mean(),
    )
'''

STRATEGY = '''
"""One device whose gradients are doubled."""

from bench.strategies._base import Strategy


class Doubled(Strategy):
    """Doubles every gradient on its way to the optimizer."""

    def wrap(self, model, devices, autocast):
        for parameter in model.parameters():
            parameter.register_hook(lambda gradient: 2 * gradient)
        return model


STRATEGY = Doubled()
'''

FORMAT = '''
"""A list in Markdown: results.md."""


def write(run, directory):
    path = directory / "results.md"
    lines = [f"- {case}: {status}\\n" for case, status in zip(run.cases["case_id"], run.cases["status"])]
    path.write_text("".join(lines))
    return [path]
'''

COMMAND = '''
"""Greet somebody."""


def add_arguments(parser):
    parser.add_argument("--name", default="world")


def execute(options):
    print(f"hello {options.name}")
    return 0
'''

TOPIC = '''
"""Whether one case is enough."""

from bench.results.finding import Finding, Topic


def _find(topic, evidence):
    said = f"This run has {len(evidence.rows)} case"
    return [Finding(topic=topic.name, claim=topic.claim, verdict="confirmed", sentence=said)]


TOPICS = (Topic(name="one_case", claim="one case is enough", partners=lambda case: (), find=_find),)
'''

PRECISION = """

PRECISIONS["fp32_again"] = Precision(name="fp32_again", summary="32-bit once more", tolerance_ratio=0.001)
"""

NEW_FILES = {
    "workloads/scale.py": WORKLOAD,
    "strategies/doubled.py": STRATEGY,
    "reporting/markdown.py": FORMAT,
    "commands/hello.py": COMMAND,
    "results/topics/one_case.py": TOPIC,
}


def test_what_is_dropped_in_is_found_shown_and_run(sandbox: Sandbox, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(PACKAGE_DIR, checkout / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE_DIR.parent / "run_bench.py", checkout)
    for name, text in NEW_FILES.items():
        path = checkout / "bench" / name
        assert not path.exists()
        path.write_text(text.lstrip())
    with (checkout / "bench" / "precisions.py").open("a") as file:
        file.write(PRECISION)
    sandbox.program = checkout / "run_bench.py"

    listed = sandbox.run("list")
    assert listed.returncode == 0, listed.stderr
    shown = " ".join(listed.stdout.split())
    for words in (
        "scale:tiny One number. (the usual scale)",
        "doubled One device whose gradients are doubled.",
        "markdown A list in Markdown: results.md.",
        "fp32_again 32-bit once more",
    ):
        assert words in shown

    greeted = sandbox.run("hello", "--name", "you")
    assert (greeted.returncode, greeted.stdout, greeted.stderr) == (0, "hello you\n", "")

    axes = ("--workload", "scale", "--device", "cpu", "--strategy", "doubled", "--precision", "fp32_again")
    ended = sandbox.run("--suite", "quick", *axes, "--rounds", "1", "--out", "out")
    assert ended.returncode == 0, ended.stderr
    out = sandbox.directory / "out"
    case_id = json.loads((out / "results.jsonl").read_text().splitlines()[1])["case"]["workload"]
    assert case_id == "scale:tiny"
    row = pd.read_csv(out / "results.csv").iloc[0]
    assert (row["status"], row["strategy"], row["precision"], row["batch_size"]) == ("ok", "doubled", "fp32_again", 12)
    assert row["parameters"] == 2
    assert "- **confirmed**: This run has 1 case\n" in (out / "findings.md").read_text()
    assert "One case is enough?" in ended.stdout
    assert (out / "results.md").read_text() == f"- {row['case_id']}: ok\n"
    assert {"results.csv", "throughput.png", "memory.png", "phases.png"} <= {path.name for path in out.iterdir()}
