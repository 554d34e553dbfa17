"""Energy of a step, from a driver that counts what a fake card uses."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench.measuring import telemetry
from bench.measuring.ranks import Ranks
from bench.measuring.worker import Worker
from bench.result import Telemetry

STEP_SECONDS, STEP_MILLIJOULES = 0.25, 500


class Card:
    """A worker's driver and its clock: every step takes 0.25 s and 0.5 J."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.blocks: list[int] = []
        monkeypatch.setattr(telemetry, "time", SimpleNamespace(perf_counter=lambda: sum(self.blocks) * STEP_SECONDS))

    def energy_millijoules(self) -> int | None:
        return 10**9 + sum(self.blocks) * STEP_MILLIJOULES

    def power_limit_watts(self) -> float | None:
        return 700.0

    def temperature_celsius(self) -> float | None:
        return 51.0

    def clock_hertz(self) -> float | None:
        return None

    def worker(self, ranks: Any = None) -> Worker:
        fake = SimpleNamespace(
            driver=self, ranks=ranks or Ranks(), warm_step_seconds=STEP_SECONDS, run_block=self.blocks.append
        )
        return cast("Worker", fake)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    return Card(monkeypatch)


def test_energy_is_what_the_counter_grew_by_over_two_seconds_of_steps(card: Card) -> None:
    assert telemetry.observe(card.worker(), remaining_seconds=30.0) == Telemetry(
        step_energy_joules=0.5,
        mean_power_watts=2.0,
        power_limit_watts=700.0,
        temperature_celsius=51.0,
        clock_hertz=None,
    )
    assert card.blocks == [8]


def test_the_devices_of_all_ranks_are_summed(card: Card) -> None:
    ranks = SimpleNamespace(
        everywhere=lambda is_true: is_true, agree=lambda value: value, gather=lambda values: [values, [1000]]
    )
    seen = telemetry.observe(card.worker(ranks), remaining_seconds=30.0)
    assert seen is not None
    assert seen.step_energy_joules == pytest.approx((4.0 + 1.0) / 8)


@pytest.mark.parametrize("reason", ["no counter", "no counter on another rank", "no time"])
def test_where_it_cannot_be_known_no_step_is_run(card: Card, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    if reason == "no counter":
        monkeypatch.setattr(card, "energy_millijoules", lambda: None)
    ranks = SimpleNamespace(everywhere=lambda _: False, agree=lambda value: value)
    worker = card.worker(ranks if reason == "no counter on another rank" else None)
    assert telemetry.observe(worker, remaining_seconds=3.9 if reason == "no time" else 30.0) is None
    assert card.blocks == []
