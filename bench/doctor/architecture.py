"""Torch holds kernels for the cards' architecture."""

import re
from collections.abc import Iterator, Sequence

from bench.doctor._finding import Finding
from bench.doctor._releases import Capability, install_line
from bench.doctor._seen import Device, Facts

_NAME = re.compile(r"(sm|compute)_(\d+)(\d)[af]?")
"""compute_90 is PTX, which the driver compiles for newer cards; sm_90 is machine code."""


def check(facts: Facts) -> Iterator[Finding]:
    """Hold every CUDA device against the list of architectures."""
    if facts.torch is None or not facts.torch.architectures:
        return
    names = facts.torch.architectures
    for device in facts.cuda_devices:
        if device.capability and not is_covered(device.capability, names):
            yield _uncovered(facts, device, names)


def is_covered(capability: Capability, architectures: Sequence[str]) -> bool:
    """
    Whether code for one of *architectures* runs on a card of *capability*.

    Machine code runs on cards of the same major version and at least its minor one, PTX on every newer card (NVIDIA,
    CUDA C++ Programming Guide, "Application Compatibility"). An `a` at the end ties either to one architecture, an `f`
    to its family: the same major version and at least its minor one.
    """
    major, minor = capability[:2]
    for name in architectures:
        found = _NAME.fullmatch(name)
        if found is None:
            continue
        built = (int(found[2]), int(found[3]))
        if name.endswith("a"):
            runs = built == (major, minor)
        elif found[1] == "sm" or name.endswith("f"):
            runs = built[0] == major and built[1] <= minor
        else:
            runs = built <= (major, minor)
        if runs:
            return True
    return False


def _uncovered(facts: Facts, device: Device, names: Sequence[str]) -> Finding:
    capability = device.capability or ()
    line = install_line(facts.driver.version, [capability], facts.versions)
    return Finding(
        severity="error",
        finding=f"this torch has no kernels for {device.name} (sm_{''.join(map(str, capability))})",
        evidence=f"torch.cuda.get_arch_list(): {' '.join(names)}",
        remedy=line
        or "no build of torch for this driver has them: a newer driver, an older torch, or a build from source",
    )
