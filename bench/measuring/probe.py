"""Looks at the machine's devices and libraries from inside a child, so that the parent never touches a device."""

import os
import platform
import sys
from collections.abc import Callable
from typing import Any

import torch

from bench.measuring.nvml import Driver
from bench.record import to_plain
from bench.result import DeviceInfo


def look() -> dict[str, Any]:
    """
    Return what this process sees, after proving that it can compute in parallel.

    The parallel product is the canary for the fork server: if a thread was started in the server, this hangs.
    """
    square = torch.randn(256, 256, requires_grad=True)
    (square @ square).sum().backward()
    inherited_device = _inherited_device()
    devices = [_describe(device) for device in accelerators()]
    driver = Driver(accelerators()).version()
    preload = sys.modules.get("bench.measuring.preload")
    return {
        "preloaded": preload is not None and os.getppid() == preload.SERVER_PID,
        "inherited_device": inherited_device,
        "devices": [to_plain(device) for device in devices],
        "hard": {
            "python": ".".join(platform.python_version_tuple()[:2]),
            "torch": torch.__version__,
            "cuda": torch.version.cuda or "",
            "cudnn": str(torch.backends.cudnn.version() or "") if torch.version.cuda else "",
            "nccl": ".".join(map(str, torch.cuda.nccl.version())) if torch.cuda.is_available() else "",
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "driver_major": (driver or "").partition(".")[0],
            "precision_flags": _precision_flags(),
        },
        "soft": {"driver": driver} if driver else {},
    }


def _inherited_device() -> bool:
    """Return whether the fork server had a device initialised, which would break every worker."""
    return bool(torch.cuda._is_in_bad_fork())  # noqa: SLF001 (torch has no public question for this)


def _precision_flags() -> str:
    """Return what decides how exactly, and so how fast, torch computes; a variable or a site's own file can set it."""
    flags: dict[str, Callable[[], object]] = {
        "matmul": torch.get_float32_matmul_precision,
        "cudnn_tf32": lambda: torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": lambda: torch.backends.cudnn.benchmark,
        "deterministic": torch.are_deterministic_algorithms_enabled,
    }
    return " ".join(f"{name}={_value_of(flag)}" for name, flag in flags.items())


def _value_of(flag: Callable[[], object]) -> object:
    try:
        return flag()
    except RuntimeError:  # set through torch's newer interface, to what the older one has no word for
        return "mixed"


def accelerators() -> list[torch.device]:
    """Return the accelerators that torch sees."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is None:
        return []
    return [torch.device(accelerator.type, index) for index in range(torch.accelerator.device_count())]


def name_of(device: torch.device) -> str:
    """Return what its driver calls *device*; its type where torch has no call for it."""
    module = torch.get_device_module(device)
    return str(module.get_device_name(device.index)) if hasattr(module, "get_device_name") else device.type


def _describe(device: torch.device) -> DeviceInfo:
    if device.type != "cuda":
        return DeviceInfo(type=device.type, index=device.index, name=name_of(device))
    properties = torch.cuda.get_device_properties(device.index)
    return DeviceInfo(
        type="cuda",
        index=device.index,
        name=properties.name,
        total_memory_bytes=properties.total_memory,
        capability=(properties.major, properties.minor),
        power_limit_watts=Driver([device]).power_limit_watts(),
    )
