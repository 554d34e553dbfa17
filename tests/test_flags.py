"""The flags: for each a measurement that raises it, and one as close to it as may be that does not."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bench.case import Case
from bench.flags import FLAGS, raised, raised_by
from bench.precisions import PRECISIONS
from bench.result import CaseResult, DeviceInfo, Environment, Measurement, Plan, SamplingPlan, Usage


def _plan(environment: Environment = Environment(), **sampling: Any) -> Plan:  # noqa: B008 (frozen)
    return Plan(cases=(), sampling=SamplingPlan(**sampling), environment=environment)


ENOUGH = _plan(min_rounds=1)
FLAG_NAMES = (
    *("implausible", "diverged", "contended", "throttled", "foreign_process", "unsteady", "launch_bound"),
    *("allocator_retry", "skipped_steps", "recompiled", "teardown_abort", "few_rounds"),
)

Names = Callable[..., tuple[str, ...]]


def _window(seconds: float, *, threads: int, ranks: int = 1, **usage: Any) -> dict[str, Any]:
    """Return the fields of a measurement whose single step fills a window that was used like this."""
    return {
        "window_seconds": seconds,
        "window_steps": 1,
        "samples_seconds": {"step": (seconds,)},
        "rank_window_seconds": (seconds,) * ranks,
        "num_threads": threads,
        "usage": Usage(**{"cpu_seconds": seconds, "involuntary_switches": 0, **usage}),
    }


def _steps(*seconds: float, **fields: Any) -> dict[str, Any]:
    """Return the fields of a measurement of these steps."""
    window = sum(seconds)
    return {
        "window_seconds": window,
        "window_steps": len(seconds),
        "samples_seconds": {"step": seconds},
        "rank_window_seconds": (window,),
        **fields,
    }


def _on_event_clock(sampled_seconds: float, window_seconds: float) -> dict[str, Any]:
    """Return nine samples of ten steps, whose first one began on an idle device and is none."""
    return {
        "clock": "event",
        "window_seconds": window_seconds,
        "window_steps": 10,
        "samples_seconds": {"step": (sampled_seconds / 9,) * 9},
        "rank_window_seconds": (window_seconds,),
    }


IDLE = _window(0.137, threads=2, run_delay_seconds=0.0005, involuntary_switches=12)
"""Recorded: mlp on two threads of a machine without other work."""
COMPETING = _window(2.47, threads=2, run_delay_seconds=2.5, involuntary_switches=642, steal_seconds=0.0)
"""Recorded: the same beside processes that want both cores."""


def _two_ranks(others_seconds: float) -> dict[str, Any]:
    """Return two ranks of one thread each, which wait a lot: as recorded, but for what others ran."""
    return _window(0.195, threads=1, ranks=2, run_delay_seconds=0.07, others_seconds=others_seconds)


@pytest.fixture
def names(make_case: Callable[..., Case], make_measurement: Callable[..., Measurement]) -> Names:
    """Return what names the flags of a case whose rounds have these fields."""

    def names_of(*rounds: dict[str, Any], precision: str = "fp32") -> tuple[str, ...]:
        case = make_case(precision=precision)
        results = [
            CaseResult(case=case, round=number, status="ok", measurement=make_measurement(**fields))
            for number, fields in enumerate(rounds)
        ]
        return raised(results, ENOUGH)

    return names_of


def test_the_table_has_these_flags_in_this_order() -> None:
    assert tuple(FLAGS) == FLAG_NAMES


@pytest.mark.parametrize("name", FLAG_NAMES)
def test_a_flag_says_what_it_means_and_what_to_do_in_a_line_each(name: str) -> None:
    flag = FLAGS[name]
    assert flag.name == name
    for words in (flag.meaning, flag.cure):
        assert words.strip()
        assert "\n" not in words
        assert not words.endswith(".")  # the legend joins them


def test_an_ordinary_measurement_raises_none(names: Names) -> None:
    assert names({}) == ()


RAISED_AND_NOT = [
    # The steps of the host clock fill their window: 3 % more or less is impossible, 1 % is within the tolerance.
    ("implausible", {"samples_seconds": {"step": (0.00515,) * 10}}, {"samples_seconds": {"step": (0.00505,) * 10}}),
    ("implausible", {"samples_seconds": {"step": (0.00485,) * 10}}, {"samples_seconds": {"step": (0.00495,) * 10}}),
    # On the event clock nine samples stand for ten steps, and the first step's start from idle makes them fall short.
    ("implausible", _on_event_clock(0.093, 0.1), _on_event_clock(0.08, 0.1)),
    ("implausible", _on_event_clock(0.0919, 0.1), _on_event_clock(0.0917, 0.1)),
    ("diverged", {"loss_deviation_ratio": 0.0011}, {"loss_deviation_ratio": 0.0009}),
    ("diverged", {"gradient_norm_deviation_ratio": float("inf")}, {"gradient_norm_deviation_ratio": 0.001}),
    ("contended", COMPETING, IDLE),
    # More than 5 % of the window: of the waiting, where others ran as well, and of what a hypervisor took.
    (
        "contended",
        _window(1.0, threads=2, run_delay_seconds=0.051),
        _window(1.0, threads=2, run_delay_seconds=0.049, involuntary_switches=10_000),
    ),
    ("contended", _two_ranks(0.15), _two_ranks(0.009)),
    (
        "contended",
        _window(1.0, threads=2, run_delay_seconds=0.0, steal_seconds=0.102),  # both threads' share
        _window(1.0, threads=2, run_delay_seconds=0.0, steal_seconds=0.098),
    ),
    (
        "contended",
        _window(1.0, threads=2, run_delay_seconds=0.03, others_seconds=1.0, steal_seconds=0.06),
        _window(1.0, threads=2, run_delay_seconds=0.01, others_seconds=1.0, steal_seconds=0.06),
    ),
    # Where nobody counts the waiting: 50 switches a second of each of two threads.
    ("contended", _window(1.0, threads=2, involuntary_switches=101), _window(1.0, threads=2, involuntary_switches=99)),
    ("throttled", _window(1.0, threads=1, quota_seconds=0.02), _window(1.0, threads=1, quota_seconds=0.005)),
    ("throttled", _window(1.0, threads=1, core_throttles=1), _window(1.0, threads=1, core_throttles=0)),
    (
        "throttled",
        _window(1.0, threads=1, device_throttle_seconds=0.02),
        _window(1.0, threads=1, device_throttle_seconds=0.005),
    ),
    ("foreign_process", {"foreign_processes": 1}, {"foreign_processes": 0}),
    # The last third is 21 % or 19 % slower than the first.
    ("unsteady", _steps(*[0.01] * 3, *[0.011] * 3, *[0.0121] * 3), _steps(*[0.01] * 3, *[0.011] * 3, *[0.0119] * 3)),
    # A step takes 5 ms: the device was done 4 ms or 6 ms after the host.
    ("launch_bound", {"drain_seconds": 0.004}, {"drain_seconds": 0.006}),
    ("launch_bound", {"drain_seconds": 0.0}, {"drain_seconds": None}),
    ("allocator_retry", {"allocator_retries": 1}, {"allocator_retries": 0}),
    ("skipped_steps", {"skipped_steps": 1}, {"skipped_steps": 0}),
    ("skipped_steps", {"skipped_steps": 1}, {"skipped_steps": None}),
    ("recompiled", {"window_compilations": 1}, {"window_compilations": 0}),
]


@pytest.mark.parametrize(("name", "firing", "_near"), RAISED_AND_NOT)
def test_a_flag_is_raised_alone(name: str, firing: dict[str, Any], _near: object, names: Names) -> None:
    assert names(firing) == (name,)


@pytest.mark.parametrize(("name", "_firing", "near"), RAISED_AND_NOT)
def test_a_near_miss_is_none(name: str, _firing: object, near: dict[str, Any], names: Names) -> None:
    assert names(near) == ()


def test_every_flag_has_a_case_that_raises_it() -> None:
    elsewhere = {"teardown_abort", "few_rounds"}
    assert {name for name, _, _ in RAISED_AND_NOT} | elsewhere == set(FLAG_NAMES)


@pytest.mark.parametrize("name", ["throttled", "foreign_process", "recompiled", "implausible"])
def test_one_round_of_many_is_enough(name: str, names: Names) -> None:
    firing = next(fields for flag, fields, _ in RAISED_AND_NOT if flag == name)
    assert names({}, firing, {}) == (name,)


def test_contention_is_of_all_rounds_together(names: Names) -> None:
    busy = _window(1.0, threads=1, run_delay_seconds=0.2, others_seconds=0.2)
    quiet = _window(1.0, threads=1, run_delay_seconds=0.0, others_seconds=0.0)
    assert names(busy, quiet, quiet) == ("contended",)
    assert names(busy, quiet, quiet, quiet) == ()
    quota = _window(1.0, threads=1, run_delay_seconds=0.5, others_seconds=0.5, quota_seconds=0.5)
    assert names(quota) == ("throttled",)  # which explains the waiting
    many = _window(1.0, threads=64, run_delay_seconds=0.001, others_seconds=0.5, steal_seconds=64 * 0.001)
    assert names(many) == ()  # an idle machine of many cores
    ticks: dict[str, Any] = {"run_delay_seconds": 0.05, "others_error_seconds": 0.014}
    missed = [_window(0.1, threads=1, others_seconds=seconds, **ticks) for seconds in (-0.01, 0.01) * 4]
    assert names(*missed) == ()  # what one window has too few of another has too many of
    taken = [_window(0.1, threads=1, others_seconds=0.02, **ticks) for _ in range(8)]
    assert names(*taken) == ("contended",)  # none of which alone is more than its error
    waits = _window(1.0, threads=1, run_delay_seconds=0.9, others_seconds=0.0)
    runs_elsewhere = _window(1.0, threads=1, run_delay_seconds=0.0, others_seconds=0.9)
    assert names(waits) == names(runs_elsewhere) == ()


def test_several_flags_stand_in_the_order_of_the_table(names: Names) -> None:
    assert names({"window_compilations": 1, "foreign_processes": 2, **COMPETING}) == (
        *("contended", "foreign_process", "recompiled"),
    )


@pytest.mark.parametrize("precision", list(PRECISIONS))
def test_how_far_a_case_may_deviate_is_its_precisions_to_say(precision: str, names: Names) -> None:
    tolerance = PRECISIONS[precision].tolerance_ratio
    assert names({"loss_deviation_ratio": 1.01 * tolerance}, precision=precision) == ("diverged",)
    assert names({"loss_deviation_ratio": 0.99 * tolerance}, precision=precision) == ()


def test_a_loss_that_fits_does_not_excuse_a_gradient_that_does_not(names: Names) -> None:
    assert names({"loss_deviation_ratio": 0.0, "gradient_norm_deviation_ratio": 0.5}) == ("diverged",)


def test_the_check_of_the_first_round_holds_for_all_of_them(names: Names) -> None:
    assert names({"loss_deviation_ratio": 0.5}, {}, {}) == ("diverged",)


H100 = Environment(devices=(DeviceInfo(type="cuda", index=0, name="NVIDIA H100 80GB HBM3"),))
CPU = Environment(attained_flops_per_second={"cpu/fp32": 1e11})


@pytest.mark.parametrize(
    ("axes", "environment", "bound"),
    [
        ({"device": "cuda", "precision": "amp_bf16"}, H100, 989.5e12 * 2.25),
        ({"device": "cuda", "precision": "fp32"}, H100, 67e12 * 2.25),
    ],
)
def test_what_would_be_faster_than_its_devices_can_be_is_implausible(
    make_case: Callable[..., Case],
    make_rounds: Callable[..., list[CaseResult]],
    axes: dict[str, str],
    environment: Environment,
    bound: float,
) -> None:
    plan = _plan(environment, min_rounds=1)
    for share, names_of_flags in ((1.01, ("implausible",)), (0.99, ())):
        results = make_rounds(make_case(**axes), [0.1, 0.2], step_flops=round(bound * 0.1 * share))
        assert raised(results, plan) == names_of_flags


def test_a_time_ten_times_too_short_is_implausible(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]
) -> None:
    """At 43 % of the peak, as a good step has."""
    plan, case = _plan(H100, min_rounds=1), make_case(device="cuda", precision="amp_bf16")
    flops = round(0.43 * 989.5e12 * 0.1)
    assert raised(make_rounds(case, [0.1], step_flops=flops), plan) == ()
    assert raised(make_rounds(case, [0.01], step_flops=flops), plan) == ("implausible",)


def test_a_device_without_a_data_sheet_accuses_nobody(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]
) -> None:
    """Also not what a CPU attained once, which is no bound: the machine may get faster."""
    assert raised(make_rounds(make_case(), [1e-9], step_flops=10**15), _plan(CPU, min_rounds=1)) == ()
    strange = Environment(devices=(DeviceInfo(type="cuda", index=0, name="NVIDIA A10G"),))
    results = make_rounds(make_case(device="cuda"), [1e-9], step_flops=10**15)
    assert raised(results, _plan(strange, min_rounds=1)) == ()


def test_where_nothing_is_known_of_the_processor_nobody_is_accused(names: Names) -> None:
    assert names({"usage": None}) == ()
    assert names(_window(1.0, threads=2, run_delay_seconds=None, steal_seconds=None, core_throttles=None)) == ()


def test_a_known_delay_is_believed_before_the_switches(names: Names) -> None:
    switches = {"threads": 2, "involuntary_switches": 1000}
    assert names(_window(1.0, run_delay_seconds=0.0, **switches)) == ()
    assert names(_window(1.0, run_delay_seconds=None, **switches)) == ("contended",)


def _drifting(ratio: float) -> dict[str, Any]:
    """Return nine steps of which the last three take *ratio* times as long as the first three."""
    return _steps(*[0.01] * 6, *[0.01 * ratio] * 3)


@pytest.mark.parametrize(
    ("drifts", "flags"),
    [
        ([1.19], ()),
        ([1.21], ("unsteady",)),
        ([0.81], ()),
        ([0.79], ("unsteady",)),
        # Several rounds together: the whole interval must be further than 5 % from 1.
        ([1.08, 1.081, 1.082], ("unsteady",)),
        ([0.92, 0.921, 0.922], ("unsteady",)),
        ([1.04, 1.041, 1.042], ()),
        ([1.3, 0.9, 1.1], ()),  # 9 % in the mean, and an interval around 1: these machines only differ
    ],
)
def test_one_round_must_drift_by_a_fifth_and_several_by_an_interval_beyond_a_twentieth(
    drifts: Sequence[float], flags: tuple[str, ...], names: Names
) -> None:
    assert names(*map(_drifting, drifts)) == flags


def test_a_slow_step_at_the_end_is_no_drift(names: Names) -> None:
    assert names(_steps(*[0.01] * 8, 0.09)) == ()


def test_two_steps_are_too_few_to_drift(names: Names) -> None:
    assert names(_steps(0.01, 0.05)) == ()


def test_most_rounds_decide_whether_the_device_waited_for_the_host(names: Names) -> None:
    waited, behind = {"drain_seconds": 0.0}, {"drain_seconds": 0.02}
    assert names(waited, behind, waited) == ("launch_bound",)
    assert names(waited, behind, behind) == ()


def test_the_flag_of_a_bad_end_comes_with_its_visit(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]
) -> None:
    results = make_rounds(make_case(), [0.1, 0.1])
    assert raised(results, ENOUGH) == ()
    results[1] = dataclasses.replace(results[1], flags=("teardown_abort",))
    assert raised(results, ENOUGH) == ("teardown_abort",)


def test_a_flag_of_a_newer_version_that_a_visit_brought_along_is_kept_last(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]
) -> None:
    (result,) = make_rounds(make_case(), [0.1], skipped_steps=1)
    result = dataclasses.replace(result, flags=("haunted", "skipped_steps"))
    assert raised([result, result], ENOUGH) == ("skipped_steps", "haunted")


@pytest.mark.parametrize(("rounds", "flags"), [(7, ("few_rounds",)), (8, ())])
def test_fewer_rounds_than_the_plan_wants_are_few(
    rounds: int,
    flags: tuple[str, ...],
    make_case: Callable[..., Case],
    make_rounds: Callable[..., list[CaseResult]],
) -> None:
    assert raised(make_rounds(make_case(), [0.1] * rounds), _plan(min_rounds=8)) == flags


def test_a_case_that_failed_has_no_figure_to_doubt(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]
) -> None:
    case = make_case()
    failed = CaseResult(case=case, round=1, status="oom", reason="3 GiB")
    assert raised([failed], _plan()) == ()
    assert raised([*make_rounds(case, [0.1]), failed], _plan()) == ()


def test_one_visit_alone_is_never_said_to_be_few_rounds(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]
) -> None:
    (result,) = make_rounds(make_case(), [0.1], foreign_processes=1)
    assert raised([result], _plan()) == ("foreign_process", "few_rounds")
    assert raised_by(result) == ("foreign_process",)
