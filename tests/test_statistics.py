"""Intervals, checked by hand, by property and by simulation."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.statistics import Interval, geometric_mean, log_t_interval, paired_ratio

POSITIVE = st.floats(min_value=1e-9, max_value=1e9)
VALUES = st.lists(POSITIVE, min_size=2, max_size=20)


def test_the_interval_of_two_values_is_what_the_t_table_says() -> None:
    # Logs are 0 and 2 ln 2: mean ln 2, standard deviation sqrt(2) ln 2, error ln 2; t(0.975, 1) = 12.706.
    interval = log_t_interval([1.0, 4.0])
    assert interval.value == pytest.approx(2.0)
    assert interval.low == pytest.approx(2.0 * 2**-12.7062, rel=1e-4)
    assert interval.high == pytest.approx(2.0 * 2**12.7062, rel=1e-4)


def test_the_interval_of_three_values_is_what_the_t_table_says() -> None:
    # Logs are -0.1, 0, 0.1: mean 0, standard deviation 0.1, error 0.1 / sqrt(3); t(0.975, 2) = 4.3027.
    interval = log_t_interval([math.exp(-0.1), 1.0, math.exp(0.1)])
    assert interval.value == pytest.approx(1.0)
    assert interval.low == pytest.approx(math.exp(-0.248414), rel=1e-5)
    assert interval.high == pytest.approx(math.exp(0.248414), rel=1e-5)


def test_a_lower_confidence_takes_the_table_s_other_column() -> None:
    # t(0.95, 2) = 2.91999 for 90 %.
    interval = log_t_interval([math.exp(-0.1), 1.0, math.exp(0.1)], confidence=0.9)
    assert interval.high == pytest.approx(math.exp(2.91999 * 0.1 / math.sqrt(3)), rel=1e-5)


def test_one_value_has_no_bounds() -> None:
    assert log_t_interval([0.005]) == Interval(value=0.005)
    assert log_t_interval([0.005]).half_width_ratio is None


def test_equal_values_have_an_interval_of_no_width() -> None:
    interval = log_t_interval([0.25, 0.25, 0.25])
    assert interval.low == pytest.approx(0.25)
    assert interval.half_width_ratio == pytest.approx(0.0, abs=1e-12)


def test_two_wild_values_have_an_endless_interval_instead_of_an_overflow() -> None:
    assert log_t_interval([1e-300, 1e300]).high == math.inf


@pytest.mark.parametrize("values", [[], [1.0, 0.0], [1.0, -1.0], [1.0, math.nan], [1.0, math.inf]])
def test_values_without_a_logarithm_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="interval"):
        log_t_interval(values)


def test_half_of_the_width_is_given_as_a_share_of_the_value() -> None:
    assert Interval(value=10.0, low=9.0, high=12.0).half_width_ratio == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("low", "high", "excluded"), [(1.03, 1.2, True), (1.01, 1.2, False), (0.8, 0.97, True), (0.9, 1.1, False)]
)
def test_a_value_is_excluded_when_the_whole_interval_is_beyond_the_margin(
    low: float, high: float, excluded: bool
) -> None:
    assert Interval(value=1.0, low=low, high=high).excludes(1.0, margin_ratio=0.02) is excluded


def test_an_interval_without_bounds_excludes_nothing() -> None:
    assert not Interval(value=5.0).excludes(1.0)


def test_the_ratio_of_pairs_ignores_what_both_sides_share() -> None:
    # Every pair says 2, although the values drift by a factor of ten.
    ratio = paired_ratio([2.0, 6.0, 20.0], [1.0, 3.0, 10.0])
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2.0, 2.0, 2.0))


def test_the_ratio_of_pairs_is_the_geometric_mean_of_their_ratios() -> None:
    # Ratios 1 and 4: mean 2, and the bounds of the first test.
    ratio = paired_ratio([3.0, 8.0], [3.0, 2.0])
    assert ratio.value == pytest.approx(2.0)
    assert ratio.high == pytest.approx(2.0 * 2**12.7062, rel=1e-4)


@pytest.mark.parametrize(
    ("tops", "bottoms"), [([1.0], [1.0, 2.0]), ([], []), ([1.0], [0.0]), ([0.0], [1.0]), ([-1.0], [-1.0])]
)
def test_pairs_that_have_no_ratio_are_refused(tops: list[float], bottoms: list[float]) -> None:
    with pytest.raises(ValueError, match=r"pairs|ratio|interval"):
        paired_ratio(tops, bottoms)


def test_the_geometric_mean_of_one_and_four_is_two() -> None:
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2.0)


def test_the_geometric_mean_survives_a_phase_below_the_clock_s_resolution() -> None:
    assert geometric_mean([0.0, 4.0]) == 0.0


@pytest.mark.parametrize("values", [[], [1.0, -2.0]])
def test_a_geometric_mean_that_does_not_exist_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="mean"):
        geometric_mean(values)


@given(VALUES, st.floats(min_value=1e-3, max_value=1e3))
def test_the_unit_of_the_values_does_not_change_the_interval(values: list[float], scale: float) -> None:
    plain, scaled = log_t_interval(values), log_t_interval([value * scale for value in values])
    assert scaled.value == pytest.approx(plain.value * scale, rel=1e-9)
    assert scaled.low == pytest.approx((plain.low or 0.0) * scale, rel=1e-6)
    assert scaled.high == pytest.approx((plain.high or 0.0) * scale, rel=1e-6)


@given(VALUES)
def test_the_value_lies_inside_its_interval(values: list[float]) -> None:
    interval = log_t_interval(values)
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low <= interval.value * (1 + 1e-12)
    assert interval.high >= interval.value * (1 - 1e-12)


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=2, max_size=20))
def test_swapping_the_sides_gives_the_reciprocal(pairs: list[tuple[float, float]]) -> None:
    tops, bottoms = [top for top, _ in pairs], [bottom for _, bottom in pairs]
    there, back = paired_ratio(tops, bottoms), paired_ratio(bottoms, tops)
    assert there.value * back.value == pytest.approx(1.0)
    assert there.low is not None
    assert back.high is not None
    assert there.low * back.high == pytest.approx(1.0)


def test_ninety_five_of_a_hundred_intervals_cover_the_true_figure() -> None:
    generator = np.random.default_rng(20240229)
    true, sampled = 0.005, 4000
    covered = 0
    for values in true * np.exp(generator.normal(scale=0.045, size=(sampled, 8))):
        interval = log_t_interval(values.tolist())
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= true <= interval.high
    # Three standard errors of a share of 0.95 among 4000 are 0.0103.
    assert covered / sampled == pytest.approx(0.95, abs=0.0103)


def test_importing_the_module_does_not_import_scipy_or_numpy() -> None:
    code = "import sys, bench.statistics, bench.metrics; print({'scipy', 'numpy', 'torch'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"
