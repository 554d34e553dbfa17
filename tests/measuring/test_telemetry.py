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
        self.synchronized: list[int] = []
        monkeypatch.setattr(telemetry, "time", SimpleNamespace(perf_counter=lambda: sum(self.blocks) * STEP_SECONDS))

    def energy_millijoules(self) -> int | None:
        return 10**9 + sum(self.blocks) * STEP_MILLIJOULES

    def power_watts(self) -> float | None:
        return None

    def power_limit_watts(self) -> float | None:
        return 700.0

    def temperature_celsius(self) -> float | None:
        return 51.0

    def clock_hertz(self) -> float | None:
        return None

    def worker(self, ranks: Any = None) -> Worker:
        fake = SimpleNamespace(
            driver=self,
            ranks=ranks or Ranks(),
            warm_step_seconds=STEP_SECONDS,
            train=self.blocks.append,
            device=SimpleNamespace(synchronize=lambda: self.synchronized.append(len(self.blocks))),
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
    assert card.synchronized == [1]


def _two_ranks(other: list[int]) -> Any:
    """Return the ranks of which the other one answers *other*."""
    return SimpleNamespace(
        everywhere=lambda is_true: is_true,
        agree=lambda value: value,
        barrier=lambda: None,
        gather=lambda values: [values, other],
    )


def test_the_devices_of_all_ranks_are_summed(card: Card) -> None:
    seen = telemetry.observe(card.worker(_two_ranks([1000, 300_000])), remaining_seconds=30.0)
    assert seen is not None
    assert seen.step_energy_joules == pytest.approx((4.0 + 1.0) / 8)
    assert seen.power_limit_watts == 1000.0


def test_a_limit_that_one_rank_does_not_know_is_not_known(card: Card) -> None:
    seen = telemetry.observe(card.worker(_two_ranks([1000, -1])), remaining_seconds=30.0)
    assert seen is not None
    assert seen.power_limit_watts is None


def test_a_rank_whose_driver_stops_answering_goes_on_with_the_others(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes part in what is gathered, or the next gathering would get this one's answers."""
    gathered: list[list[int]] = []
    ranks = _two_ranks([1000, 1])

    def gather(values: list[int]) -> list[list[int]]:
        gathered.append(values)
        return [values, [1000, 1]]

    ranks.gather = gather
    answers = iter([5, 5, None])
    monkeypatch.setattr(card, "energy_millijoules", lambda: next(answers))
    assert telemetry.observe(card.worker(ranks), remaining_seconds=30.0) is None
    assert gathered == [[-1, 700_000]]
    assert telemetry.observe(Card(monkeypatch).worker(_two_ranks([-1, 1])), remaining_seconds=30.0) is None


@pytest.mark.parametrize("reason", ["no counter", "no counter on another rank", "no time"])
def test_where_it_cannot_be_known_no_step_is_run(card: Card, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    if reason == "no counter":
        monkeypatch.setattr(card, "energy_millijoules", lambda: None)
    ranks = SimpleNamespace(everywhere=lambda _: False, agree=lambda value: value)
    worker = card.worker(ranks if reason == "no counter on another rank" else None)
    assert telemetry.observe(worker, remaining_seconds=4.2 if reason == "no time" else 30.0) is None
    assert card.blocks == []


def test_without_a_counter_of_energy_power_is_read_once_a_second(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([99.0, 300.0, 500.0])  # the first only to know whether it answers
    monkeypatch.setattr(card, "energy_millijoules", lambda: None)
    monkeypatch.setattr(card, "power_watts", lambda: next(draws))
    seen = telemetry.observe(card.worker(), remaining_seconds=30.0)
    assert card.blocks == [3, 1, 3, 1]  # a second each, of which the last step is read in
    assert card.synchronized == [1, 2, 3, 4]
    assert seen is not None
    assert (seen.mean_power_watts, seen.energy_source) == (400.0, "samples")
    assert seen.step_energy_joules == pytest.approx(400 * STEP_SECONDS)


def test_a_sensor_that_falls_silent_leaves_nothing(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([99.0, None, None])
    monkeypatch.setattr(card, "energy_millijoules", lambda: None)
    monkeypatch.setattr(card, "power_watts", lambda: next(draws))
    assert telemetry.observe(card.worker(), remaining_seconds=30.0) is None
