"""Intervals, checked by hand, by property and by simulation."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.statistics import (
    Interval,
    geometric_mean,
    holm,
    log_median,
    log_t_interval,
    paired_ratio,
    rate_interval,
    rounds_needed,
    unpaired_ratio,
    verdict_of,
)

POSITIVE = st.floats(min_value=1e-9, max_value=1e9)
VALUES = st.lists(POSITIVE, min_size=2, max_size=20)
RATIOS = st.lists(st.floats(0.5, 2.0), min_size=2, max_size=20)
P_VALUES = st.lists(st.floats(0.0, 1.0), max_size=20)


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


@pytest.mark.parametrize(
    ("low", "high", "within"),
    [(0.98, 1.02, True), (0.99, 1.01, True), (0.979, 1.0, False), (1.0, 1.021, False), (0.9, 1.1, False)],
)
def test_an_interval_lies_within_a_margin_that_holds_both_its_ends(low: float, high: float, within: bool) -> None:
    assert Interval(value=1.0, low=low, high=high).lies_within(1.0, 0.02) is within


def test_an_interval_without_bounds_lies_within_nothing() -> None:
    assert not Interval(value=1.0).lies_within(1.0, 0.5)


@pytest.mark.parametrize(
    ("low", "value", "high", "verdict"),
    [
        (1.021, 1.05, 1.08, "slower"),
        (0.92, 0.95, 0.979, "faster"),
        (0.985, 1.0, 1.015, "same"),
        (0.98, 0.99, 0.999, "same"),  # surely a change, and surely one that does not matter
        (1.019, 1.05, 1.08, "inconclusive"),
        (0.97, 1.0, 1.01, "inconclusive"),
        (0.5, 1.0, 2.0, "inconclusive"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side_of_the_margin(
    low: float, value: float, high: float, verdict: str
) -> None:
    assert verdict_of(Interval(value=value, low=low, high=high)) == verdict


def test_one_pair_is_inconclusive_whatever_it_says() -> None:
    assert verdict_of(paired_ratio([9.0], [1.0])) == "inconclusive"


@given(RATIOS)
def test_the_other_side_s_verdict_is_the_opposite(ratios: list[float]) -> None:
    there = log_t_interval(ratios)
    assert there.low is not None
    assert there.high is not None
    # Between 1 / 1.02 and 0.98 the margin is not the same from both sides, which is not what this is about.
    edges = (1.02, 1 / 1.02, 0.98, 1 / 0.98)
    clear = all(abs(bound / edge - 1) > 0.0005 for bound in (there.low, there.high) for edge in edges)
    opposite = {"faster": "slower", "slower": "faster", "same": "same", "inconclusive": "inconclusive"}
    back = verdict_of(log_t_interval([1 / ratio for ratio in ratios]))
    assert not clear or back == opposite[verdict_of(there)]


def test_holm_rejects_what_the_textbook_rejects() -> None:
    # Sorted: 0.005 <= 0.05 / 4, 0.01 <= 0.05 / 3, but 0.03 > 0.05 / 2, and there it stops: 0.04 <= 0.05 is not asked.
    assert holm([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]


def test_holm_of_nothing_rejects_nothing_and_of_one_hypothesis_is_a_plain_test() -> None:
    assert holm([]) == []
    assert (holm([0.05]), holm([0.051])) == ([True], [False])


@given(P_VALUES, st.floats(0.001, 0.2))
def test_holm_lies_between_bonferroni_and_a_plain_test(p_values: list[float], alpha: float) -> None:
    for rejected, p_value in zip(holm(p_values, alpha), p_values, strict=True):
        assert not rejected or p_value <= alpha
        assert rejected or p_value > alpha / len(p_values)


@given(P_VALUES.filter(bool), st.floats(0.001, 0.2))
def test_for_the_smallest_p_value_holm_is_bonferroni(p_values: list[float], alpha: float) -> None:
    smallest = p_values.index(min(p_values))
    assert holm(p_values, alpha)[smallest] == (p_values[smallest] <= alpha / len(p_values))


@given(P_VALUES)
def test_holm_never_rejects_a_hypothesis_and_keeps_one_with_a_smaller_p_value(p_values: list[float]) -> None:
    answers = list(zip(p_values, holm(p_values), strict=True))
    kept = [p_value for p_value, rejected in answers if not rejected]
    assert all(not rejected or p_value <= min(kept, default=1.0) for p_value, rejected in answers)


@given(P_VALUES.filter(bool), st.integers(0, 19), st.floats(0.0, 1.0))
def test_a_smaller_p_value_never_costs_a_rejection(p_values: list[float], index: int, factor: float) -> None:
    smaller = list(p_values)
    smaller[index % len(smaller)] *= factor
    assert all(after or not before for before, after in zip(holm(p_values), holm(smaller), strict=True))


def test_the_log_median_is_the_middle_logarithm_and_a_slow_step_does_not_move_it() -> None:
    assert log_median([1.0, math.e, math.e**5]) == pytest.approx(1.0)
    assert log_median([1.0, math.e, math.e**50]) == pytest.approx(1.0)
    assert log_median([1.0, math.e]) == pytest.approx(0.5)


@pytest.mark.parametrize("values", [[], [1.0, 0.0], [math.inf]])
def test_a_log_median_that_does_not_exist_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="interval"):
        log_median(values)


@given(VALUES)
def test_the_log_median_lies_between_the_smallest_and_the_largest(values: list[float]) -> None:
    assert math.log(min(values)) <= log_median(values) <= math.log(max(values))


def test_welch_is_what_scipy_says_of_the_logarithms() -> None:
    tops, bottoms = [1.0, 1.2, 1.1, 1.05], [0.9, 1.0]
    found = unpaired_ratio(tops, bottoms)
    theirs = stats.ttest_ind(np.log(tops), np.log(bottoms), equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((math.exp(theirs.low), math.exp(theirs.high)))
    assert found.value == pytest.approx(math.exp(np.mean(np.log(tops)) - np.mean(np.log(bottoms))))


def test_welch_without_spread_is_a_point_and_of_one_worker_has_no_bounds() -> None:
    assert unpaired_ratio([2.0, 2.0], [1.0, 1.0, 1.0]) == Interval(value=2.0, low=2.0, high=2.0)
    one = unpaired_ratio([2.0], [1.0, 1.1])
    assert one.value == pytest.approx(2.0 / math.sqrt(1.1))
    assert (one.low, one.high) == (None, None)


@given(
    st.lists(st.floats(min_value=0.5, max_value=2.0), min_size=2, max_size=9),
    st.lists(st.floats(min_value=0.5, max_value=2.0), min_size=2, max_size=9),
)
def test_welch_turned_over_is_one_over_it(tops: list[float], bottoms: list[float]) -> None:
    found, turned = unpaired_ratio(tops, bottoms), unpaired_ratio(bottoms, tops)
    assert found.low is not None
    assert turned.high is not None
    assert found.value * turned.value == pytest.approx(1.0)
    assert found.low * turned.high == pytest.approx(1.0, rel=1e-6)
    assert found.low <= found.value * (1 + 1e-9)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (0, 20, 0.0, 0.1684),  # no hit has the chance (1 - p)^20, which is 2.5 % at p = 1 - 0.025^(1/20)
        (10, 10, 0.6915, 1.0),  # all hits have p^10, which is 2.5 % at 0.025^(1/10)
        (1, 2, 0.0126, 0.9874),  # at least one has 1 - (1 - p)^2: 1 - sqrt(0.975); at most one has 1 - p^2
    ],
)
def test_the_interval_of_a_rate_is_where_what_was_seen_has_a_chance_of_a_fortieth(
    hits: int, trials: int, low: float, high: float
) -> None:
    assert rate_interval(hits, trials) == pytest.approx((low, high), abs=5e-5)


def test_a_rate_of_fewer_per_cent_is_narrower() -> None:
    assert rate_interval(0, 20, confidence=0.9) == pytest.approx((0.0, 1 - 0.05 ** (1 / 20)))


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_a_rate_of_nothing_or_of_more_than_all_is_refused(hits: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"got {hits} of {trials}"):
        rate_interval(hits, trials)


@given(st.integers(1, 60), st.integers(0, 60))
def test_the_interval_of_a_rate_holds_it_and_mirrors_that_of_the_misses(trials: int, hits: int) -> None:
    hits = min(hits, trials)
    low, high = rate_interval(hits, trials)
    assert low <= hits / trials <= high
    assert rate_interval(trials - hits, trials) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(
    ("ratio", "half_width", "needed"),
    [(1.06, 0.08, 32), (1.0, 0.04, 32), (1.02, 0.04, None), (0.98, 0.04, None), (1.06, 0.03, 9)],
)
def test_the_rounds_that_are_needed_grow_with_the_square_of_what_the_interval_is_too_wide(
    ratio: float, half_width: float, needed: int | None
) -> None:
    interval = Interval(value=ratio, low=ratio * (1 - half_width), high=ratio * (1 + half_width))
    assert rounds_needed(8, interval, 0.02) == needed


@pytest.mark.parametrize(("low", "high"), [(None, None), (0.0, math.inf)])
def test_without_a_spread_no_number_of_rounds_is_promised(low: float | None, high: float | None) -> None:
    assert rounds_needed(2, Interval(value=1.0, low=low, high=high), 0.02) is None
