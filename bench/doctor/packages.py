"""Optional packages that are installed can be imported."""

import re
from collections.abc import Iterator

from bench.doctor._finding import Finding
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
    index = f"cu{torch.cuda.replace('.', '')}" if torch and torch.cuda else "cpu"
    package = name if name in ("torchvision", "torchaudio") else "torchvision"
    return (
        f"it was built for another torch: python -m pip uninstall -y {package} && python -m pip install {package} "
        f"--index-url https://download.pytorch.org/whl/{index}"
    )
