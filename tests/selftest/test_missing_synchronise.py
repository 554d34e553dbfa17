"""The simulated device, and clocks with something removed."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from bench.measuring import clock
from bench.measuring.clock import EventClock, HostClock, Window
from bench.result import DeviceInfo, Environment
from bench.selftest import _simulated, missing_synchronise
from bench.selftest._simulated import SimulatedDevice

GPU = Environment(devices=(DeviceInfo(type="cuda", index=0, name="simulated"),))
MakePool = Callable[..., Any]


def test_the_real_clocks_hold(make_pool: MakePool) -> None:
    finding = missing_synchronise.run(make_pool())
    assert finding.verdict == "holds"
    assert finding.figure == "recovered; refused; a host clock would lose it"


def test_a_step_is_the_work_that_was_enqueued_and_a_host_clock_sees_the_calls_only() -> None:
    seen = missing_synchronise.observe(has_cuda=False)
    assert seen["event_seconds"] == [pytest.approx(0.005, rel=1e-12)] * (missing_synchronise.STEPS - 1)
    assert seen["host_seconds"] == pytest.approx(2 * _simulated.CALL_NS / 1e9)  # the launch, and the look at the clock
    assert "a synchronise is missing" in seen["refusal"]


def test_an_event_clock_without_its_check_fails(monkeypatch: pytest.MonkeyPatch, make_pool: MakePool) -> None:
    monkeypatch.setattr(clock, "CLOCK_TOLERANCE_SECONDS", math.inf)
    finding = missing_synchronise.run(make_pool())
    assert finding.verdict == "fails"
    assert finding.figure == "recovered; NOT refused; a host clock would lose it"


def test_an_event_clock_that_loses_time_fails(monkeypatch: pytest.MonkeyPatch, make_pool: MakePool) -> None:
    class Loses(EventClock):
        def end(self) -> Window:
            window = super().end()
            shorter = tuple(seconds * 0.9999 for seconds in window.interval_seconds)
            return Window(start_ns=window.start_ns, end_ns=window.end_ns, interval_seconds=shorter)

    monkeypatch.setattr(missing_synchronise, "EventClock", Loses)
    finding = missing_synchronise.run(make_pool())
    assert finding.verdict == "fails"
    assert finding.figure.startswith("NOT recovered; refused; ")


def test_a_simulation_that_is_not_asynchronous_proves_nothing_and_fails(
    monkeypatch: pytest.MonkeyPatch, make_pool: MakePool
) -> None:
    class Waits(HostClock):
        def border(self) -> None:
            super().border()
            self._borders_ns[-1] += missing_synchronise.STEP_NS * len(self._borders_ns)

    monkeypatch.setattr(missing_synchronise, "HostClock", Waits)
    finding = missing_synchronise.run(make_pool())
    assert finding.verdict == "fails"
    assert finding.figure.endswith("NOT a host clock would lose it")


@pytest.mark.parametrize(
    "changed",
    [
        {"true_seconds": 0.0},
        {"event_seconds": []},
        {"event_seconds": [0.005] * 3},
        {"host_seconds": math.nan},
        {"refusal": ""},
        {"cuda_refusal": None},
    ],
)
def test_a_record_that_is_not_whole_fails(changed: dict[str, Any]) -> None:
    seen = missing_synchronise.observe(has_cuda=False)
    assert missing_synchronise.judge(seen).verdict == "holds"
    assert missing_synchronise.judge({**seen, **changed}).verdict == "fails"


def test_an_empty_record_fails() -> None:
    assert missing_synchronise.judge({}).verdict == "fails"


@pytest.mark.usefixtures("simulated_gpu")
def test_a_machine_with_a_gpu_is_asked_to_refuse_too(make_pool: MakePool) -> None:
    assert missing_synchronise.run(make_pool(GPU)).figure.endswith("; refused on the GPU")


def test_the_device_works_one_thing_after_the_other_and_only_then_is_synchronised() -> None:
    device = SimulatedDevice()
    first = device.record_event()
    device.enqueue(2_000_000)
    device.enqueue(3_000_000)
    last = device.record_event()
    assert first.elapsed_time(last) == pytest.approx(5.0, abs=0.01)
    assert device.now_ns() < 1_000_000
    device.synchronize()
    assert device.now_ns() > 5_000_000


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs one NVIDIA GPU, found 0")
def test_a_real_gpu_is_refused_without_synchronise() -> None:
    assert "a synchronise is missing" in missing_synchronise.observe(has_cuda=True)["cuda_refusal"]
