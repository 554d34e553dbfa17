"""Files of the kernel's, read below a folder that a test fills."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.doctor._machine import look_at_machine

CPU = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 avx512f avx512_bf16 hypervisor\n\nprocessor\t: 1\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def _fill(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_nothing_is_known_where_there_are_no_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    seen = look_at_machine(root)
    assert (seen.pci_cards, seen.kernel_module, seen.device_files, seen.container) == (0, "", (), "")
    assert (seen.quota_cores, seen.memory_limit_bytes, seen.shared_memory_bytes, seen.smt) == (None, None, None, None)
    assert (seen.is_wsl, seen.is_virtual, seen.numa_nodes) == (False, False, 1)


def test_the_processor_is_read(root: Path) -> None:
    system = "sys/devices/system"
    nodes = {f"{system}/node/node{number}/cpulist": "0" for number in (0, 1)}
    governor = {f"{system}/cpu/cpu0/cpufreq/scaling_governor": "powersave\n"}
    _fill(root, {"proc/cpuinfo": CPU, f"{system}/cpu/smt/active": "1\n", **nodes, **governor})
    seen = look_at_machine(root)
    assert (seen.cpu, seen.cpu_flags) == ("Some CPU", ("avx2", "avx512f", "avx512_bf16"))
    assert (seen.is_virtual, seen.smt, seen.numa_nodes, seen.governor) == (True, True, 2, "powersave")


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "nonsense"}, None),
    ],
)
def test_a_quota_is_read_from_either_version_of_cgroups(
    root: Path, files: Mapping[str, str], cores: float | None
) -> None:
    _fill(root, {f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    assert look_at_machine(root).quota_cores == cores


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"memory.max": "536870912\n"}, 2**29),
        ({"memory.max": "max\n"}, None),
        ({"memory/memory.limit_in_bytes": "536870912\n"}, 2**29),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
    ],
)
def test_a_limit_of_memory_is_read_from_either_version_of_cgroups(
    root: Path, files: Mapping[str, str], limit: int | None
) -> None:
    _fill(root, {f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    assert look_at_machine(root).memory_limit_bytes == limit


@pytest.mark.parametrize(
    ("files", "used"),
    [
        ({"memory.current": "700\n", "memory.stat": "anon 500\ninactive_file 200\nactive_file 0\n"}, 500),
        ({"memory.current": "700\n"}, 700),
        ({"memory/memory.usage_in_bytes": "700\n", "memory/memory.stat": "cache 9\ntotal_inactive_file 300\n"}, 400),
        ({}, None),
    ],
)
def test_what_a_container_uses_is_read_without_what_can_be_given_back(
    root: Path, files: Mapping[str, str], used: int | None
) -> None:
    _fill(root, {f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    assert look_at_machine(root).memory_used_bytes == used


def test_the_cores_of_the_affinity_are_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 2, 4}, raising=False)
    assert look_at_machine(root).visible_cores == 3


def test_nvidias_cards_are_counted_and_nobody_elses(root: Path) -> None:
    devices = {"a": ("0x10de", "0x030200"), "b": ("0x10de", "0x040300"), "c": ("0x1002", "0x030000")}
    for name, (vendor, kind) in devices.items():
        _fill(root, {f"sys/bus/pci/devices/{name}/{key}": text for key, text in (("vendor", vendor), ("class", kind))})
    _fill(root, {"proc/driver/nvidia/version": "NVRM version: 580.82.07\nGCC version: 13\n", "dev/nvidia0": ""})
    seen = look_at_machine(root)
    assert (seen.pci_cards, seen.kernel_module, seen.device_files) == (1, "NVRM version: 580.82.07", ("nvidia0",))


@pytest.mark.parametrize(
    ("files", "container"),
    [
        ({".dockerenv": ""}, "docker"),
        ({"run/.containerenv": ""}, "podman"),
        ({"proc/1/cgroup": "0::/kubepods/besteffort/pod1\n"}, "kubepods"),
        ({"proc/1/cgroup": "0::/init.scope\n"}, ""),
    ],
)
def test_a_container_is_recognised(
    root: Path, files: Mapping[str, str], container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    _fill(root, files)
    assert look_at_machine(root).container == container


def test_wsl_is_recognised(root: Path) -> None:
    _fill(root, {"proc/version": "Linux version 5.15.90.1-microsoft-standard-WSL2"})
    assert look_at_machine(root).is_wsl
