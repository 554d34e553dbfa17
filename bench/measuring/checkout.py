"""Makes a worker import one revision's code, and proves that it did."""

import dataclasses
import importlib
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from bench import workloads
from bench.errors import UsageError
from bench.measuring.task import Checkout
from bench.registry import PACKAGE_DIR

OWN_WORKLOADS = Path("bench") / "workloads"
LAYOUTS = ("src", ".")
"""Where a repository's packages lie, as far as nothing else tells; what stands first is found first."""
INSTALLED = ("site-packages", "dist-packages")
"""An environment inside the working tree, such as .venv, is no part of a revision."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entered:
    """What was there before a workload was imported."""

    checkout: Checkout
    modules: frozenset[str]
    has_own_workloads: bool


def enter(checkout: Checkout) -> Entered:
    """Let imports find the files of *checkout* where they would have found those of the working tree."""
    root = Path(checkout.root)
    paths = [entry for entry in sys.path if _in_working_tree(entry, checkout) is None]
    mapped = [str(root / found) for entry in _entries() if (found := _in_working_tree(entry, checkout)) is not None]
    layouts = [str(root / layout) for layout in LAYOUTS if (root / layout).is_dir()]
    # What was built and installed for a side has its compiled parts, which the files of a revision have not.
    first, last = (mapped, layouts) if checkout.is_installed else ([*mapped, *layouts], [])
    sys.path[:] = [*dict.fromkeys(first), *paths, *last]
    importlib.invalidate_caches()
    has_own_workloads = is_our_own(root)
    if has_own_workloads:
        _take_workloads_from(root / OWN_WORKLOADS)
    return Entered(checkout=checkout, modules=frozenset(sys.modules), has_own_workloads=has_own_workloads)


def check_imports(entered: Entered) -> None:
    """
    Refuse a measurement of code that is not the revision's.

    An editable install that brings a finder of its own finds the working tree, whatever the path says.

    Raises:
        UsageError: If a module came from the user's working tree; names it and the cure.
    """
    for name, module in sorted(sys.modules.items()):
        file = vars(module).get("__file__") if hasattr(module, "__dict__") else None
        if name in entered.modules and not str(file).startswith(entered.checkout.working_tree):
            continue  # of the libraries; to follow the links of thousands of paths would take too long
        if file and (found := _in_working_tree(file, entered.checkout)) is not None and not _is_harness(file, entered):
            raise UsageError(
                f"module '{name}' was imported from the working tree ({found}), not from the revision; "
                f"put its folder on PYTHONPATH, or install each side and give --base-python and --head-python"
            )


def _entries() -> Iterator[str]:
    """Yield where imports would look: the path, and the folders that setuptools' editable installs name."""
    yield from sys.path
    for name, module in tuple(sys.modules.items()):  # to look at an entry may import something
        if name.startswith("__editable___"):
            for place in getattr(module, "MAPPING", {}).values():
                yield str(Path(place).parent)


def _in_working_tree(entry: str, checkout: Checkout) -> Path | None:
    """Return *entry* relative to the user's working tree; None where it lies elsewhere, or is of an environment."""
    path = Path(os.path.realpath(entry))  # a relative one is so to the revision's folder, where this process is
    if path.is_relative_to(checkout.root) or not path.is_relative_to(checkout.working_tree):
        return None
    if any(part in INSTALLED for part in path.parts) or path.is_relative_to(sysconfig.get_paths()["stdlib"]):
        return None
    return path.relative_to(checkout.working_tree)


def _is_harness(file: str, entered: Entered) -> bool:
    """Whether *file* belongs to the invoking installation, which measures every revision."""
    path, package = Path(os.path.realpath(file)), Path(os.path.realpath(PACKAGE_DIR))
    workloads_folder = package / "workloads"
    is_workload = path.is_relative_to(workloads_folder) and path != workloads_folder / "__init__.py"
    return path.is_relative_to(package) and not (is_workload and entered.has_own_workloads)


def is_our_own(root: Path) -> bool:
    """Whether *root* is a revision of this very project, whose workloads are then what is compared."""
    return (root / OWN_WORKLOADS).is_dir() and (root / "run_bench.py").is_file()


def _take_workloads_from(folder: Path) -> None:
    """Let `bench.workloads` hold the modules of *folder*, and forget those that the fork server had imported."""
    prefix = f"{workloads.__name__}."
    for name in [name for name in sys.modules if name.startswith(prefix)]:
        del sys.modules[name]
        vars(workloads).pop(name.removeprefix(prefix), None)
    workloads.__path__[:] = [str(folder)]
