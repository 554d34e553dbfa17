"""Which driver a CUDA needs, which builds of torch there are for it, and for which cards: tables, and what fits."""

import dataclasses
import re
from collections.abc import Collection, Sequence

Version = tuple[int, ...]
Capability = tuple[int, ...]

MIN_DRIVERS: dict[int, str] = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
"""
Major CUDA version to the oldest Linux driver that runs every program built with it.

NVIDIA, CUDA Compatibility, "Minor Version Compatibility"
(https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html), and the table of drivers in the
release notes of the CUDA toolkit (https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/).
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Build:
    """One line of builds of torch, and the cards that it holds kernels for."""

    index: str
    cuda_major: int
    capabilities: tuple[Capability, Capability]
    torch: str = "torch"
    """What to ask pip for; a line that has ended says up to where."""

    def fits(self, driver: str, capabilities: Sequence[Capability]) -> bool:
        """Whether it runs on *driver* and on every card, as far as those are known."""
        low, high = self.capabilities
        new_enough = not driver or version_of(driver) >= version_of(MIN_DRIVERS[self.cuda_major])
        return new_enough and all(low <= capability <= high for capability in capabilities)


BUILDS = (
    Build(index="cu130", cuda_major=13, capabilities=((7, 5), (12, 9))),
    Build(index="cu126", cuda_major=12, capabilities=((5, 0), (9, 9))),
    # The last that ran Blackwell cards on drivers of CUDA 12; PyTorch 2.12 dropped it, and 2.11 Volta in it.
    Build(index="cu128", cuda_major=12, capabilities=((7, 5), (12, 9)), torch="'torch<2.12'"),
    Build(index="cu128", cuda_major=12, capabilities=((7, 0), (12, 9)), torch="'torch<2.11'"),
    # The last for drivers of CUDA 11; PyTorch 2.8 dropped it.
    Build(index="cu118", cuda_major=11, capabilities=((5, 0), (9, 9)), torch="'torch<2.8'"),
)
"""
What to install, best first.

The places to check them: https://pytorch.org/get-started/locally/ for what is newest, and
https://pytorch.org/get-started/previous-versions/ for what came before.
"""

INDICES = "https://download.pytorch.org/whl"
COMPANIONS = ("torchvision", "torchaudio")
"""Are built for one torch each, so that they change with it."""

ARCHITECTURES: dict[str, Capability] = {
    "Kepler": (3, 5),
    "Maxwell": (5, 0),
    "Pascal": (6, 0),
    "Volta": (7, 0),
    "Turing": (7, 5),
    "Ampere": (8, 0),
    "Ada Lovelace": (8, 9),
    "Hopper": (9, 0),
    "Blackwell": (10, 0),
}
"""What `nvidia-smi` calls a generation of cards, to its lowest compute capability (https://developer.nvidia.com/cuda-gpus)."""


def version_of(text: str) -> Version:
    """Return the numbers with which a dotted version begins: (2, 13, 0) for 2.13.0+cu130."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, found.group().split("."))) if found else ()


def min_driver(cuda: str) -> str | None:
    """Return the oldest driver for a program built with *cuda* ("12.6"); None where it is not known."""
    version = version_of(cuda)
    return MIN_DRIVERS.get(version[0]) if version else None


def install_line(driver: str, capabilities: Sequence[Capability], installed: Collection[str] = ()) -> str | None:
    """
    Return the commands that install the newest torch for *driver* and cards; None: there is none for both.

    Those of torch's companions that are *installed* come along.
    """
    build = next((build for build in BUILDS if build.fits(driver, capabilities)), None)
    if build is None:
        return None
    others = [name for name in COMPANIONS if name in installed]
    removal = f"python -m pip uninstall -y {' '.join(['torch', *others])}"
    return f"{removal} && python -m pip install {' '.join([build.torch, *others])} --index-url {INDICES}/{build.index}"


def index_of(version: str, cuda: str, hip: str) -> str:
    """Return the index from which a torch of *version* came; from PyPI it has no suffix, and is of *cuda*."""
    suffix = re.search(r"\+(rocm\d+(?:\.\d+)?|cu\d+|xpu|cpu)", version)
    if suffix is not None:
        return f"{INDICES}/{suffix[1]}"
    if hip:
        return f"{INDICES}/rocm{'.'.join(map(str, version_of(hip)[:2]))}"
    return f"{INDICES}/{'cu' + cuda.replace('.', '') if cuda else 'cpu'}"


def capabilities_of(architectures: Sequence[str]) -> list[Capability]:
    """Return the capabilities of the *architectures* that are known."""
    return [ARCHITECTURES[name] for name in architectures if name in ARCHITECTURES]
