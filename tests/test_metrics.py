"""Each metric against a measurement whose figures can be worked out by hand."""

from collections.abc import Callable

import pytest

from bench.case import Case
from bench.metrics import METRICS
from bench.result import Measurement


@pytest.fixture
def measurement(make_measurement: Callable[..., Measurement]) -> Measurement:
    return make_measurement(
        window_seconds=0.8,
        window_steps=100,
        samples_seconds={"forward": (0.003, 0.001, 0.002), "backward": (0.004, 0.005)},
        first_step_seconds=0.5,
        items_per_sample=128,
        item="token",
        parameters=1234,
        final_loss=1.5,
        peak_allocated_bytes=2048,
        peak_reserved_bytes=None,
        process_peak_bytes=4096,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("step_seconds", 0.008),
        ("forward_seconds", 0.002),
        ("backward_seconds", 0.0045),
        ("optimizer_seconds", None),
        ("h2d_seconds", None),
        ("first_step_seconds", 0.5),
        ("throughput_samples_per_second", 32 / 0.008),
        ("throughput_items_per_second", 32 / 0.008 * 128),
        ("peak_allocated_bytes", 2048),
        ("peak_reserved_bytes", None),
        ("process_peak_bytes", 4096),
        ("parameters", 1234),
        ("final_loss", 1.5),
    ],
)
def test_a_worker_s_figure_is(
    name: str, expected: float | None, measurement: Measurement, make_case: Callable[..., Case]
) -> None:
    case = make_case(strategy="ddp", batch_size=16, num_devices=2)
    assert METRICS[name].function(measurement, case) == (None if expected is None else pytest.approx(expected))


def test_more_throughput_is_better_and_everything_else_is_a_cost() -> None:
    better = {name for name, metric in METRICS.items() if metric.better == "higher"}
    assert better == {"throughput_samples_per_second", "throughput_items_per_second"}


def test_a_metric_s_name_says_its_unit() -> None:
    units = ("_seconds", "_bytes", "_per_second", "_ratio", "_joules", "_watts")
    counts = {name for name in METRICS if not name.endswith(units)} - {"final_loss"}
    assert counts == {
        *("parameters", "step_flops", "operators", "host_syncs", "optimizer_host_syncs", "kernels"),
        *("graph_breaks", "recompiles", "collectives"),
    }
    assert all(METRICS[name].is_count for name in counts)


@pytest.mark.parametrize(
    ("name", "figures", "combined"),
    [
        ("forward_seconds", [1.0, 4.0], 2.0),
        ("peak_allocated_bytes", [3, 7, 5], 7),
        ("final_loss", [-1.0, 0.0, 9.0], 0.0),
    ],
)
def test_the_workers_of_a_case_become_one_figure(name: str, figures: list[float], combined: float) -> None:
    assert METRICS[name].combine(figures) == pytest.approx(combined)


def test_what_an_earlier_round_has_compiled_is_no_first_step_and_no_compilation(
    make_measurement: Callable[..., Measurement], make_case: Callable[..., Case]
) -> None:
    case = make_case(compile="default")
    cold = make_measurement(first_step_seconds=20.5, compile_seconds=20.0, compiles_from_nothing=True)
    warm = make_measurement(first_step_seconds=2.5, compile_seconds=2.0)
    eager = make_measurement(first_step_seconds=0.5, compiles_from_nothing=True)
    figures = {
        name: [METRICS[name].function(measurement, case) for measurement in (cold, warm, eager)]
        for name in ("first_step_seconds", "compile_seconds")
    }
    assert figures == {"first_step_seconds": [20.5, None, 0.5], "compile_seconds": [20.0, None, None]}
