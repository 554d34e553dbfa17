"""Collects what the parent itself can see: programs that are asked, each with a deadline; judges nothing."""

import contextlib
import dataclasses
import os
import platform
import shutil
import signal
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from bench.doctor._machine import look_at_machine
from bench.doctor._seen import Driver, Facts
from bench.doctor._smi import driver_from
from bench.running.machine import version_of

PROGRAM_SECONDS = 10.0
"""Of one program; `nvidia-smi` takes two seconds or so on a machine of eight cards without persistence mode."""
USUAL_TOOLKIT = "/usr/local/cuda"
KILLED_SECONDS = 1.0
"""That a killed program gets to be gone."""

VARIABLES = (
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_LAUNCH_BLOCKING", "CUDA_HOME", "CUDA_MODULE_LOADING"),
    *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_TF32_OVERRIDE"),
    *("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HSA_OVERRIDE_GFX_VERSION", "ZE_AFFINITY_MASK"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "KMP_AFFINITY", "GOMP_CPU_AFFINITY"),
    *("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "TORCH_CUDA_ARCH_LIST", "ATEN_CPU_CAPABILITY"),
    *("ONEDNN_MAX_CPU_ISA", "NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE", "NCCL_IB_DISABLE", "NCCL_SOCKET_IFNAME"),
    *("NCCL_DEBUG", "LD_LIBRARY_PATH", "LD_PRELOAD", "CXX"),
)
"""The only variables that doctor looks at and repeats; all decide what torch sees or how fast it is."""
DISTRIBUTIONS = (
    *("torch", "triton", "numpy", "torchvision", "torchaudio", "timm", "transformers", "nvidia-ml-py"),
    *("nvidia-cudnn-cu12", "nvidia-cudnn-cu13", "nvidia-nccl-cu12", "nvidia-nccl-cu13"),
)
"""What is worth naming beside a problem, where it is installed."""


def collect(environment: Mapping[str, str]) -> Facts:
    """Return what can be seen without torch; the programs are asked side by side."""
    with ThreadPoolExecutor(3) as threads:
        driver, topology, nvcc = (
            threads.submit(ask_driver),
            threads.submit(_topology),
            threads.submit(_nvcc, environment),
        )
        seen = look_at_machine()
        return Facts(
            machine=seen,
            driver=dataclasses.replace(driver.result(), topology=topology.result()),
            nvcc=nvcc.result(),
            variables={name: environment[name] for name in VARIABLES if name in environment},
            versions=_versions(),
        )


def ask_driver() -> Driver:
    """Return what `nvidia-smi -q -x` says, or how it failed."""
    program = _nvidia_smi()
    if program is None:
        return Driver(outcome="missing")
    try:
        ended = _run(program, "-q", "-x")
    except subprocess.TimeoutExpired:
        return Driver(outcome="timeout", text=f"nvidia-smi did not answer within {PROGRAM_SECONDS:g} s")
    except OSError as error:
        return Driver(outcome="failed", text=f"nvidia-smi cannot be run: {error.strerror}")
    status = f"nvidia-smi ended with exit status {ended.returncode}"
    if not _is_xml(ended.stdout):
        return Driver(outcome="failed", text=" ".join(f"{ended.stdout} {ended.stderr}".split()) or status)
    try:
        driver = driver_from(ended.stdout)
    except ValueError as error:
        return Driver(outcome="failed", text=str(error))
    # It complains about one card, or about what it could not read, and tells the rest all the same.
    return dataclasses.replace(driver, text=" ".join(ended.stderr.split()) or status) if ended.returncode else driver


def _nvidia_smi() -> str | None:
    """Return where the tool is; WSL keeps it beside its driver library, which is not always on the path."""
    return shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path="/usr/lib/wsl/lib")


def _topology() -> str:
    program = _nvidia_smi()
    try:
        return _run(program, "topo", "-m").stdout if program else ""
    except (OSError, subprocess.TimeoutExpired):  # what is wrong with the tool is said by the other question to it
        return ""


def _nvcc(environment: Mapping[str, str]) -> str:
    """Ask the compiler that extensions of torch are built with, which looks for it in this order."""
    home = environment.get("CUDA_HOME")
    folders = (f"{home}/bin" if home else "", environment.get("PATH", os.defpath), f"{USUAL_TOOLKIT}/bin")
    program = next((found for folder in folders if folder and (found := shutil.which("nvcc", path=folder))), None)
    try:
        return _run(program, "--version").stdout.strip() if program else ""
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    """
    Run *command* to its end.

    Raises:
        subprocess.TimeoutExpired: If it takes too long. It is killed and hardly waited for: what hangs in a driver
            does not die, and `subprocess.run` would wait for it for ever.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # so that what a wrapper started is killed with it
    )
    try:
        out, err = process.communicate(timeout=PROGRAM_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=KILLED_SECONDS)
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _is_xml(text: str) -> bool:
    return "<nvidia_smi_log>" in text


def _versions() -> dict[str, str]:
    installed = {name: version for name in DISTRIBUTIONS if (version := version_of(name))}
    return {"python": platform.python_version(), platform.system(): platform.release(), **installed}
