"""What a worker tells of the machine, also where torch has been set in a way that it has no word for."""

import pytest
import torch

from bench.measuring import probe


def test_the_precision_flags_are_named() -> None:
    flags = dict(word.split("=") for word in probe._precision_flags().split())
    assert flags.keys() == {"matmul", "cudnn_tf32", "cudnn_benchmark", "deterministic"}
    assert flags["matmul"] in ("highest", "high", "medium")


def test_what_was_set_through_the_newer_interface_is_mixed_and_no_end_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> str:
        raise RuntimeError("mix of the legacy and new APIs")

    monkeypatch.setattr(torch, "get_float32_matmul_precision", refuse)
    assert probe._precision_flags().startswith("matmul=mixed ")
