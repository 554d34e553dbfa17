"""The drawing of a case's step times."""

import re
from collections.abc import Callable

import pytest

from bench.case import Case
from bench.reporting._html import samples
from bench.reporting._html.samples import Drawing, drawing
from bench.result import CaseResult
from bench.results.frame import Run
from bench.results.rows import rows

MakeRounds = Callable[..., list[CaseResult]]
Draw = Callable[..., Drawing]


@pytest.fixture(name="draw")
def _draw(make_case: Callable[..., Case], make_rounds: MakeRounds, make_run: Callable[..., Run]) -> Draw:
    """Return what draws one case of which the rounds take so long."""

    def draw(seconds: list[float], **fields: object) -> Drawing:
        run = make_run(make_rounds(make_case(), seconds, **fields))
        found = drawing(rows(run)[0], run.results)
        assert found is not None
        return found

    return draw


def points(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([-\d.]+),([-\d.]+)", line)]


def test_the_first_round_is_drawn_step_by_step_after_its_warm_up(draw: Draw) -> None:
    found = draw([0.004, 0.005])
    assert len(points(found.warmup)) == 2
    assert len(points(found.timed)) == 10
    assert points(found.warmup)[-1][0] < found.warmup_end < points(found.timed)[0][0]
    assert points(found.timed)[-1][0] == samples.STEPS_RIGHT


def test_every_round_has_a_dot_the_slower_the_higher(draw: Draw) -> None:
    found = draw([0.004, 0.005, 0.0045])
    heights = [y for _, y in found.rounds]
    assert len(heights) == 3
    assert heights[1] < heights[2] < heights[0]


def test_the_interval_is_a_band_around_the_figure(draw: Draw) -> None:
    found = draw([0.004, 0.0041, 0.0039, 0.004])
    assert found.band is not None
    assert found.figure_y is not None
    top, height = found.band
    assert top < found.figure_y < top + height


def test_one_round_has_no_band(draw: Draw) -> None:
    assert draw([0.004]).band is None


def test_many_steps_are_thinned_and_the_wildest_stays(draw: Draw) -> None:
    steps = [0.004 + 0.0001 * (number % 7) for number in range(5000)]
    steps[2500] = 1.0
    found = draw([0.004], samples_seconds={"step": tuple(steps)}, warmup_seconds={"step": (0.004,) * 300})
    assert len(points(found.timed)) <= samples.MAX_TIMED_POINTS
    assert len(points(found.warmup)) <= samples.MAX_WARMUP_POINTS
    assert min(y for _, y in points(found.timed)) == samples.TOP  # cut at the frame, but there
    heights = {y for _, y in points(found.timed)}
    assert len(heights) > 2  # and it does not press all others onto a line


def test_nothing_lies_outside_of_the_frame(draw: Draw) -> None:
    found = draw([0.004, 0.008], warmup_seconds={"step": (3.0, 0.001)})
    for x, y in (*points(found.warmup), *points(found.timed), *found.rounds):
        assert samples.STEPS_LEFT <= x <= samples.ROUNDS_RIGHT
        assert samples.TOP <= y <= samples.BOTTOM


def test_a_quiet_case_looks_quiet(draw: Draw) -> None:
    heights = [y for _, y in draw([0.004, 0.00401]).rounds]
    assert abs(heights[0] - heights[1]) < (samples.BOTTOM - samples.TOP) / 10


def test_a_single_step_is_still_to_be_seen(draw: Draw) -> None:
    found = draw([0.004], samples_seconds={"step": (0.004,)}, warmup_seconds={})
    assert len(points(found.timed)) == 2
    assert found.warmup == ""


def test_the_ticks_can_be_told_apart(draw: Draw) -> None:
    texts = [tick.text for tick in draw([0.004, 0.00402]).ticks]
    assert len(set(texts)) == 3
    assert all(text.endswith(" ms") for text in texts)


def test_a_case_without_a_timed_step_has_no_drawing(
    make_case: Callable[..., Case], make_run: Callable[..., Run]
) -> None:
    run = make_run([CaseResult(case=make_case(), round=0, status="error", reason="no")])
    assert drawing(rows(run)[0], run.results) is None


def test_the_words_say_what_is_drawn(draw: Draw) -> None:
    assert draw([0.004, 0.005]).title == (
        "Step times. First round: 2 warm-up steps, then 10 timed ones of 4.00 ms to 4.00 ms. "
        "All 2 rounds: 4.00 ms to 5.00 ms."
    )
