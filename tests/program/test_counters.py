"""Counters and the check against fp32, from a user's file to results.csv."""

from typing import Any

import pandas as pd
import pytest

from tests.program.sandbox import Sandbox

WORKLOADS = """
import torch
from torch import nn


def _make_batch(batch_size):
    return torch.randn(batch_size, 8), torch.randint(0, 3, (batch_size,))


def _compute_loss(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def plain():
    return nn.Linear(8, 3), _make_batch, _compute_loss


def looks():
    def compute_loss(model, batch):
        loss = _compute_loss(model, batch)
        loss.item()
        return loss

    return nn.Linear(8, 3), _make_batch, compute_loss


def wrong_under_autocast():
    def compute_loss(model, batch):
        return _compute_loss(model, batch) + torch.is_autocast_enabled("cpu")

    return nn.Linear(8, 3), _make_batch, compute_loss
"""


@pytest.fixture
def table(sandbox: Sandbox) -> pd.DataFrame:
    """The results of one run of the workloads above, a row for each and each precision."""
    (sandbox.directory / "counted.py").write_text(WORKLOADS)
    workloads = ("--workload", "counted.py:plain,counted.py:looks,counted.py:wrong_under_autocast")
    axes = ("--device", "cpu", "--strategy", "single", "--precision", "fp32,amp_bf16")
    ended = sandbox.run("--suite", "quick", *workloads, *axes, "--rounds", "1", "--format", "csv", "--out", "out")
    assert ended.returncode == 0, ended.stderr
    table = pd.read_csv(sandbox.directory / "out" / "results.csv").set_index(["workload", "precision"])
    assert table["status"].tolist() == ["ok"] * 6
    return table


def _row(table: pd.DataFrame, workload: str, precision: str) -> dict[str, Any]:
    (found,) = table.loc[[(f"counted.py:{workload}", precision)]].to_dict("records")
    return {str(name): value for name, value in found.items()}


def test_one_item_shows_as_one_host_synchronisation_and_a_wrong_loss_as_diverged(table: pd.DataFrame) -> None:
    plain, looks = _row(table, "plain", "fp32"), _row(table, "looks", "fp32")
    assert looks["host_syncs"] == plain["host_syncs"] + 1
    assert looks["operators"] == plain["operators"] + 1
    assert plain["operators"] > 0
    assert plain["allocated_bytes"] > 0
    assert (plain["deviation_ratio"], looks["deviation_ratio"]) == (0, 0)
    flagged = {key for key, flags in table["flags"].items() if "diverged" in str(flags).split()}
    assert flagged == {("counted.py:wrong_under_autocast", "amp_bf16")}
    wrong = _row(table, "wrong_under_autocast", "amp_bf16")
    assert wrong["deviation_ratio"] > 0.3  # 1 more than a cross-entropy of three classes, which begins at about 1.1
