"""What the parent itself can see of the machine and of the checkout: cores, CPU, variables, commit."""

import importlib.metadata
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.result import SCHEMA_VERSION

SCRUBBED = re.compile(
    r"TORCHELASTIC_.*|(LOCAL_|GROUP_|ROLE_)?RANK|(LOCAL_|ROLE_)?WORLD_SIZE|MASTER_(ADDR|PORT)|ROLE_NAME|GROUP_WORLD_SIZE"
)
"""Variables of an outer torchrun; inherited, they can make an inner launch hang."""

HARD_VARIABLES = re.compile(
    r"(OMP|KMP|GOMP|MKL|ONEDNN|DNNL|OPENBLAS|CUBLAS|CUDNN|NCCL|GLOO|TORCH|TORCHDYNAMO|TORCHINDUCTOR|TRITON|PYTORCH|CUDA|NVIDIA)_.*|ATEN_CPU_CAPABILITY"
    r"|LD_PRELOAD|MALLOC_CONF|MALLOC_ARENA_MAX"
)
"""Variables that change how fast torch runs."""
CACHE_VARIABLES = re.compile(r"(TORCHINDUCTOR|TRITON)_.*DIR")
"""Say where compiled code is kept; a run has a directory of its own."""


def visible_cores() -> int:
    """Return how many cores this process may run on, whatever its quota."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_cores() -> int:
    """Return how many cores this process may use: its affinity, cut by the cgroup's CPU quota."""
    cores = visible_cores()
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        pass
    return cores


def threads_per_rank(num_processes: int, environment: Mapping[str, str]) -> int:
    """Return each rank's threads: its share of the cores, or OMP_NUM_THREADS where the user set it."""
    own = environment.get("OMP_NUM_THREADS", "")
    return int(own) if own.isdigit() and int(own) > 0 else max(1, usable_cores() // num_processes)


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a worker's `os.environ` should hold: the user's, less an outer launcher's, on loopback."""
    kept = {key: value for key, value in environment.items() if not SCRUBBED.fullmatch(key)}
    # A host name that resolves to a network card makes gloo listen there, even with a file rendezvous; NCCL prefers a
    # network card anyway. On one machine neither needs to be seen from outside.
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    return {"NCCL_SOCKET_IFNAME": loopback, **kept, "GLOO_SOCKET_IFNAME": loopback}


def hard_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the fingerprint that needs no torch: CPU, cores, quota, governor, variables."""
    cpu = _cpu_info()
    keys = {f"cpu_{name}": cpu.get(field, "") for name, field in _CPU_FIELDS.items()}
    keys["cores"] = str(usable_cores())
    keys["schema"] = str(SCHEMA_VERSION)
    keys["governor"] = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    keys |= {name: value for name, value in sorted(environment.items()) if _is_hard(name)}
    return keys


def _is_hard(variable: str) -> bool:
    return bool(HARD_VARIABLES.fullmatch(variable)) and not CACHE_VARIABLES.fullmatch(variable)


def compiler_keys() -> dict[str, str]:
    """Return the part of the fingerprint that counts where something is compiled."""
    triton = [found for name in ("triton", "pytorch-triton", "triton-windows") if (found := version_of(name))]
    return {"cxx": _cxx_version(), "triton": next(iter(triton), "")}


def cxx_name() -> str:
    """Return which C++ compiler torch.compile will call."""
    return os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")


def cxx_compiler() -> str | None:
    """Return where it is; None: nowhere."""
    return shutil.which(cxx_name())


def _cxx_version() -> str:
    try:
        said = subprocess.run([cxx_name(), "--version"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.stdout.partition("\n")[0]


def version_of(distribution: str) -> str:
    """Return the version of an installed *distribution*; empty: there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def soft_keys() -> dict[str, str]:
    """Return what is worth knowing but never forbids a comparison."""
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    return {
        "hostname": socket.gethostname(),
        "kernel": platform.release(),
        "system": platform.system(),
        "load_1min": load,
    }


def commit_of(directory: Path) -> str:
    """Return the short commit of the checkout at *directory*, with ``-dirty`` for changed files; empty outside one."""
    try:
        described = subprocess.run(
            ["git", "-C", str(directory), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=9"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return described.stdout.strip()


_CPU_FIELDS = {
    "vendor": "vendor_id",
    "family": "cpu family",
    "model": "model",
    "stepping": "stepping",
    "name": "model name",
}


def _cpu_info() -> dict[str, str]:
    """Return the first processor's lines of /proc/cpuinfo: the name alone may read "AMD EPYC"."""
    first = _read("/proc/cpuinfo").partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs} or {"model name": platform.processor()}


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
