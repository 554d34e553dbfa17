"""What a worker is asked, asked here."""

import sys
import types
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from bench.doctor import _in_worker
from bench.doctor._seen import Device, Torch
from bench.record import from_plain


def test_torch_says_of_itself_what_it_is() -> None:
    seen = from_plain(Torch, _in_worker.look_at_torch())
    assert seen.version == torch.__version__
    assert seen.cuda == (torch.version.cuda or "")
    assert seen.cpu_capability == torch.backends.cpu.get_cpu_capability()
    assert len(seen.devices) == (torch.accelerator.device_count() if torch.accelerator.is_available() else 0)
    assert seen.has_gloo


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make torch say that it is built for CUDA and has two devices, the second of which is broken."""

    def memory(index: int) -> tuple[int, int]:
        if index == 1:
            raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable")
        return 79, 80

    module = types.SimpleNamespace(get_device_name=lambda index: f"GPU {index}")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch, "get_device_module", lambda device=None: module)
    monkeypatch.setattr(torch, "zeros", lambda *_size, **_fields: None)
    fakes: dict[Any, dict[str, object]] = {
        torch.accelerator: {"is_available": True, "current_accelerator": torch.device("cuda"), "device_count": 2},
        torch.cuda: {
            "init": None,
            "is_available": True,
            "device_count": 2,
            "current_device": 0,
            "get_arch_list": ["sm_90"],
            "get_device_capability": (9, 0),
            "can_device_access_peer": False,
        },
        torch.cuda.nccl: {"version": (2, 29, 7)},
        torch.backends.cudnn: {"version": 92000},
        dist: {"is_nccl_available": True},
    }
    for place, answers in fakes.items():
        for name, answer in answers.items():
            monkeypatch.setattr(place, name, lambda *_arguments, answer=answer: answer)
    monkeypatch.setattr(torch.cuda, "mem_get_info", memory)


@pytest.mark.usefixtures("two_gpus")
def test_devices_are_described_and_one_that_refuses_a_context_costs_no_other() -> None:
    seen = from_plain(Torch, _in_worker.look_at_torch())
    assert seen.devices == (
        Device(type="cuda", index=0, name="GPU 0", capability=(9, 0), total_memory_bytes=80, free_memory_bytes=79),
        Device(type="cuda", index=1, name="GPU 1", capability=(9, 0)),
    )
    assert (seen.cuda, seen.cudnn, seen.nccl, seen.architectures) == ("13.0", "92000", "2.29.7", ("sm_90",))
    assert (seen.current_device, seen.blocked_peers, seen.error) == (0, ("0-1",), "")


@pytest.mark.usefixtures("two_gpus")
def test_why_cuda_cannot_be_initialised_is_told_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        warnings.warn("CUDA initialization: a warning", stacklevel=1)
        raise RuntimeError("The NVIDIA driver on your system is too old\n(found version 11040)")

    monkeypatch.setattr(torch.cuda, "init", init)
    seen = from_plain(Torch, _in_worker.look_at_torch())
    assert seen.error == "The NVIDIA driver on your system is too old (found version 11040)"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("", ""),
        ("raise RuntimeError('operator torchvision::nms does not exist')", "RuntimeError: operator torchvision::nms"),
        ("import sys; sys.exit('no')", "SystemExit: no"),
    ],
)
def test_an_import_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, error: str) -> None:
    (tmp_path / "some_optional_package.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        told = _in_worker.import_package("some_optional_package")["error"]
    finally:
        sys.modules.pop("some_optional_package", None)
    assert told.startswith(error)
    assert bool(told) == bool(error)
