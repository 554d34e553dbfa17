"""How many steps a worker times, in hand-worked numbers, and how a window becomes samples."""

import pytest

from bench.measuring.clock import Window
from bench.measuring.sampling import MAX_STEPS, MIN_STEPS, samples_of, steps_per_worker

FOREVER = 1e9
PHASES = ("forward", "backward", "optimizer")


def _window(*interval_seconds: float) -> Window:
    return Window(start_ns=0, end_ns=int(sum(interval_seconds) * 1e9), interval_seconds=interval_seconds)


@pytest.mark.parametrize(
    ("startup_seconds", "step_seconds", "steps"),
    [
        (0.5, 0.005, 30),  # 3 * sqrt(100)
        (0.9, 0.001, 90),  # 3 * sqrt(900)
        (2.0, 0.02, 30),  # the ratio counts, not the speed
        (0.1, 0.005, 13),  # 3 * sqrt(20) = 13.4, cut to whole steps
        (0.02, 0.005, 8),  # 6
        (0.01, 1.0, 8),  # 0.3
        (10.0, 0.0001, 300),  # 3 * sqrt(100 000) = 949
    ],
)
def test_the_steps_follow_the_price_of_a_worker(startup_seconds: float, step_seconds: float, steps: int) -> None:
    assert steps_per_worker(startup_seconds, step_seconds, FOREVER) == steps


def test_the_steps_stay_between_8_and_300() -> None:
    assert (MIN_STEPS, MAX_STEPS) == (8, 300)
    assert steps_per_worker(1e-9, 1.0, FOREVER) == 8
    assert steps_per_worker(1e9, 1.0, FOREVER) == 300


@pytest.mark.parametrize(
    ("remaining_seconds", "steps"),
    [
        (10.0, 6),  # 0.6 * 10 s of steps of 1 s
        (12.0, 7),  # 7.2
        (14.0, 8),  # 8.4, but 8 are wanted
        (2.0, 1),  # 1.2
        (1.0, 1),  # 0.6: one step must be
        (0.0, 1),
        (-5.0, 1),
    ],
)
def test_a_window_takes_at_most_six_tenths_of_the_time_left(remaining_seconds: float, steps: int) -> None:
    assert steps_per_worker(1.0, 1.0, remaining_seconds) == steps


def test_a_window_becomes_the_samples_of_each_phase_and_of_the_step() -> None:
    samples = samples_of(_window(1, 2, 4, 10, 20, 40), PHASES)
    assert samples == {"forward": [1, 10], "backward": [2, 20], "optimizer": [4, 40], "step": [7, 70]}


def test_a_batch_that_is_moved_is_a_sample_of_its_own() -> None:
    samples = samples_of(_window(8, 1, 2, 4), ("h2d", *PHASES))
    assert samples == {"h2d": [8], "forward": [1], "backward": [2], "optimizer": [4], "step": [15]}


def test_samples_keep_the_order_of_the_steps() -> None:
    samples = samples_of(_window(*range(300)), PHASES)
    assert {len(values) for values in samples.values()} == {100}
    assert samples["backward"] == [3 * step + 1 for step in range(100)]


def test_a_step_is_the_exact_sum_of_its_phases() -> None:
    samples = samples_of(_window(0.1, 0.2, 0.3), PHASES)
    assert samples["step"] == [0.6]
