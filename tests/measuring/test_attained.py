"""The rate of a large matrix product: with a clock of its own, so that the figure can be known."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.measuring import attained

pytestmark = pytest.mark.usefixtures("torch_as_it_was")


class Clock:
    """Every product takes the next of *seconds*, and the copies nothing that counts here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
        self.now = 0.0
        self.products: list[float] = []
        self._seconds = iter(seconds)
        monkeypatch.setattr(
            attained,
            "time",
            SimpleNamespace(perf_counter=lambda: self.now, perf_counter_ns=lambda: round(self.now * 1e9)),
        )
        monkeypatch.setattr(torch, "mm", self._product)
        monkeypatch.setattr(attained, "_copied", self._copied)

    def _product(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        self.products.append(next(self._seconds))
        self.now += self.products[-1]
        return left

    def _copied(self, size: int, device: torch.device) -> float:
        self.now += 0.25
        return 4.0


def _rate(seconds: float) -> Any:
    return pytest.approx(2 * attained.SIZES["cpu"] ** 3 / seconds)


def test_the_rate_is_that_of_the_quickest_product_of_two_layouts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 0.1, 0.05, 0.08, *(0.04, 0.09, 0.1))
    assert attained.look(["fp32"], num_threads=1)["flops_per_second"] == {"fp32": _rate(0.04)}
    assert len(clock.products) == 6


def test_a_product_that_takes_too_long_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 2.4, 0.5)
    assert attained.look(["bf16"], num_threads=1)["flops_per_second"] == {"bf16": _rate(0.5)}
    assert clock.products == [2.4, 0.5]


def test_a_format_that_would_take_for_ever_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    assert attained.look(["fp16", "tf32"], num_threads=1)["flops_per_second"] == {}


def test_all_cores_take_part_whatever_a_case_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    attained.look([], num_threads=3)
    assert torch.get_num_threads() == 3


def test_a_copy_reads_and_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attained, "_best_seconds", lambda work, device: 0.5)
    assert attained._copied(1000, torch.device("cpu")) == 2 * 1000 / 0.5


def test_a_real_look_has_rates_that_a_processor_can_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attained, "SECONDS", 0.01)
    monkeypatch.setattr(attained, "SIZES", {"cpu": 256})
    monkeypatch.setattr(attained, "COPY_BYTES", {"cpu": 2**20})
    seen = attained.look(["fp32"], num_threads=1)
    assert 1e8 < seen["flops_per_second"]["fp32"] < 1e14
    assert 1e7 < seen["bytes_per_second"] < 1e13
    assert seen["others_ratio"] >= 0
