"""What a worker is asked, asked here."""

import sys
from pathlib import Path

import pytest
import torch

from bench.doctor import _in_worker
from bench.doctor._seen import Torch
from bench.record import from_plain


def test_torch_says_of_itself_what_it_is() -> None:
    seen = from_plain(Torch, _in_worker.look_at_torch())
    assert seen.version == torch.__version__
    assert seen.cuda == (torch.version.cuda or "")
    assert seen.cpu_capability == torch.backends.cpu.get_cpu_capability()
    assert len(seen.devices) == (torch.accelerator.device_count() if torch.accelerator.is_available() else 0)
    assert seen.has_gloo


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
