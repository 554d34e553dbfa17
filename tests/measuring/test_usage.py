"""How the processor treated a process, from a kernel's files made up here, and once from the real ones."""

import dataclasses
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from bench.measuring import usage
from bench.measuring.nvml import Driver
from bench.result import Usage

FIELDS = [field.name for field in dataclasses.fields(usage.Reading)]
NS = 1_000_000_000
TICK_NS = NS // os.sysconf("SC_CLK_TCK")
FILES = {
    "proc/self/task/11/schedstat": "900 30 5\n",
    "proc/self/task/12/schedstat": "800 4 5\n",
    "proc/stat": "cpu 10 20 30 40 50 60 70 9000 9 0\ncpu0 1 2 4 800 900 8 16 1000 9 0\ncpu1 1 1 1 1 1 1 1 1 1 1\n"
    "cpu4 10 20 40 800 900 80 160 2000 9 0\nintr 5\n",
    "proc/self/cgroup": "0::/system.slice/job\n",
    "sys/fs/cgroup/system.slice/job/cpu.stat": "usage_usec 9\nnr_throttled 3\nthrottled_usec 250\n",
    "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "2\n",
    "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "3\n",
}


def _driver(throttle_ns: int | None = None) -> Driver:
    return cast("Driver", SimpleNamespace(throttle_ns=lambda: throttle_ns))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of a kernel in it: two threads, two cores of three, a cgroup with a quota."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 4}, raising=False)
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_the_counters_are_those_of_the_kernels_files(root: Path) -> None:
    seen = usage.Meter(_driver(77), root).read()
    assert seen.run_delays_ns == {11: 30, 12: 4}  # of every thread, not of the main one alone
    assert seen.busy_ns == (1 + 2 + 4 + 8 + 16) * 11 * TICK_NS  # neither idle, nor of a core that it may not use
    assert seen.steal_ns == 3000 * TICK_NS
    assert seen.quota_ns == 250_000
    assert seen.core_throttles == 2 + 3
    assert seen.device_throttle_ns == 77


def test_a_cgroup_at_the_root_of_its_namespace_is_found(root: Path) -> None:
    (root / "proc/self/cgroup").write_text("12:cpu:/old\n0::/\n")
    (root / "sys/fs/cgroup/cpu.stat").write_text("throttled_usec 3\n")
    assert usage.Meter(_driver(), root).read().quota_ns == 3000


def _unknown(root: Path) -> set[str]:
    seen = usage.Meter(_driver(0), root).read()
    return {name for name in FIELDS if getattr(seen, name) in (usage.UNKNOWN, None)}


@pytest.mark.parametrize(
    ("missing", "unknown"),
    [
        ("proc/stat", {"busy_ns", "steal_ns"}),
        ("proc/self/cgroup", {"quota_ns"}),
        ("sys/fs/cgroup/system.slice/job/cpu.stat", {"quota_ns"}),
    ],
)
def test_what_a_file_does_not_say_is_unknown_and_the_rest_is_known(root: Path, missing: str, unknown: set[str]) -> None:
    assert _unknown(root) == set()
    (root / missing).unlink()
    assert _unknown(root) == unknown


@pytest.mark.parametrize(
    ("name", "text", "unknown"),
    [
        ("proc/self/task/11/schedstat", "900\n", {"run_delays_ns"}),
        ("proc/stat", "cpu0  10 20 30 40 50 60 70\n", {"busy_ns", "steal_ns"}),  # before Linux 2.6.11
        ("proc/stat", "cpu1 1 1 1 1 1 1 1 1 1 1\n", {"busy_ns", "steal_ns"}),  # none of its cores
        ("proc/stat", "", {"busy_ns", "steal_ns"}),
        ("proc/self/cgroup", "3:cpu,cpuacct:/job\n", {"quota_ns"}),  # cgroups of version 1
        ("sys/fs/cgroup/system.slice/job/cpu.stat", "usage_usec 9\n", {"quota_ns"}),  # no quota
        ("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "many\n", {"core_throttles"}),
    ],
)
def test_a_file_of_another_kernel_makes_it_unknown(root: Path, name: str, text: str, unknown: set[str]) -> None:
    (root / name).write_text(text)
    assert _unknown(root) == unknown


def test_the_files_stay_open_and_are_read_from_their_beginning_again(root: Path) -> None:
    meter = usage.Meter(_driver(), root)
    assert meter.read().run_delays_ns == {11: 30, 12: 4}
    kept = root / "proc/self/task/11/schedstat"
    kept.write_text("900 130 5\n")
    kept.rename(root / "elsewhere")
    kept.write_text("1 2 3\n")  # another file of that name is not looked at
    assert meter.read().run_delays_ns == {11: 130, 12: 4}


def test_a_thread_that_came_later_counts_too(root: Path) -> None:
    meter = usage.Meter(_driver(), root)
    meter.read()
    (root / "proc/self/task/13").mkdir()
    (root / "proc/self/task/13/schedstat").write_text("1 1000 1\n")
    assert meter.read().run_delays_ns == {11: 30, 12: 4, 13: 1000}


def test_a_file_whose_thread_has_ended_is_opened_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = usage.Meter(_driver(), root)
    meter.read()
    stale = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 (names are all that is wanted)
    read = os.preadv
    dead = [next(iter(meter._files.values()))]

    def preadv(file: int, buffers: Any, offset: int) -> int:
        if file in dead:
            dead.clear()
            raise ProcessLookupError
        return read(file, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    assert meter.read().run_delays_ns == {11: 30, 12: 4}
    assert not dead
    assert len(os.listdir("/proc/self/fd")) == len(stale)  # noqa: PTH208


def test_threads_that_have_ended_are_left_out_and_leave_no_file_open(root: Path) -> None:
    meter = usage.Meter(_driver(), root)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    meter.read()
    opened = len(os.listdir("/proc/self/fd")) - before  # noqa: PTH208
    (root / "proc/self/task/12/schedstat").unlink()  # between the listing and the look
    assert usage.Meter(_driver(), root).read().run_delays_ns == {11: 30}
    (root / "proc/self/task/12").rmdir()
    assert meter.read().run_delays_ns == {11: 30}
    assert len(os.listdir("/proc/self/fd")) == before + opened - 1  # noqa: PTH208


def test_the_delay_is_that_of_the_thread_that_waited_longest() -> None:
    """However many threads wait a little, as those of an idle machine with many cores do."""
    before = _reading(run_delays_ns={1: 5, 2: 100, 3: 7})
    after = _reading(run_delays_ns={1: 6, 2: 103, 4: 2})  # 3 has ended, 4 is new
    assert after.since(before)[2] == 3
    assert after.since(_reading(run_delays_ns=None))[2] == usage.UNKNOWN
    assert _reading(run_delays_ns=None).since(before)[2] == usage.UNKNOWN


def test_a_meter_that_is_gone_leaves_no_file_open(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    meter = usage.Meter(_driver(), root)
    meter.read()
    assert len(os.listdir("/proc/self/fd")) > before  # noqa: PTH208
    del meter
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_machine_that_counts_no_throttling_does_not_say_0(root: Path) -> None:
    for core in ("cpu0", "cpu1"):
        (root / f"sys/devices/system/cpu/{core}/thermal_throttle/core_throttle_count").unlink()
    assert _unknown(root) == {"core_throttles"}


def test_nothing_but_processor_time_and_switches_is_known_where_no_file_is(tmp_path: Path) -> None:
    seen = usage.Meter(_driver(None), tmp_path).read()
    grown = usage.usage_of([seen.since(seen)])
    assert dataclasses.replace(grown, others_error_seconds=0.0) == Usage(cpu_seconds=0.0, involuntary_switches=0)
    assert (grown.run_delay_seconds, grown.others_seconds) == (None, None)
    assert (grown.steal_seconds, grown.quota_seconds) == (None, None)
    assert (grown.core_throttles, grown.device_throttle_seconds) == (None, None)


def _reading(**counters: Any) -> usage.Reading:
    return usage.Reading(**{**dict.fromkeys(FIELDS, 0), "run_delays_ns": {1: 0}, **counters})


def test_what_has_grown_is_the_difference_of_each_counter() -> None:
    before, after = _reading(cpu_ns=5, steal_ns=7), _reading(cpu_ns=9, steal_ns=8, quota_ns=3)
    assert after.since(before) == [4, 0, 0, 0, 1, 3, 0, 0]


def test_what_was_unknown_at_either_moment_is_unknown() -> None:
    unknown = _reading(steal_ns=usage.UNKNOWN)
    assert _reading(steal_ns=5).since(unknown)[4] == usage.UNKNOWN
    assert unknown.since(_reading(steal_ns=5))[4] == usage.UNKNOWN


def test_a_counter_that_a_thread_took_with_it_does_not_fall_below_0() -> None:
    assert _reading(run_delays_ns={1: 3}).since(_reading(run_delays_ns={1: 10}))[2] == 0


@pytest.fixture
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 2, 3}, raising=False)


@pytest.mark.usefixtures("_four_cores")
def test_ranks_are_summed_and_what_all_of_them_see_of_the_machine_is_not() -> None:
    first = [1 * NS, 10, 2 * NS, 9 * NS, 4 * NS, 3 * NS, 5, 7 * NS]
    second = [2 * NS, 20, 3 * NS, 8 * NS, 5 * NS, 3 * NS, 6, 1 * NS]
    found = usage.usage_of([first, second])
    assert dataclasses.replace(found, others_seconds=None, others_error_seconds=0.0) == Usage(
        cpu_seconds=3.0,
        involuntary_switches=30,
        run_delay_seconds=3.0,
        steal_seconds=5.0,
        quota_seconds=3.0,
        core_throttles=6,
        device_throttle_seconds=7.0,
    )
    assert found.others_seconds == pytest.approx(8.0 - 3.0)
    assert found.others_error_seconds == pytest.approx(2 * TICK_NS / NS)


def test_the_delay_of_all_ranks_is_unknown_where_one_does_not_know_its_own() -> None:
    known, unknown = [NS, 1, NS, 9 * NS, 0, 0, 0, 0], [NS, 1, usage.UNKNOWN, 9 * NS, 0, 0, 0, 0]
    found = usage.usage_of([known, unknown])
    assert (found.run_delay_seconds, found.steal_seconds) == (None, 0.0)
    assert found.others_seconds == pytest.approx(7.0, abs=0.1)


def test_ticks_that_were_missed_stay_missed_so_that_those_of_many_windows_cancel() -> None:
    assert usage.usage_of([[NS, 1, 0, NS // 2, 0, 0, 0, 0]]).others_seconds == -0.5


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux")
def test_a_real_reading_grows_while_this_process_computes() -> None:
    driver = Driver([torch.device("cpu")])
    meter = usage.Meter(driver)
    before = meter.read()
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    after = meter.read()
    assert after.cpu_ns - before.cpu_ns >= 0.04 * NS
    for name in ("involuntary_switches", "busy_ns", "steal_ns"):
        assert getattr(after, name) >= getattr(before, name) >= 0
    assert after.device_throttle_ns == usage.UNKNOWN
