"""torch.compile finds the compiler that it calls."""

from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._seen import Facts


def check(facts: Facts) -> Iterator[Finding]:
    """Look for a C++ compiler, and for Triton where a GPU needs it."""
    machine = facts.machine
    if machine.has_cxx:
        yield Finding(severity="ok", finding=f"{machine.cxx}, for torch.compile")
    else:
        yield Finding(
            severity="warning",
            finding=f"torch.compile needs a C++ compiler, and {machine.cxx} is not found",
            remedy="install it (Debian, Ubuntu: sudo apt install g++), or name one in CXX",
        )
    if facts.cuda_devices and "triton" not in facts.versions:
        yield Finding(
            severity="warning",
            finding="torch.compile needs Triton for GPUs, and it is not installed",
            remedy="install torch again with what it asks for; Triton comes with its CUDA builds on Linux",
        )
