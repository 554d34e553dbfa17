"""Builds a workload from its name: a built-in one, a function in a file, or one in a package."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from bench import registry
from bench.errors import UsageError
from bench.workload import Workload

TRIPLE = "bench.Workload(...) or the triple (model, make_batch, compute_loss)"


def load_workload(spec: str) -> Workload:
    """
    Import what *spec* names and build it.

    Args:
        spec: ``mlp:small``, ``path/to/file.py:function``, or ``package.module:function``.

    Raises:
        UsageError: If there is no such function, or it returns something else; one line.
    """
    module_name, _, function_name = spec.rpartition(":")
    function = getattr(_module(module_name), function_name, None)
    if not callable(function):
        raise UsageError(f"workload '{spec}': {module_name} has no function '{function_name}'")
    return _as_workload(spec, function())


def _module(name: str) -> ModuleType:
    if name in registry.names("workloads"):
        return registry.load("workloads", name)
    if name.endswith(".py"):
        return _module_from_file(Path(name).resolve())
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(
                f"workload module '{name}' is not found from {Path.cwd()}; give file.py:function"
            ) from None
        raise


def _module_from_file(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.parent))  # as `python file.py` does, so that the file finds its neighbours
    sys.path.append(str(Path.cwd()))  # and last the packages of a repository whose root one is in
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"workload file '{path}' is not there")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses and pickle look their module up by name
    spec.loader.exec_module(module)
    return module


def _as_workload(spec: str, built: Any) -> Workload:
    if isinstance(built, tuple) and len(built) == 3:  # noqa: PLR2004 (the plain triple)
        built = Workload(model=built[0], make_batch=built[1], compute_loss=built[2])
    if not isinstance(built, Workload):
        raise UsageError(f"workload '{spec}' returned {type(built).__name__}; a workload returns {TRIPLE}")
    if not isinstance(built.model, torch.nn.Module):
        raise UsageError(f"workload '{spec}': model is {type(built.model).__name__}, not a torch.nn.Module")
    for name in ("make_batch", "compute_loss"):
        if not callable(getattr(built, name)):
            raise UsageError(f"workload '{spec}': {name} is not a function; a workload returns {TRIPLE}")
    return built
