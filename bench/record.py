"""Records to JSON and back: frozen dataclasses of plain values, lists of them, and each other."""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from typing import Any

_SCALARS: Mapping[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "a text"),
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
}


def to_plain(record: Any) -> Any:
    """Return *record* as dicts, lists, strings, numbers and None, ready for ``json.dumps``."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {field.name: to_plain(getattr(record, field.name)) for field in dataclasses.fields(record)}
    if isinstance(record, Mapping):
        return {str(key): to_plain(value) for key, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [to_plain(value) for value in record]
    return record


def from_plain(kind: Any, plain: Any) -> Any:
    """
    Return the record of type *kind* that *plain* describes; the inverse of `to_plain`.

    Fields that *kind* does not know are dropped, so that an older reader survives a newer writer's added columns.

    Raises:
        KeyError: If a field without a default is missing.
        TypeError: If *plain* does not have the shape of *kind*.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if plain is None:
            return None
        kinds = [argument for argument in arguments if argument is not type(None)]
        return from_plain(kinds[0], plain) if len(kinds) == 1 else plain
    if dataclasses.is_dataclass(kind):
        return _record_from_plain(typing.cast("type", kind), plain)
    if origin is tuple:
        return _tuple_from_plain(arguments[0], plain)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _expect(plain, Mapping, "an object")
        return {key: from_plain(arguments[1], value) for key, value in plain.items()}
    if kind in _SCALARS:
        shape, what = _SCALARS[kind]
        if not isinstance(plain, shape) or (isinstance(plain, bool) and kind is not bool):
            raise TypeError(f"expected {what}, found {json.dumps(plain)[:40]}")
    return plain


def _tuple_from_plain(kind: Any, plain: Any) -> tuple[Any, ...]:
    _expect(plain, (list, tuple), "a list")
    if kind is float and {*map(type, plain)} <= {float, int}:  # samples, by the thousand
        return tuple(plain)
    return tuple(from_plain(kind, value) for value in plain)


def _record_from_plain(kind: type, plain: Any) -> Any:
    _expect(plain, Mapping, f"an object for {kind.__name__}")
    hints = _hints_of(kind)
    values = {}
    for field in dataclasses.fields(kind):
        if field.name in plain:
            values[field.name] = from_plain(hints[field.name], plain[field.name])
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise KeyError(f"{kind.__name__} has no '{field.name}'")
    return kind(**values)


@functools.cache
def _hints_of(kind: type) -> Mapping[str, Any]:
    """Return the types of a record's fields, which take longer to find out than to use."""
    return typing.get_type_hints(kind)


def _expect(plain: Any, shape: type | tuple[type, ...], what: str) -> None:
    if not isinstance(plain, shape):
        raise TypeError(f"expected {what}, found {json.dumps(plain)[:40]}")
