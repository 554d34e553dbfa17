"""The facts that checks judge, as plain records: collected here or in a worker, written down by hand in tests."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

from bench.result import DeviceInfo, Status

Outcome = Literal["ok", "missing", "failed", "timeout"]
"""How asking a program ended."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Card:
    """One NVIDIA card as the driver's own tool sees it, whatever torch sees. None: it does not say."""

    name: str
    uuid: str = ""
    architecture: str = ""
    persistence: str = ""
    mig: str = ""
    """Enabled, Disabled or nothing."""
    mig_devices: int = 0
    compute_mode: str = ""
    power_limit_watts: float | None = None
    default_power_limit_watts: float | None = None
    ecc: str = ""
    uncorrected_errors: int = 0
    """Since the driver was loaded."""
    remapping_pending: bool = False
    remapping_failed: bool = False
    slowdowns: tuple[str, ...] = ()
    """What holds the clocks back at this moment."""
    temperature_celsius: float | None = None
    link_generation: int | None = None
    max_link_generation: int | None = None
    link_width: int | None = None
    max_link_width: int | None = None
    processes: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Driver:
    """What `nvidia-smi` came to."""

    outcome: Outcome = "missing"
    text: str = ""
    """What it said where it failed, or what it complained about while it answered."""
    version: str = ""
    cuda_version: str = ""
    """The newest CUDA that the driver knows."""
    cards: tuple[Card, ...] = ()
    topology: str = ""
    """The table of `nvidia-smi topo -m`, where there are several cards."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """What files say of the machine. None or empty: they do not."""

    is_wsl: bool = False
    container: str = ""
    """docker, podman, kubernetes, ...; empty outside one."""
    is_virtual: bool = False
    pci_cards: int = 0
    """NVIDIA's display and compute cards on the PCI bus."""
    kernel_module: str = ""
    """The line in which the loaded NVIDIA kernel module names its version."""
    device_files: tuple[str, ...] = ()
    cpu: str = ""
    cpu_flags: tuple[str, ...] = ()
    """Those of them that decide which arithmetic is fast."""
    logical_cores: int = 1
    visible_cores: int = 1
    """Of the affinity: torch starts a thread for each, whatever the quota is."""
    usable_cores: int = 1
    """The same, cut by the quota."""
    quota_cores: float | None = None
    governor: str = ""
    smt: bool | None = None
    numa_nodes: int = 1
    total_memory_bytes: int | None = None
    available_memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    """Of the cgroup."""
    memory_used_bytes: int | None = None
    """By the cgroup, less what the kernel gives back when it is asked for more."""
    shared_memory_bytes: int | None = None
    """Size of /dev/shm."""
    free_disk_bytes: int | None = None
    """Where temporary files go."""
    cxx: str = "g++"
    has_cxx: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device(DeviceInfo):
    """One accelerator as torch sees it."""

    free_memory_bytes: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Torch:
    """What torch says of itself, in a worker."""

    version: str
    cuda: str = ""
    hip: str = ""
    has_xpu: bool = False
    has_mps: bool = False
    devices: tuple[Device, ...] = ()
    current_device: int | None = None
    error: str = ""
    """What initialising the accelerator raised or warned."""
    architectures: tuple[str, ...] = ()
    """What it holds CUDA kernels for: sm_80, compute_90, ..."""
    cudnn: str = ""
    nccl: str = ""
    has_gloo: bool = True
    blocked_peers: tuple[str, ...] = ()
    """Pairs of CUDA devices that cannot reach each other's memory: 0-1."""
    cpu_capability: str = ""
    has_cpu_bf16: bool = False
    """Whether oneDNN has fast bf16 kernels for this CPU."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proof:
    """One small training that was tried."""

    device: str
    precision: str
    strategy: str
    status: Status | Literal["untried"]
    reason: str = ""

    @property
    def is_all_reduce(self) -> bool:
        """Whether two ranks had to average their gradients."""
        return self.strategy == "ddp"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that was seen."""

    machine: Machine = dataclasses.field(default_factory=Machine)
    driver: Driver = dataclasses.field(default_factory=Driver)
    nvcc: str = ""
    """What `nvcc --version` says; empty: there is none."""
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    broken: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Optional packages that are installed, to what importing them raised."""
    torch: Torch | None = None
    torch_failure: str = ""
    """Why torch could not be asked."""
    notes: tuple[str, ...] = ()
    """Of the pool of workers."""
    proofs: tuple[Proof, ...] = ()

    @property
    def has_driver(self) -> bool:
        """Whether an NVIDIA driver answers and knows a card."""
        return self.driver.outcome == "ok" and bool(self.driver.cards)

    @property
    def has_card(self) -> bool:
        """Whether anything at all says that there is an NVIDIA card."""
        machine = self.machine
        return self.has_driver or bool(machine.pci_cards or machine.device_files or machine.kernel_module)

    @property
    def may_have_card(self) -> bool:
        """The same, or that the driver's tool gets stuck on something; WSL has no PCI bus to look at."""
        outcome = self.driver.outcome
        return self.has_card or outcome == "timeout" or (self.machine.is_wsl and outcome != "missing")

    @property
    def cuda_devices(self) -> tuple[Device, ...]:
        """The CUDA devices that torch sees; AMD's have the same type, and are not among them."""
        if self.torch is None or self.torch.hip:
            return ()
        return tuple(device for device in self.torch.devices if device.type == "cuda")
