"""The rate of a large matrix product: with a clock of its own, so that the figure can be known."""

from types import SimpleNamespace

import pytest
import torch

from bench.measuring import attained

pytestmark = pytest.mark.usefixtures("torch_as_it_was")


def test_the_rate_is_that_of_the_quickest_product(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.3, 0.1, 0.2])
    now = 0.0

    def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        nonlocal now
        now += next(seconds, 0.4)
        return left

    clock = SimpleNamespace(perf_counter=lambda: now, perf_counter_ns=lambda: round(now * 1e9))
    monkeypatch.setattr(attained, "time", clock)
    monkeypatch.setattr(torch, "mm", product)
    # The first loads the library, and so does not count; then 0.1, 0.2 and 0.4 s, after which there are enough.
    assert attained.look(["fp32"]) == {"fp32": pytest.approx(2 * attained.SIZES["cpu"] ** 3 / 0.1)}


def test_a_format_that_would_take_for_ever_is_left_out() -> None:
    assert attained.look(["fp16", "tf32"]) == {}


def test_a_real_copy_reads_and_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attained, "SECONDS", 0.0)
    monkeypatch.setattr(attained, "COPY_BYTES", {"cpu": 2**20})
    assert 1e7 < attained.copied()["bytes_per_second"] < 1e13


def test_a_real_product_has_a_rate_that_a_processor_can_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attained, "SECONDS", 0.0)
    monkeypatch.setattr(attained, "SIZES", {"cpu": 256})
    assert 1e8 < attained.look(["fp32"])["fp32"] < 1e14
