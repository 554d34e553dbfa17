"""torch.compile as a case asks for it: what is compiled and how, and what is left running when it is done."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import torch

from bench.measuring.incidents import num_compilations

MODES = {"default": "default", "reduce_overhead": "reduce-overhead", "max_autotune": "max-autotune"}
"""Value of the axis to what torch.compile calls it."""


CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


def compiled(model: torch.nn.Module, compile_mode: str) -> torch.nn.Module:
    """
    Return *model* as *compile_mode* wants it: itself where that is eager, else to be compiled by its first call.

    The loss and the optimizer stay as they are, as in most people's training loops. Shapes are static, since every step
    has the same batch.

    Args:
        model: Before its strategy is put around it. Compiled from outside, DDP's own code breaks the graph, and of a
            model of torch's own modules alone nothing is compiled. From inside Dynamo still finds the DDP that is
            running and splits the graph where its buckets end, so that gradients travel while backward runs.
        compile_mode: A value of the axis `compile`.
    """
    if compile_mode == "eager":
        return model
    importlib.import_module("torch._inductor.compile_fx")  # else the first step would import it
    _keep_headers_in_cache()
    found: Any = torch.compile(model, mode=MODES[compile_mode], dynamic=False)  # torch says that it is a function
    assert isinstance(found, torch.nn.Module)
    return found


def _keep_headers_in_cache() -> None:
    """
    Let precompiled headers, 5 s of a first compilation, be kept with everything else that is compiled.

    Inductor keeps them in TMPDIR as it was when it was imported, whatever its cache directory is; a fork server's would
    be shared by its cases, and the first of them alone would pay.
    """
    codecache: Any = importlib.import_module("torch._inductor.codecache")
    if CACHE_VARIABLE in os.environ and hasattr(codecache, "_HEADER_DIR"):
        headers = Path(os.environ[CACHE_VARIABLE]) / "precompiled_headers"
        codecache._HEADER_DIR = str(headers)  # noqa: SLF001 (there is no setting for it)
        codecache._HEADER_LOCK_DIR = str(headers / "locks")  # noqa: SLF001 (the same)


def is_cache_empty() -> bool:
    """Return whether the directory in which Inductor looks for what it has compiled before is empty."""
    directory = os.environ.get(CACHE_VARIABLE)
    return directory is not None and not any(Path(directory).glob("*"))


def end_helpers() -> None:
    """End the processes that Inductor starts to compile Triton kernels; idle or still importing, they take time."""
    module: Any = sys.modules.get("torch._inductor.async_compile")
    if module is not None and hasattr(module, "shutdown_compile_workers"):
        module.shutdown_compile_workers()


def uncompiled_note(compile_mode: str) -> str | None:
    """Return the sentence for a case of which nothing was compiled, although it was asked for."""
    if compile_mode == "eager" or num_compilations() > 0:
        return None
    return "torch.compile compiled nothing of this model; it ran in eager mode"
