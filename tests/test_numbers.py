"""Digits, units and half-widths as a person reads them."""

import math

import pytest

from bench.numbers import (
    BYTES,
    SECONDS,
    digits,
    fitting,
    percent,
    percent_with_bounds,
    size,
    times_with_interval,
    with_bounds,
    with_interval,
    with_unit,
)
from bench.statistics import Interval


@pytest.mark.parametrize(
    ("value", "ratio", "shown"),
    [
        (4.8231, 0.019, "4.82"),  # half-width 0.09
        (4.8231, 0.10, "4.8"),  # half-width 0.5
        (4.8231, 0.0001, "4.823"),  # never more than four digits
        (4.8231, 0.9, "4.8"),  # never fewer than two
        (4.8231, math.inf, "4.8"),
        (4.8231, 0.0, "4.823"),
        (13_278.0, 0.019, "13,300"),  # half-width 252
        (13_278.0, 0.002, "13,280"),
        (0.04567, None, "0.0457"),
        (9.996, None, "10.00"),
        (0.0, 0.1, "0"),
    ],
)
def test_a_figure_has_the_digits_that_its_interval_supports(value: float, ratio: float | None, shown: str) -> None:
    assert digits(value, ratio) == shown


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [(0.019, "±1.9 %"), (0.0994, "±9.9 %"), (0.0996, "±10 %"), (0.36, "±36 %"), (7.0, "±>100 %"), (None, "")],
)
def test_a_half_width_is_a_percentage(ratio: float | None, shown: str) -> None:
    assert percent(ratio) == shown


@pytest.mark.parametrize(
    ("seconds", "unit"), [(2.0, "s"), (1.0, "s"), (0.999, "ms"), (2e-6, "µs"), (3e-9, "ns"), (0.0, "ns")]
)
def test_a_time_is_shown_in_the_largest_unit_that_it_fills(seconds: float, unit: str) -> None:
    assert fitting(SECONDS, seconds).name == unit


@pytest.mark.parametrize(
    ("amount", "shown"), [(12 * 2**20, "12.0 MiB"), (1023 * 2**20, "1,023 MiB"), (2**30, "1.00 GiB"), (0, "0 B")]
)
def test_memory_is_shown_in_1024s_without_losing_whole_units(amount: int, shown: str) -> None:
    assert size(amount) == shown


def test_a_time_comes_with_its_unit_and_half_width() -> None:
    assert with_interval(Interval(value=0.004823, low=0.004731, high=0.004915), SECONDS) == "4.82 ms ±1.9 %"


def test_a_figure_without_an_interval_comes_without_a_half_width() -> None:
    assert with_interval(Interval(value=0.004823), SECONDS) == "4.82 ms"


def test_a_ratio_is_cut_like_everything_else() -> None:
    interval = Interval(value=1.8432, low=1.81, high=1.88)
    assert times_with_interval(interval) == "1.84\N{MULTIPLICATION SIGN} ±1.9 %"


def test_units_are_listed_from_the_largest() -> None:
    for units in (SECONDS, BYTES):
        assert [unit.size for unit in units] == sorted((unit.size for unit in units), reverse=True)


def test_a_bound_that_excludes_1_is_not_rounded_to_it() -> None:
    assert with_bounds(Interval(value=2.2, low=1.03, high=4.62)) == ("2.2", "1.03 to 4.62")
    assert with_bounds(Interval(value=2.812, low=2.74, high=2.88)) == ("2.81", "2.74 to 2.88")
    assert with_bounds(Interval(value=41.3, low=38.2, high=44.4)) == ("41", "38 to 44")
    assert with_bounds(Interval(value=2.812)) == ("2.81", "")


def test_a_share_and_a_time_without_a_spread_are_said_plainly() -> None:
    assert percent_with_bounds(Interval(value=0.8, low=0.78, high=0.83)) == "80 % (78 to 83)"
    assert percent_with_bounds(Interval(value=0.8)) == "80 %"
    assert with_unit(0.00142, SECONDS) == "1.42 ms"
