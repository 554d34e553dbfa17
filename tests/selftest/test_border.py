"""The cost of a border, and a clock that is slow on purpose."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from bench.measuring.clock import HostClock
from bench.selftest import border


@pytest.mark.parametrize(
    ("seconds", "noise", "verdict"),
    [(2e-7, 1, "holds"), (5e-6, 1, "fails"), (1e-6, 1, "undecidable"), (9e-7, 100, "undecidable")],
)
def test_a_border_may_cost_a_microsecond(
    recorded: Callable[..., list[float]], seconds: float, noise: float, verdict: str
) -> None:
    assert border.judge({"border_seconds": recorded(seconds, noise)}).verdict == verdict


def test_it_is_told_in_microseconds(recorded: Callable[..., list[float]]) -> None:
    assert border.judge({"border_seconds": recorded(2e-7)}).figure == "0.200 µs [0.200, 0.200]"


@pytest.mark.parametrize("seen", [{}, {"border_seconds": []}, {"border_seconds": [0.0] * 10}])
def test_a_border_that_was_not_seen_or_costs_nothing_fails(seen: dict[str, list[float]]) -> None:
    assert border.judge(seen).verdict == "fails"


def test_every_block_has_its_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(border, "BORDERS", 100)
    seen = border.observe(3)
    assert list(seen) == ["border_seconds"]
    assert len(seen["border_seconds"]) == 3
    assert min(seen["border_seconds"]) > 0


def test_a_slow_border_fails(monkeypatch: pytest.MonkeyPatch, make_pool: Callable[..., Any]) -> None:
    look = HostClock.border

    def slow(clock: HostClock) -> None:
        end_ns = time.perf_counter_ns() + 20_000
        while time.perf_counter_ns() < end_ns:
            pass
        look(clock)

    monkeypatch.setattr(HostClock, "border", slow)
    monkeypatch.setattr(border, "BORDERS", 50)
    assert border.run(make_pool()).verdict == "fails"
