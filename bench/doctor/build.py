"""This build of torch can use the accelerator that is there."""

from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._releases import capabilities_of, install_line, min_driver, version_of
from bench.doctor._seen import Facts, Torch

NEWER_DRIVER = "install a newer driver (https://www.nvidia.com/drivers)"


def check(facts: Facts) -> Iterator[Finding]:
    """Name the build, and hold it against the driver."""
    torch = facts.torch
    if torch is None:
        yield Finding(
            severity="error",
            finding="torch cannot be used",
            evidence=facts.torch_failure,
            remedy="see the evidence: a torch that does not import is installed anew with "
            "`python -m pip install --force-reinstall torch`",
        )
        return
    kind = _kind(torch)
    if torch.cuda:
        yield _cuda_build(facts, torch)
    elif kind == "CPU" and facts.has_driver:
        yield _cpu_build_beside_a_driver(facts, torch)
    elif torch.devices or kind == "CPU":
        yield Finding(severity="ok", finding=f"torch {torch.version} is a {kind} build")
    else:
        yield _without_device(facts, torch, kind)


def _kind(torch: Torch) -> str:
    named = (("CUDA", torch.cuda), ("ROCm", torch.hip), ("XPU", torch.has_xpu), ("MPS", torch.has_mps))
    return next((name for name, is_built in named if is_built), "CPU")


def driver_needed(facts: Facts) -> str | None:
    """Return which driver torch's CUDA needs at least, where the one that is there is older and keeps torch from it."""
    torch, driver = facts.torch, facts.driver
    if torch is None or not torch.cuda or driver.outcome != "ok" or torch.devices:
        return None  # a driver that is too old may still work, with NVIDIA's package for forward compatibility
    if facts.machine.is_wsl:  # its driver has the numbers of Windows, which are others
        known, wanted = version_of(driver.cuda_version), version_of(torch.cuda)
        return f"one for Windows that knows CUDA {wanted[0]}" if known and known[0] < wanted[0] else None
    needed = min_driver(torch.cuda)
    is_older = bool(driver.version and needed) and version_of(driver.version) < version_of(needed or "")
    return needed if is_older else None


def _install_line(facts: Facts) -> str | None:
    architectures = [card.architecture for card in facts.driver.cards]
    return install_line(facts.driver.version, capabilities_of(architectures), facts.versions)


def _cuda_build(facts: Facts, torch: Torch) -> Finding:
    driver, needed = facts.driver, driver_needed(facts)
    if needed is None:
        return Finding(severity="ok", finding=f"torch {torch.version} is a CUDA {torch.cuda} build")
    line = _install_line(facts)
    other = f", or a torch for this one: {line}" if line else ""
    return Finding(
        severity="error",
        finding=f"the driver {driver.version} is too old for CUDA {torch.cuda}, which torch {torch.version} is built "
        "with",
        evidence=torch.error or f"it knows CUDA up to {driver.cuda_version}",
        remedy=f"{NEWER_DRIVER}: at least {needed}{other}",
    )


def _cpu_build_beside_a_driver(facts: Facts, torch: Torch) -> Finding:
    driver = facts.driver
    cards = ", ".join(dict.fromkeys(card.name for card in driver.cards))
    line = _install_line(facts)
    return Finding(
        severity="error",
        finding=f"torch {torch.version} is a CPU-only build, so it cannot use {cards}",
        evidence=f"torch.version.cuda is None, and the driver {driver.version} answers",
        remedy=line or f"no build of torch suits both the driver {driver.version} and the card; {NEWER_DRIVER}",
    )


def _without_device(facts: Facts, torch: Torch, kind: str) -> Finding:
    """Judge a build for another maker's accelerator than the one that is there, if any is."""
    if facts.has_driver:
        line = _install_line(facts)
        return Finding(
            severity="error",
            finding=f"torch {torch.version} is a {kind} build, and the card is NVIDIA's",
            evidence=facts.driver.cards[0].name,
            remedy=line or NEWER_DRIVER,
        )
    cures = {
        "ROCm": "see that `rocminfo` lists the card, that /dev/kfd is there (in a container: --device /dev/kfd "
        "--device /dev/dri), and that you are in the groups render and video",
        "XPU": "see that Intel's GPU driver is installed and that you are in the group render",
        "MPS": "MPS needs Apple silicon and macOS 13 or newer, outside a virtual machine",
    }
    return Finding(
        severity="warning",
        finding=f"torch {torch.version} is a {kind} build and finds no device",
        evidence=torch.error,
        remedy=cures[kind],
    )
