"""Machines as records: one that works, from which each test breaks something."""

from collections.abc import Iterable
from typing import Any

from bench.doctor._finding import Finding
from bench.doctor._seen import Card, Device, Driver, Facts, Machine, Torch

GIB = 2**30
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")


def card(**fields: Any) -> Card:
    usual: dict[str, Any] = {
        "name": "NVIDIA H100 80GB HBM3",
        "architecture": "Hopper",
        "persistence": "Enabled",
        "mig": "Disabled",
        "compute_mode": "Default",
        "power_limit_watts": 700.0,
        "default_power_limit_watts": 700.0,
        "ecc": "Enabled",
        "temperature_celsius": 35.0,
        "link_generation": 5,
        "max_link_generation": 5,
        "link_width": 16,
        "max_link_width": 16,
    }
    return Card(**{**usual, **fields})


def device(**fields: Any) -> Device:
    usual: dict[str, Any] = {
        "type": "cuda",
        "index": 0,
        "name": "NVIDIA H100 80GB HBM3",
        "capability": (9, 0),
        "total_memory_bytes": 80 * GIB,
        "free_memory_bytes": 79 * GIB,
    }
    return Device(**{**usual, **fields})


def torch(**fields: Any) -> Torch:
    usual: dict[str, Any] = {
        "version": "2.13.0+cu130",
        "cuda": "13.0",
        "devices": (device(),),
        "current_device": 0,
        "architectures": ARCHITECTURES,
        "cudnn": "92000",
        "nccl": "2.29.7",
        "cpu_capability": "AVX512",
        "has_cpu_bf16": True,
    }
    return Torch(**{**usual, **fields})


def cpu_torch(**fields: Any) -> Torch:
    usual = {"version": "2.13.0+cpu", "cpu_capability": "AVX512", "has_cpu_bf16": True}
    return Torch(**{**usual, **fields})


def driver(**fields: Any) -> Driver:
    usual: dict[str, Any] = {"outcome": "ok", "version": "580.82.07", "cuda_version": "13.0", "cards": (card(),)}
    return Driver(**{**usual, **fields})


def machine(**fields: Any) -> Machine:
    usual: dict[str, Any] = {
        "pci_cards": 1,
        "kernel_module": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.82.07",
        "device_files": ("nvidia0",),
        "cpu": "Some CPU",
        "cpu_flags": ("avx2", "avx512f", "avx512_bf16"),
        "logical_cores": 8,
        "visible_cores": 8,
        "usable_cores": 8,
        "total_memory_bytes": 64 * GIB,
        "available_memory_bytes": 60 * GIB,
        "shared_memory_bytes": 32 * GIB,
        "free_disk_bytes": 100 * GIB,
        "has_cxx": True,
    }
    return Machine(**{**usual, **fields})


def facts(**fields: Any) -> Facts:
    """Return a machine with one H100 on which nothing is wrong, but for *fields*."""
    usual: dict[str, Any] = {
        "machine": machine(),
        "driver": driver(),
        "torch": torch(),
        "versions": {"python": "3.12.3", "torch": "2.13.0", "triton": "3.7.1"},
    }
    return Facts(**{**usual, **fields})


def cpu_machine(**fields: Any) -> Machine:
    """Return a machine without a card."""
    return machine(**{"pci_cards": 0, "kernel_module": "", "device_files": (), **fields})


def cpu_facts(**fields: Any) -> Facts:
    """Return a machine without a card, with a build of torch for it, on which nothing is wrong, but for *fields*."""
    return Facts(**{"machine": cpu_machine(), "torch": cpu_torch(), **fields})


def named(findings: Iterable[Finding], name: str, *severities: str) -> list[Finding]:
    """Return the findings of the check called *name*, of *severities* only where some are given."""
    return [found for found in findings if found.name == name and (not severities or found.severity in severities)]
