"""
How a workload is named: ``NAME``, ``NAME:SIZE``, ``path/to/file.py:function`` or ``package.module:function``.

Everything here reads source text at most: neither torch nor a user's file is imported.
"""

from pathlib import Path

from bench import errors, registry, workload_file

DEFAULT_BATCH_SIZE = 32
"""For a user's function without an entry in BATCH_SIZES: small enough for most models to fit anywhere."""

_PLANNED_SOURCES = ("hf", "timm", "torchvision")
_FORMS = ("a built-in name", "path/to/file.py:function", "package.module:function")


def canonical_workload(spec: str) -> str:
    """Return *spec* with the size that a bare built-in name stands for: ``transformer:small`` for ``transformer``."""
    return f"{spec}:{next(iter(_sizes(spec)))}" if spec in registry.names("workloads") else spec


def default_batch_size(spec: str) -> int:
    """Return the global batch size for a workload that passed `check_workload`, where the suite gives none."""
    source, _, function = canonical_workload(spec).rpartition(":")
    if source in registry.names("workloads"):
        return _sizes(source)[function]
    if source.endswith(".py"):
        return workload_file.batch_sizes(Path(source)).get(function, DEFAULT_BATCH_SIZE)
    return DEFAULT_BATCH_SIZE


def check_workload(spec: str, where: str = "") -> None:
    """
    Refuse the name of a workload that cannot be there, in one line with the cure.

    A module is checked for its form only: to find it, Python would have to import its packages.

    Args:
        spec: As it was written.
        where: Text that stands before the value and names its place, such as "--workload: ".

    Raises:
        UsageError: If there is no such built-in, file or function, or if the file is not Python.
    """
    name, _, function = spec.rpartition(":")
    if spec.endswith(".py") or name.endswith(".py"):
        _check_file(spec, where)
    elif (name or function) in registry.names("workloads"):
        _check_built_in(spec, where)
    elif name in _PLANNED_SOURCES:
        raise errors.not_there_yet("" if where else "workload", spec, _FORMS, where)
    elif "." not in name or not all(word.isidentifier() for word in (*name.split("."), function)):
        _refuse(spec, where)


def _check_built_in(spec: str, where: str) -> None:
    name, colon, size = spec.partition(":")
    sizes = _sizes(name)
    if colon and size not in sizes:
        known = tuple(f"{name}:{known}" for known in sizes)
        meant = None if size else known[0]
        raise errors.unknown_value("" if where else "workload", spec, known, where, meant=meant)


def _check_file(spec: str, where: str) -> None:
    place = where or "workload "
    name, _, function = (f"{spec}:" if spec.endswith(".py") else spec).rpartition(":")
    path = Path(name)
    if not path.is_file():
        near = errors.nearest(path.name, (file.name for file in path.parent.glob("*.py")))
        cure = f"did you mean '{path.with_name(near)}'?" if near else "a path is relative to the current directory"
        raise errors.UsageError(f"{place}'{spec}': there is no file {name}; {cure}")
    try:
        known = tuple(workload_file.functions(path))
        workload_file.batch_sizes(path)
        bound = workload_file.binds(path, function)
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        raise errors.UsageError(f"{place}'{spec}': {name}{line}: not Python: {error.msg}") from None
    except OSError as error:
        raise errors.UsageError(f"{place}'{spec}': {name}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise errors.UsageError(f"{place}'{spec}': {name}: {error}") from None
    if not function:
        example = f"write {name}:{known[0]}" if known else f"write {name}:FUNCTION"
        raise errors.UsageError(f"{place}'{spec}' names no function; {example}")
    if not bound and not known:
        raise errors.UsageError(f"{place}'{spec}': {name} has no function at its top level")
    if not bound:
        raise errors.unknown_value(f"'{spec}': function", function, known, place)


def _refuse(spec: str, where: str) -> None:
    name, _, function = spec.partition(":")
    known = registry.names("workloads")
    near = errors.nearest(name, known)
    meant = None
    if Path(f"{name}.py").is_file():
        meant = f"{name}.py:{function or 'FUNCTION'}"
    elif near is not None:
        meant = f"{near}:{function}" if function in _sizes(near) else near
    raise errors.unknown_value("" if where else "workload", spec, (*known, *_FORMS[1:]), where, meant=meant)


def _sizes(name: str) -> dict[str, int]:
    path = registry.PACKAGE_DIR / "workloads" / f"{name}.py"
    sizes = workload_file.batch_sizes(path)
    sizes |= {size: DEFAULT_BATCH_SIZE for size in workload_file.functions(path) if size not in sizes}
    if not sizes:
        raise errors.UsageError(f"workload '{name}': {path} has no function at its top level")
    return sizes
