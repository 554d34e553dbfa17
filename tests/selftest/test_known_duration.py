"""Waits of known length, and clocks that lose time."""

import functools
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from bench.measuring import device
from bench.measuring.clock import HostClock
from bench.result import DeviceInfo, Environment
from bench.selftest import _cuda, _workloads, known_duration
from tests.selftest.conftest import SimulatedGpu

Recorded = Callable[..., list[float]]
HARNESS_NAMES = ("forward_seconds", "rest_of_step_seconds", "rest_of_window_seconds")
GPU = Environment(devices=(DeviceInfo(type="cuda", index=0, name="simulated"),))


def _seen(recorded: Recorded, *, noise: float = 1.0, **ratios: float) -> dict[str, list[float]]:
    """Return a record in which the harness's figures are *ratios* (usually 1) times the true 20 ms."""
    harness = {name: recorded(0.02 * ratios.get(name, 1.0), noise) for name in HARNESS_NAMES}
    return {**harness, "waited_seconds": [0.02] * 10, "mean_waited_seconds": [0.02] * 10}


def test_waits_that_are_recovered_hold(recorded: Recorded) -> None:
    finding = known_duration.judge(_seen(recorded, forward_seconds=1.003))
    assert finding.verdict == "holds"
    assert finding.figure.startswith("forward +0.30 % [+0.16, +0.44]; step ")


@pytest.mark.parametrize("ratio", [0.98, 1.02])
@pytest.mark.parametrize("name", HARNESS_NAMES)
def test_any_figure_that_is_two_percent_off_fails(recorded: Recorded, name: str, ratio: float) -> None:
    assert known_duration.judge(_seen(recorded, **{name: ratio})).verdict == "fails"


def test_noise_is_undecidable(recorded: Recorded) -> None:
    assert known_duration.judge(_seen(recorded, noise=20)).verdict == "undecidable"


def test_an_empty_record_fails() -> None:
    assert known_duration.judge({}).verdict == "fails"
    assert known_duration.judge_cuda({}).verdict == "fails"


@pytest.mark.usefixtures("_torch_as_it_was")
def test_the_harness_never_says_less_than_the_other_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_workloads, "WAIT_SECONDS", 0.002)
    seen = known_duration.observe(2)
    assert {len(figures) for figures in seen.values()} == {2}
    for forward, step, waited in zip(
        seen["forward_seconds"], seen["rest_of_step_seconds"], seen["waited_seconds"], strict=True
    ):
        assert waited >= 0.002
        # NTP may make one clock run slower than the other, by 0.05 % at most.
        assert forward >= waited * 0.999
        assert step >= waited * 0.999


@pytest.mark.usefixtures("_torch_as_it_was")
def test_a_clock_that_loses_half_of_the_time_fails(
    monkeypatch: pytest.MonkeyPatch, make_pool: Callable[..., Any]
) -> None:
    monkeypatch.setattr(known_duration, "STEPS", 1)
    monkeypatch.setattr(device, "HostClock", functools.partial(HostClock, lambda: time.perf_counter_ns() // 2))
    assert known_duration.run(make_pool()).verdict == "fails"


def test_a_gpu_whose_events_and_host_agree_holds(simulated_gpu: SimulatedGpu) -> None:
    seen = known_duration.observe_cuda(10)
    assert {len(figures) for figures in seen.values()} == {10}
    assert seen["host_seconds"][0] == pytest.approx(_cuda.WINDOW_SECONDS, rel=0.01)
    assert known_duration.judge_cuda(seen).verdict == "holds"


def test_events_that_lose_time_fail(simulated_gpu: SimulatedGpu, recorded: Recorded) -> None:
    seen = known_duration.observe_cuda(10)
    lossy = {**seen, "event_seconds": recorded(0.98 * seen["event_seconds"][0])}
    assert known_duration.judge_cuda(lossy).verdict == "fails"


def test_twice_the_cycles_that_take_as_long_fail(simulated_gpu: SimulatedGpu) -> None:
    enqueue = simulated_gpu.enqueue
    simulated_gpu.sleep = lambda cycles: enqueue(30_000_000)  # type: ignore[method-assign]  # broken on purpose
    assert known_duration.judge_cuda(known_duration.observe_cuda(10)).verdict == "fails"


@pytest.mark.usefixtures("simulated_gpu")
def test_a_machine_with_a_gpu_is_asked_about_it_too(
    monkeypatch: pytest.MonkeyPatch, make_pool: Callable[..., Any], recorded: Recorded
) -> None:
    monkeypatch.setattr(known_duration, "observe", lambda blocks: _seen(recorded))
    assert "events" not in known_duration.run(make_pool()).figure
    assert "events +0.00 % [" in known_duration.run(make_pool(GPU)).figure


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs one NVIDIA GPU, found 0")
def test_a_real_gpu_is_never_said_to_lose_time() -> None:
    seen = known_duration.observe_cuda(2)
    for events, host in zip(seen["event_seconds"], seen["host_seconds"], strict=True):
        assert events <= host * 1.001
        assert host >= 0.1
