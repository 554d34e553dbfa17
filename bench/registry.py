"""
Finds plug-ins by the name of their file, without importing them.

A plug-in package is a folder of ``bench`` whose files are each one workload, strategy, output format or subcommand.
A file whose name starts with an underscore is support for its neighbours. Imports little: `--help` waits for it.
"""

import importlib
from pathlib import Path
from types import ModuleType

PACKAGE_DIR = Path(__file__).parent


def names(package: str, suffix: str = ".py") -> tuple[str, ...]:
    """Return the names of the plug-ins in *package* ("workloads", "comparing/formats", ...), sorted."""
    files = (PACKAGE_DIR / package).glob(f"*{suffix}")
    return tuple(sorted(path.stem for path in files if not path.stem.startswith("_")))


def load(package: str, name: str) -> ModuleType:
    """Import and return one plug-in of *package*."""
    return importlib.import_module(f"bench.{package.replace('/', '.')}.{name}")


def summary(package: str, name: str) -> str:
    """Return the first line of a plug-in's docstring, read from its text; empty where it does not begin with one."""
    text = (PACKAGE_DIR / package / f"{name}.py").read_text(encoding="utf-8")
    before, _, docstring = text.partition('"""')
    if any(line and not line.startswith("#") for line in before.splitlines()):
        return ""
    return docstring.partition('"""')[0].strip().partition("\n")[0]
