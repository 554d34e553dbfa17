"""Versions of everything that matters."""

from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._seen import Facts


def check(facts: Facts) -> Iterator[Finding]:
    """Name them in one line."""
    known = {**facts.versions, "NVIDIA driver": facts.driver.version}
    if facts.torch is not None:
        known |= {"torch": facts.torch.version, "CUDA": facts.torch.cuda, "ROCm": facts.torch.hip}
    named = [f"{name} {version}" for name, version in known.items() if version]
    yield Finding(severity="ok", finding=", ".join(named) or "no versions are known")
