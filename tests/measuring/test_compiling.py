"""What torch.compile is asked for, and what is done around it."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from bench.case import COMPILE_MODES
from bench.measuring import compiling


@pytest.fixture(name="model")
def _model() -> nn.Module:
    return nn.Linear(2, 2)


@pytest.fixture(name="asked")
def _asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What torch.compile is called with, in the place of what it does."""
    asked: list[dict[str, Any]] = []

    def compile_(model: nn.Module, **options: Any) -> nn.Module:
        asked.append(options)
        return nn.Sequential(model)

    monkeypatch.setattr(torch, "compile", compile_)
    for name in ("compile_fx", "codecache"):  # seconds to import
        monkeypatch.setitem(sys.modules, f"torch._inductor.{name}", SimpleNamespace())
    monkeypatch.delenv(compiling.CACHE_VARIABLE, raising=False)
    return asked


def test_eager_is_the_model_itself(model: nn.Module, asked: list[dict[str, Any]]) -> None:
    assert compiling.compiled(model, "eager") is model
    assert asked == []


@pytest.mark.parametrize("compile_mode", [mode for mode in COMPILE_MODES if mode != "eager"])
def test_every_other_mode_is_one_of_torch_with_static_shapes(
    model: nn.Module, asked: list[dict[str, Any]], compile_mode: str
) -> None:
    assert compiling.compiled(model, compile_mode) is not model
    assert asked == [{"mode": compile_mode.replace("_", "-"), "dynamic": False}]


@pytest.mark.usefixtures("asked")
def test_precompiled_headers_are_kept_with_the_rest(
    model: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codecache: Any = SimpleNamespace(_HEADER_DIR="/elsewhere", _HEADER_LOCK_DIR="/elsewhere/locks")
    monkeypatch.setitem(sys.modules, "torch._inductor.codecache", codecache)
    monkeypatch.setenv(compiling.CACHE_VARIABLE, str(tmp_path))
    compiling.compiled(model, "default")
    assert str(tmp_path / "precompiled_headers") == codecache._HEADER_DIR
    assert str(tmp_path / "precompiled_headers" / "locks") == codecache._HEADER_LOCK_DIR


@pytest.mark.usefixtures("asked")
def test_a_torch_that_keeps_them_otherwise_is_left_alone(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    other = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "torch._inductor.codecache", other)
    monkeypatch.setenv(compiling.CACHE_VARIABLE, "/x")
    compiling.compiled(model, "default")
    assert vars(other) == {}


def test_a_cache_is_empty_until_something_lies_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiling.CACHE_VARIABLE, str(tmp_path / "not there yet"))
    assert compiling.is_cache_empty()
    monkeypatch.setenv(compiling.CACHE_VARIABLE, str(tmp_path))
    assert compiling.is_cache_empty()
    (tmp_path / "ab").mkdir()
    assert not compiling.is_cache_empty()
    monkeypatch.delenv(compiling.CACHE_VARIABLE)  # then it is everybody's, and nobody knows
    assert not compiling.is_cache_empty()


def test_inductors_processes_are_ended_where_there_can_be_any(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    module: Any = SimpleNamespace(shutdown_compile_workers=lambda: calls.append("shut down"))
    monkeypatch.setitem(sys.modules, "torch._inductor.async_compile", module)
    compiling.end_helpers()
    assert calls == ["shut down"]
    monkeypatch.delitem(sys.modules, "torch._inductor.async_compile")
    compiling.end_helpers()
    monkeypatch.setitem(sys.modules, "torch._inductor.async_compile", SimpleNamespace())
    compiling.end_helpers()


@pytest.mark.usefixtures("forgetful_dynamo")
def test_a_case_of_which_nothing_was_compiled_says_so() -> None:
    counters: Any = torch._dynamo.utils.counters
    counters.clear()
    assert compiling.uncompiled_note("eager") is None
    assert "compiled nothing" in (compiling.uncompiled_note("default") or "")
    counters["stats"]["unique_graphs"] += 1
    assert compiling.uncompiled_note("default") is None
