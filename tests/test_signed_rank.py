"""Signed ranks, with values worked out by hand."""

import math
import random
import statistics

import pytest

from bench.signed_rank import _chances, exceeding_p_value, interval


def test_the_chances_of_three_are_those_of_eight_equally_likely_signs() -> None:
    """The sums of the subsets of 1, 2, 3 are 0, 1, 2, 3, 3, 4, 5, 6."""
    assert _chances(3) == [8 / 8, 7 / 8, 6 / 8, 5 / 8, 3 / 8, 2 / 8, 1 / 8]


def test_all_above_is_as_unlikely_as_it_can_be() -> None:
    assert exceeding_p_value([1.03, 1.05, 1.04], 1.02) == 1 / 8
    assert exceeding_p_value([1.05] * 16, 1.02) == pytest.approx(2**-16)
    assert exceeding_p_value([0.99, 0.98, 1.01], 1.02) == 1.0


def test_the_size_of_what_is_below_counts_as_a_rank() -> None:
    """From 1: +1 %, +3 %, -2 %: ranks 1 and 3 are above, a sum of 4 or more has a chance of 3/8."""
    assert exceeding_p_value([1.01, 1.03, 1 / 1.02], 1.0) == 3 / 8


def test_how_far_out_the_furthest_is_does_not_matter() -> None:
    near = [1.03, 1.04, 1.05, 1.06, 1.035, 0.9]
    assert exceeding_p_value(near, 1.0) == exceeding_p_value([*near[:-1], 0.1], 1.0)


def test_equal_distances_share_their_ranks_and_the_half_does_not_help() -> None:
    """Two at +1 %, one at -1 %: each has rank 2, so 4 are above."""
    assert exceeding_p_value([1.01, 1.01, 1 / 1.01], 1.0) == _chances(3)[4]
    assert exceeding_p_value([1.0, 1.0], 1.0) == 1.0


def test_the_estimate_is_the_middle_of_all_means_of_two() -> None:
    """The logs 0, 2, 10 have the means 0, 1, 2, 5, 6, 10, and 3.5 in their middle."""
    found = interval([math.exp(value) for value in (0.0, 2.0, 10.0)])
    assert found.value == pytest.approx(math.exp(3.5))
    assert (found.low, found.high) == (None, None)


def test_six_are_the_fewest_that_have_an_interval() -> None:
    """All on one side: once in 64; from the smallest to the largest is an interval of 1 - 2/64."""
    ratios = [1.0, 1.01, 1.02, 1.03, 1.04, 1.05]
    assert interval(ratios[:5]).low is None
    found = interval(ratios)
    assert found.low == pytest.approx(1.0)
    assert found.high == pytest.approx(1.05)


def test_ten_leave_eight_means_out_on_each_side() -> None:
    """Of ten, a sum of at most 8 has a chance of 25/1024, one of at most 9 of 33/1024: too much for 2.5 %."""
    logs = [0.01 * value for value in (1, 2, 4, 7, 11, 16, 22, 29, 37, 46)]
    means = sorted((one + other) / 2 for index, one in enumerate(logs) for other in logs[index:])
    found = interval([math.exp(value) for value in logs])
    assert found.low == pytest.approx(math.exp(means[8]))
    assert found.high == pytest.approx(math.exp(means[-9]))


def test_the_interval_covers_what_it_says_also_where_one_in_ten_is_far_out() -> None:
    chance = random.Random(1)
    covered, widths = 0, []
    for _ in range(400):
        logs = [chance.gauss(0, 0.2 if chance.random() < 0.1 else 0.02) for _ in range(16)]
        found = interval([math.exp(value) for value in logs])
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 1 <= found.high
        widths.append(found.high - found.low)
    assert covered >= 0.93 * 400
    assert statistics.median(widths) < 0.04


@pytest.mark.parametrize("ratios", [[], [1.0, 0.0], [math.nan], [math.inf]])
def test_what_is_no_ratio_is_refused(ratios: list[float]) -> None:
    with pytest.raises(ValueError, match="an interval"):
        interval(ratios)
    with pytest.raises(ValueError, match="an interval"):
        exceeding_p_value(ratios, 1.0)
