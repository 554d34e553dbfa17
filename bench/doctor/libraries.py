"""Torch has its libraries: cuDNN, NCCL, gloo."""

from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._seen import Facts

REINSTALL = (
    "install torch again as a whole, with the libraries that it asks for; remove another copy from LD_LIBRARY_PATH"
)


def check(facts: Facts) -> Iterator[Finding]:
    """Look for each of them, where the build should have it."""
    torch = facts.torch
    if torch is None:
        return
    if torch.cuda:
        yield _library("cuDNN", torch.cudnn, "convolutions and LSTMs are slow or fail")
        yield _library("NCCL", torch.nccl, "ranks cannot talk between GPUs")
    if not torch.has_gloo:
        yield Finding(
            severity="warning",
            finding="torch is built without gloo, so ddp cannot run on the CPU",
            remedy=REINSTALL,
        )
    if torch.cuda and "cudnn" in facts.variables.get("LD_LIBRARY_PATH", ""):
        yield Finding(
            severity="warning",
            finding="LD_LIBRARY_PATH puts another cuDNN before the one that torch was tested with",
            evidence=f"LD_LIBRARY_PATH={facts.variables['LD_LIBRARY_PATH']}",
            remedy="run `unset LD_LIBRARY_PATH` and try again",
        )


def _library(name: str, version: str, loss: str) -> Finding:
    if version:
        return Finding(severity="ok", finding=f"{name} {version}")
    return Finding(severity="warning", finding=f"{name} is missing: {loss}", remedy=REINSTALL)
