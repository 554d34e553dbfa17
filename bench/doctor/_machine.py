"""Collects what files say of the machine: cores, quotas, memory, cards on the bus; judges nothing."""

import os
import platform
import shutil
import tempfile
from pathlib import Path

import psutil

from bench.doctor._seen import Machine
from bench.running import machine

NVIDIA = "0x10de"
"""PCI's number for the maker."""
DISPLAY_CLASS = "0x03"
"""PCI's class of display controllers, with or without an output."""
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_fp16", "bf16", "sve")


def look_at_machine(root: Path = Path("/")) -> Machine:
    """Return what the files below *root* say, and what the standard library knows."""
    version, cpu = _read(root / "proc/version"), _read(root / "proc/cpuinfo")
    flags = set(_field(cpu, "flags").split()) | set(_field(cpu, "Features").split())
    memory = psutil.virtual_memory()
    return Machine(
        is_wsl="microsoft" in version.lower(),
        container=_container(root),
        is_virtual="hypervisor" in flags,
        pci_cards=sum(_is_nvidia_card(device) for device in (root / "sys/bus/pci/devices").glob("*")),
        kernel_module=_read(root / "proc/driver/nvidia/version").partition("\n")[0],
        device_files=tuple(sorted(path.name for path in (root / "dev").glob("nvidia[0-9]*"))),
        cpu=_field(cpu, "model name") or platform.processor() or platform.machine(),
        cpu_flags=tuple(flag for flag in CPU_FLAGS if flag in flags),
        logical_cores=os.cpu_count() or 1,
        visible_cores=machine.visible_cores(),
        usable_cores=machine.usable_cores(),
        quota_cores=_quota_cores(root),
        governor=_read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        smt={"1": True, "0": False}.get(_read(root / "sys/devices/system/cpu/smt/active")),
        numa_nodes=max(1, len(list((root / "sys/devices/system/node").glob("node[0-9]*")))),
        total_memory_bytes=memory.total,
        available_memory_bytes=memory.available,
        memory_limit_bytes=_memory_limit_bytes(root),
        memory_used_bytes=_memory_used_bytes(root),
        shared_memory_bytes=_size_bytes(root / "dev/shm"),
        free_disk_bytes=shutil.disk_usage(tempfile.gettempdir()).free,
        cxx=machine.cxx_name(),
        has_cxx=machine.cxx_compiler() is not None,
    )


def _container(root: Path) -> str:
    if (root / "run/.containerenv").exists():
        return "podman"
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "kubernetes"
    if (root / ".dockerenv").exists():
        return "docker"
    groups = _read(root / "proc/1/cgroup")
    return next((name for name in ("kubepods", "docker", "lxc", "containerd") if name in groups), "")


def _is_nvidia_card(device: Path) -> bool:
    return _read(device / "vendor") == NVIDIA and _read(device / "class").startswith(DISPLAY_CLASS)


def _quota_cores(root: Path) -> float | None:
    """Return the cores that the cgroup may use, of version 2 or 1."""
    words = _read(root / "sys/fs/cgroup/cpu.max").split()
    if not words:
        folder = root / "sys/fs/cgroup/cpu"
        words = [_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")]
    quota, period = [*words, "", ""][:2]
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _memory_limit_bytes(root: Path) -> int | None:
    """Return the cgroup's limit; one beyond any machine's memory stands for none in version 1."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _read(root / "sys/fs/cgroup" / name)
        if text.isdigit() and int(text) < 2**60:
            return int(text)
    return None


def _memory_used_bytes(root: Path) -> int | None:
    """Return what the cgroup uses, less cached files that nobody has used lately, as `docker stats` counts."""
    folder = root / "sys/fs/cgroup"
    for used, stat, cached in (
        ("memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
    ):
        text = _read(folder / used)
        if text.isdigit():
            counts = dict(line.split()[:2] for line in _read(folder / stat).splitlines() if len(line.split()) > 1)
            return max(0, int(text) - int(counts.get(cached, "0")))
    return None


def _size_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).total
    except OSError:
        return None


def _field(text: str, name: str) -> str:
    """Return the first value of *name* in a file of ``name : value`` lines."""
    pairs = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for key, _, value in pairs if key.strip() == name), "")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
