"""What is asked of torch and of packages that import it; runs in a worker, which may crash or hang."""

import dataclasses
import importlib
import warnings
from typing import Any

import torch
import torch.distributed as dist

from bench.doctor._seen import Device, Torch
from bench.measuring.probe import accelerators, name_of
from bench.record import to_plain

MESSAGE_LENGTH = 500


def look_at_torch() -> dict[str, Any]:
    """Return what torch says of itself and of its devices, as a plain record."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error = _initialise()
    said = [error, *(str(warning.message) for warning in caught)]
    is_cuda = torch.version.cuda is not None
    seen = Torch(
        version=torch.__version__,
        cuda=torch.version.cuda or "",
        hip=torch.version.hip or "",
        has_xpu=hasattr(torch, "xpu") and torch.xpu._is_compiled(),  # noqa: SLF001 (torch has no public question)
        has_mps=torch.backends.mps.is_built(),
        devices=tuple(map(_describe, accelerators())),
        current_device=torch.cuda.current_device() if torch.cuda.is_available() else None,
        error=next((" ".join(text.split())[:MESSAGE_LENGTH] for text in said if text), ""),
        architectures=tuple(torch.cuda.get_arch_list()),
        cudnn=str(torch.backends.cudnn.version() or "") if is_cuda else "",
        nccl=".".join(map(str, torch.cuda.nccl.version()))
        if is_cuda and dist.is_available() and dist.is_nccl_available()
        else "",
        has_gloo=dist.is_available() and dist.is_gloo_available(),
        blocked_peers=tuple(_blocked_peers()),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        has_cpu_bf16=_has_cpu_bf16(),
    )
    plain: dict[str, Any] = to_plain(seen)
    return plain


def import_package(name: str) -> dict[str, Any]:
    """Return what importing *name* raises; nothing where it can be used."""
    try:
        importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 (what an import raises is the question; SystemExit too)
        return {"error": " ".join(f"{type(error).__name__}: {error}".split())[:MESSAGE_LENGTH]}
    return {"error": ""}


def _initialise() -> str:
    """Initialise CUDA where torch is built for it, and return what that raised: it tells more than a count of 0."""
    if torch.version.cuda is None and torch.version.hip is None:
        return ""
    try:
        torch.cuda.init()
        torch.zeros(1, device="cuda")
    except Exception as error:  # noqa: BLE001 (whatever a broken driver comes to is the answer)
        return str(error) or type(error).__name__
    return ""


def _describe(place: torch.device) -> Device:
    device = Device(type=place.type, index=place.index, name=name_of(place))
    if place.type != "cuda":
        return device
    capability = None if torch.version.hip else torch.cuda.get_device_capability(place.index)
    device = dataclasses.replace(device, capability=capability)
    try:
        free, total = torch.cuda.mem_get_info(place.index)
    except RuntimeError:  # it makes a context, which a broken or an exclusive card refuses: the proof will say so
        return device
    return dataclasses.replace(device, total_memory_bytes=total, free_memory_bytes=free)


def _blocked_peers() -> list[str]:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [
        f"{one}-{other}"
        for one in range(count)
        for other in range(one + 1, count)
        if not torch.cuda.can_device_access_peer(one, other)
    ]


def _has_cpu_bf16() -> bool:
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 (torch has no public question)
    except (AttributeError, RuntimeError):  # a build without oneDNN
        return False
