"""Where a level changed, on series that are made up."""

import math
import random

import pytest

from bench.history.change_points import MAX_POINTS, MIN_POINTS, change_points, noise_of


def series(levels: list[tuple[float, int]], noise: float = 0.02, seed: int = 1) -> list[float]:
    """Return so many points of each level, with normal noise on logarithms."""
    chance = random.Random(seed)
    return [level * math.exp(chance.gauss(0, noise)) for level, number in levels for _ in range(number)]


def test_a_step_is_found_where_it_is() -> None:
    (found,) = change_points(series([(1.0, 30), (1.05, 30)], noise=0.005))
    assert found.index == 30
    assert found.after / found.before == pytest.approx(1.05, abs=0.005)
    assert found.before == pytest.approx(1.0, abs=0.005)


def test_a_new_level_is_one_from_its_fourth_point_on() -> None:
    for number in range(1, 8):
        found = change_points(series([(1.0, 30), (1.2, number)], noise=0.005))
        assert [one.index for one in found] == ([30] if number >= MIN_POINTS else []), number


def test_up_and_down_again_are_two_changes() -> None:
    found = change_points(series([(1.0, 20), (1.1, 20), (1.0, 20)], noise=0.005))
    assert [one.index for one in found] == [20, 40]
    assert [one.after > one.before for one in found] == [True, False]


def test_spikes_are_no_change() -> None:
    values = series([(1.0, 60)], noise=0.01)
    for place in (10, 30, 50):
        values[place] *= 1.5
    assert change_points(values) == []


def test_what_is_smaller_than_the_margin_is_none_however_certain() -> None:
    assert change_points([1.0, 1.0001] * 20 + [1.01, 1.0101] * 20) == []


def test_a_counter_that_changes_once_is_found_and_one_that_does_not_is_quiet() -> None:
    (found,) = change_points([61.0] * 10 + [65.0] * 5)
    assert found.index == 10
    assert [found.before, found.after] == pytest.approx([61.0, 65.0])
    assert change_points([61.0] * 50) == []


def test_a_count_that_was_none_may_begin_and_end() -> None:
    began, ended = change_points([0.0] * 10 + [5.0] * 10 + [0.0] * 10)
    assert (began.index, ended.index) == (10, 20)
    assert [began.before, began.after, ended.after] == pytest.approx([0.0, 5.0, 0.0])
    assert change_points([0.0] * 20) == []


def test_a_few_points_have_no_levels() -> None:
    assert change_points([]) == []
    assert change_points([1.0] * 3 + [2.0] * 4) == []


def test_of_a_long_series_the_newest_points_are_looked_at() -> None:
    values = series([(1.0, 100), (2.0, MAX_POINTS - 50), (3.0, 50)], noise=0.005)
    assert [one.index for one in change_points(values)] == [100 + MAX_POINTS - 50]


def test_noise_is_that_between_neighbours_not_of_levels_or_spikes() -> None:
    logs = [math.log(value) for value in series([(1.0, 200), (3.0, 200)], noise=0.02)]
    logs[50] += 1.0
    assert noise_of(logs) == pytest.approx(0.02, rel=0.15)
