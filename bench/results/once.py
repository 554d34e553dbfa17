"""Remembers what was computed of a run, which every report asks for again."""

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
MAX_KEPT = 16
"""Of one function: of so many runs side by side nobody makes a report."""


def once(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let *function* be computed once for the same objects, given by place; runs hold lists and so have no hash."""
    kept: OrderedDict[tuple[int, ...], tuple[tuple[object, ...], Result]] = OrderedDict()

    @functools.wraps(function)
    def remembering(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        assert not named
        key = tuple(map(id, arguments))
        if key not in kept:
            kept[key] = (
                arguments,
                function(*arguments, **named),
            )  # the arguments too, so that no other object gets their ids
            if len(kept) > MAX_KEPT:
                kept.popitem(last=False)
        return kept[key][1]

    return remembering
