"""
Suites: named matrices, as TOML files in ``bench/suites/`` or the user's own.

Importing this costs nothing but the standard library; pydantic and tomllib come with the first `load`.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import errors, registry
from bench.axes import check_axis_value
from bench.workload_spec import canonical_workload, check_workload, default_batch_size

if TYPE_CHECKING:
    from bench.suite_file import SuiteText

__all__ = [
    "AxisValues",
    "Suite",
    "canonical_workload",
    "check_axis_value",
    "check_workload",
    "default_batch_size",
    "load",
    "names",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AxisValues:
    """
    Values of each axis, every combination of which is a case; None leaves an axis at its usual value.

    `batch_size` is per device and `global_batch_size` over all of them; at most one of the two is given.
    """

    workload: tuple[str, ...] | None = None
    device: tuple[str, ...] | None = None
    strategy: tuple[str, ...] | None = None
    precision: tuple[str, ...] | None = None
    compile: tuple[str, ...] | None = None
    input: tuple[str, ...] | None = None
    loop: tuple[str, ...] | None = None
    batch_size: tuple[int, ...] | None = None
    global_batch_size: tuple[int, ...] | None = None
    num_devices: tuple[int, ...] | None = None
    needs_accelerator: bool = False
    """Whether a machine without an accelerator leaves these cases out, where it would else list each as skipped."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suite:
    """A named matrix, not yet expanded."""

    name: str
    summary: str
    tables: tuple[AxisValues, ...]
    budget_seconds: float | None = None
    """Wall time for all rounds together; None leaves it to the machine."""


def names() -> tuple[str, ...]:
    """Return the names of the built-in suites, sorted."""
    return registry.names("suites", ".toml")


def load(name_or_path: str) -> Suite:
    """
    Return a built-in suite by its name, or the user's by a path that ends in .toml.

    Raises:
        UsageError: If there is no such suite, or if anything in its file is wrong; one line that names the place.
    """
    if name_or_path in names():
        return _read(_folder() / f"{name_or_path}.toml")
    path = Path(name_or_path)
    if path.is_dir():
        raise errors.UsageError(f"suite '{name_or_path}' is a directory; give a .toml file or one of: {_known()}")
    if path.suffix != ".toml":
        raise errors.unknown_value("suite", name_or_path, (*names(), "path/to/file.toml"))
    if not path.is_file():
        near = errors.nearest(path.name, (file.name for file in path.parent.glob("*.toml")))
        cure = f"did you mean '{path.with_name(near)}'?" if near else f"built in: {_known()}"
        raise errors.UsageError(f"suite '{name_or_path}': there is no such file; {cure}")
    return _read(path)


def _read(path: Path) -> Suite:
    from bench import suite_file  # noqa: PLC0415 -- pydantic costs more than --help may

    content, places = suite_file.read(path)
    for number, table in enumerate(content.case):
        _check(number, table.model_dump(exclude_unset=True), places)
    tables = tuple(AxisValues(**dict(table)) for table in content.case)
    return Suite(name=path.stem, summary=content.summary, tables=tables, budget_seconds=content.budget_seconds)


def _check(number: int, table: dict[str, Any], places: "SuiteText") -> None:
    for key, values in table.items():
        where = places.where(number, key)
        for value in values if isinstance(values, tuple) else ():
            if key == "workload":
                check_workload(value, where)
            elif isinstance(value, str):
                check_axis_value(key, value, where)
    if {"batch_size", "global_batch_size"} <= table.keys():
        where = places.where(number, "global_batch_size")
        raise errors.UsageError(f"{where}cannot stand beside batch_size; keep one of the two")


def _folder() -> Path:
    return registry.PACKAGE_DIR / "suites"


def _known() -> str:
    return ", ".join(names())
