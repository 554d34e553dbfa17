"""Cases that torch.compile changes: what it took apart from the rest, its own deadline, and nothing left of it."""

import shutil

import pandas as pd
import pytest

from bench.running import journal
from tests.program.sandbox import Sandbox

PLACE = ("--device", "cpu", "--out", "out")
PLAIN = (*PLACE, "--strategy", "single", "--precision", "fp32")
ALL_AT_ONCE = (*PLACE, "--strategy", "ddp", "--precision", "amp_bf16")
"""Compiled DDP under AMP: one of three broke while each two worked (pytorch #101838)."""

MODELS = """
import time

import torch
from torch import nn

from models import _compute_loss, _make_batch


class Breaks(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        x = self.first(x)
        print("a graph cannot hold this")
        return self.second(x)


class Refuses(nn.Linear):
    @torch.compiler.disable
    def forward(self, x):
        return super().forward(x)


def breaks():
    return Breaks(), _make_batch, _compute_loss


def _slow_to_begin(seconds):
    slept = []

    def compute_loss(model, batch):
        if not slept:
            slept.append(time.sleep(seconds))
        return _compute_loss(model, batch)

    return Refuses(8, 3), _make_batch, compute_loss


def slow_to_begin():
    return _slow_to_begin(2.5)


def never_begins():
    return _slow_to_begin(1000)
"""


@pytest.fixture(name="compiling")
def _compiling(sandbox: Sandbox) -> Sandbox:
    (sandbox.directory / "compiled.py").write_text(MODELS)
    return sandbox


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_first_round_compiles_from_nothing_and_the_others_find_what_it_left(compiling: Sandbox) -> None:
    options = ("--workload", "compiled.py:breaks", "--compile", "default", "--rounds", "2")
    run = compiling.run(*options, *ALL_AT_ONCE, deadline=150.0, TORCHINDUCTOR_VEC_ISA_OK="1")  # else 6 s of trials
    assert run.returncode == 0, run.stdout + run.stderr
    results = journal.read(compiling.directory / "out").results
    seen = [result.measurement for result in results if result.measurement is not None]
    assert [found.compiles_from_nothing for found in seen] == [True, False]
    cold, warm = (found.compile_seconds or 0.0 for found in seen)
    assert warm < cold / 2  # 1.8 s against 15
    (row,) = pd.read_csv(compiling.directory / "out" / "results.csv").to_dict("records")
    assert row["compile_seconds"] == pytest.approx(cold)
    assert (row["graph_breaks"], row["recompiles"], row["counters_source"]) == (1, 0, "profiler")
    assert row["deviation_ratio"] < 0.05
    assert row["step_seconds"] < 0.1
    assert "compiled in" in run.stdout


def test_what_compiles_slowly_misses_only_its_own_deadline(compiling: Sandbox) -> None:
    workloads = "compiled.py:slow_to_begin,compiled.py:never_begins"
    deadlines = ("--timeout", "2", "--compile-timeout", "5")
    run = compiling.run("--workload", workloads, "--compile", "default", *deadlines, "--rounds", "1", *PLAIN)
    assert run.returncode == 4, run.stdout + run.stderr
    rows = {
        row["workload"].partition(":")[2]: row
        for row in pd.read_csv(compiling.directory / "out" / "results.csv").to_dict("records")
    }
    hung, slow = rows["never_begins"], rows["slow_to_begin"]
    assert (hung["status"], slow["status"]) == ("timeout", "ok")  # its first step took longer than --timeout
    assert hung["reason"].startswith("not compiled after 5 s and killed; raise --compile-timeout")
    assert pd.isna(slow["compile_seconds"])
    assert slow["first_step_seconds"] > 2.4
    assert "compiled nothing" in slow["notes"]
