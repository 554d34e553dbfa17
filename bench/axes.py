"""The values of the axes: which this version knows, and which the design has but the code has not."""

import re

from bench import errors, precisions, registry
from bench.case import COMPILE_MODES, INPUTS, LOOPS

DEVICE_TYPES = ("accelerator", "cpu", "cuda", "mps", "xpu")
"""`accelerator` is whichever of the others the machine has besides its CPU."""

_KNOWN = {
    "device": DEVICE_TYPES,
    "precision": tuple(precisions.PRECISIONS),
    "compile": COMPILE_MODES,
    "input": ("resident", "pageable", "pinned"),
    "loop": LOOPS,
}
_DESIGNED = {"strategy": ("fsdp", "fsdp2"), "input": INPUTS}

_MEANT = {"gpu": "accelerator", "dp": "data_parallel"}
"""Names in common use that spelling alone would lead to the wrong value (gpu is one letter from cpu, dp from ddp)."""


def known_values(axis: str) -> tuple[str, ...]:
    """Return the values that this version knows for *axis*; a device may have an index besides (``cuda:1``)."""
    return registry.names("strategies") if axis == "strategy" else _KNOWN[axis]


def check_axis_value(axis: str, value: str, where: str = "") -> None:
    """
    Refuse a *value* that *axis* does not have, in one line with the cure.

    Args:
        axis: device, strategy, precision, compile, input or loop.
        value: As it was written.
        where: Text that stands before the value and names its place and the axis, such as "--precision: "; without it
            the axis alone is named.

    Raises:
        UsageError: If the value is misspelt, or its code is not there yet.
    """
    known = known_values(axis)
    if value in known or (axis == "device" and re.fullmatch(r"(accelerator|cuda|mps|xpu):\d+", value)):
        return
    what = "" if where else axis
    if value in _DESIGNED.get(axis, ()):
        raise errors.not_there_yet(what, value, known, where)
    meant = _MEANT.get(value.lower())
    raise errors.unknown_value(what, value, known, where, meant=meant if meant in known else None)
