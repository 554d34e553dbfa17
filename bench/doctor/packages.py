"""Optional packages that are installed can be imported."""

import re
from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._releases import COMPANIONS, index_of
from bench.doctor._seen import Facts

OPTIONAL = ("torchvision", "torchaudio", "timm", "transformers")
"""Imported one after the other, each in a worker; a package that is broken breaks those that import it."""
OTHER_BUILD = re.compile(
    r"operator torchvision::nms|undefined symbol|different CUDA|libcudart|libtorch|Could not load this"
)


def check(facts: Facts) -> Iterator[Finding]:
    """Report what importing them raised."""
    for name, error in facts.broken.items():
        yield Finding(
            severity="warning",
            finding=f"{name} is installed and cannot be imported",
            evidence=error,
            remedy=_cure(name, error, facts),
        )


def _cure(name: str, error: str, facts: Facts) -> str:
    if not OTHER_BUILD.search(error):
        return f"python -m pip install --force-reinstall {name}, or uninstall it"
    torch = facts.torch
    if torch is None:
        return "it was built for another torch; see to torch first"
    installed = {*facts.versions, *facts.broken}
    companions = " ".join(other for other in COMPANIONS if other in installed)
    if not companions:
        return f"it was built for another torch: build {name} again for torch {torch.version}"
    kept = f"torch=={torch.version.partition('+')[0]}"  # and so the companions that were built for it
    return (
        f"it was built for another torch: python -m pip uninstall -y {companions} && python -m pip install {kept} "
        f"{companions} --index-url {index_of(torch.version, torch.cuda, torch.hip)}"
    )
