"""
Set-ups that people get wrong, each with what doctor must say and the remedy that it must give.

Texts of the driver's and torch's are as the linked public issues show them.
"""

import dataclasses
import re

import pytest

from bench.doctor._checks import judge
from bench.doctor._finding import Finding, Severity, is_ready
from bench.doctor._seen import Driver, Facts, Proof
from bench.doctor.driver import FAILURES
from tests.doctor import records
from tests.doctor.records import named

GIB, MIB = 2**30, 2**20


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetUp:
    """One of them."""

    facts: Facts
    check: str
    severity: Severity = "error"
    finding: str
    remedy: str


def _failed(text: str) -> Facts:
    """Return a machine with a card whose driver's tool prints *text*."""
    return records.facts(driver=Driver(outcome="failed", text=text), torch=records.torch(devices=()))


def _unusable(error: str, **fields: object) -> Facts:
    """Return one whose driver works and whose torch sees no device, because of *error*."""
    return records.facts(**{"torch": records.torch(devices=(), current_device=None, error=error), **fields})


def _proved(status: str, reason: str, device: str = "cuda:0", strategy: str = "single") -> Facts:
    proof = Proof(device=device, precision="fp32", strategy=strategy, status=status, reason=reason)  # type: ignore[arg-type]  # a plain string of a test
    return records.facts(proofs=(proof,))


def _card(**fields: object) -> Facts:
    return records.facts(driver=records.driver(cards=(records.card(**fields),)))


INDEX = "https://download.pytorch.org/whl"

SET_UPS: dict[str, SetUp] = {
    # https://github.com/NVIDIA/nvidia-docker/issues/988
    "the kernel module is not loaded": SetUp(
        facts=_failed(
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest "
            "NVIDIA driver is installed and running."
        ),
        check="driver",
        finding="kernel module is not loaded",
        remedy="sudo modprobe nvidia",
    ),
    # https://github.com/lyulyul/shine-cluster/issues/30
    "the driver was updated while it was loaded": SetUp(
        facts=_failed("Failed to initialize NVML: Driver/library version mismatch NVML library version: 570.124"),
        check="driver",
        finding="the old one is still loaded",
        remedy="restart the machine",
    ),
    # https://github.com/microsoft/WSL/issues/9938
    "Windows blocks the card": SetUp(
        facts=records.facts(
            machine=records.cpu_machine(is_wsl=True),
            driver=Driver(
                outcome="failed",
                text="Failed to initialize NVML: GPU access blocked by the operating system "
                "Failed to properly shut down NVML: GPU access blocked by the operating system",
            ),
            torch=records.torch(devices=()),
        ),
        check="driver",
        finding="Windows does not let WSL",
        remedy="wsl --update",
    ),
    # https://github.com/NVIDIA/nvidia-docker/issues/1163
    "the driver's libraries are missing in the container": SetUp(
        facts=_failed(
            "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA Display "
            "Driver is properly installed and present in your system. Please also try adding directory that contains "
            "libnvidia-ml.so to your system PATH."
        ),
        check="driver",
        finding="libraries are missing",
        remedy="NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    ),
    # https://github.com/NVIDIA/nvidia-docker/issues/1671
    "the container lost its cards": SetUp(
        facts=_failed("Failed to initialize NVML: Unknown Error"),
        check="driver",
        finding="lost its access",
        remedy="restart the container",
    ),
    # https://github.com/QubesOS/qubes-issues/issues/10036
    "the driver finds no card in a virtual machine": SetUp(
        facts=_failed("No devices were found"),
        check="driver",
        finding="finds no card",
        remedy="not passed through completely",
    ),
    "a user who may not use the cards": SetUp(
        facts=_failed("Failed to initialize NVML: Insufficient Permissions"),
        check="driver",
        finding="this user may not use the cards",
        remedy="join the group",
    ),
    # https://github.com/JosephKJ/OWOD/issues/81
    "a card fell off the bus": SetUp(
        facts=_failed(
            "Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost. Reboot the system to recover "
            "this GPU"
        ),
        check="driver",
        finding="stopped answering",
        remedy="dmesg | grep -i xid",
    ),
    "the driver hangs": SetUp(
        facts=records.facts(
            driver=Driver(outcome="timeout", text="nvidia-smi did not answer within 10 s"),
            torch=records.torch(devices=()),
        ),
        check="driver",
        finding="hangs",
        remedy="restart the machine",
    ),
    "a card without a driver": SetUp(
        facts=records.facts(
            machine=records.machine(kernel_module="", device_files=()), driver=Driver(), torch=records.cpu_torch()
        ),
        check="driver",
        finding="no driver for it",
        remedy="https://www.nvidia.com/drivers",
    ),
    "a driver without its tool": SetUp(
        facts=records.facts(driver=Driver(), torch=records.torch(devices=())),
        check="driver",
        finding="nvidia-smi is missing",
        remedy="NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    ),
    # https://github.com/facebookresearch/detectron2/issues/460
    "a CPU build beside a new driver": SetUp(
        facts=records.facts(torch=records.cpu_torch()),
        check="build",
        finding="CPU-only build, so it cannot use NVIDIA H100",
        remedy=f"python -m pip install torch --index-url {INDEX}/cu130",
    ),
    "a CPU build with its companions": SetUp(
        facts=records.facts(torch=records.cpu_torch(), versions={"torchaudio": "2.11.0", "torchvision": "0.28.0"}),
        check="build",
        finding="CPU-only build",
        remedy="uninstall -y torch torchvision torchaudio && python -m pip install torch torchvision torchaudio "
        f"--index-url {INDEX}/cu130",
    ),
    "a CPU build beside a driver of CUDA 12": SetUp(
        facts=records.facts(
            driver=records.driver(version="550.127.05", cuda_version="12.4"), torch=records.cpu_torch()
        ),
        check="build",
        finding="CPU-only build",
        remedy=f"torch --index-url {INDEX}/cu126",
    ),
    "a CPU build beside an old card and a new driver": SetUp(
        facts=records.facts(
            driver=records.driver(cards=(records.card(name="Tesla V100", architecture="Volta"),)),
            torch=records.cpu_torch(),
        ),
        check="build",
        finding="CPU-only build, so it cannot use Tesla V100",
        remedy=f"torch --index-url {INDEX}/cu126",
    ),
    "a CPU build beside a Blackwell card and a driver of CUDA 12": SetUp(
        facts=records.facts(
            driver=records.driver(version="570.86.10", cards=(records.card(architecture="Blackwell"),)),
            torch=records.cpu_torch(),
        ),
        check="build",
        finding="CPU-only build",
        remedy=f"'torch<2.12' --index-url {INDEX}/cu128",
    ),
    "a CPU build beside a driver that no torch supports": SetUp(
        facts=records.facts(driver=records.driver(version="390.157"), torch=records.cpu_torch()),
        check="build",
        finding="CPU-only build",
        remedy="install a newer driver",
    ),
    # https://github.com/serend1p1ty/SeqNet/issues/36
    "a driver too old for torch's CUDA": SetUp(
        facts=_unusable(
            "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by "
            "downloading and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx",
            driver=records.driver(version="470.256.02", cuda_version="11.4"),
        ),
        check="build",
        finding="470.256.02 is too old for CUDA 13.0",
        remedy="at least 580.65.06",
    ),
    "a driver of CUDA 12 and a torch of CUDA 13": SetUp(
        facts=_unusable("", driver=records.driver(version="550.127.05", cuda_version="12.4")),
        check="build",
        finding="too old for CUDA 13.0",
        remedy=f"or a torch for this one: python -m pip uninstall -y torch && python -m pip install torch "
        f"--index-url {INDEX}/cu126",
    ),
    # https://github.com/pytorch/pytorch/issues/84550 (the driver is Windows', with its numbers)
    "a driver of Windows too old for torch's CUDA": SetUp(
        facts=_unusable(
            "The NVIDIA driver on your system is too old (found version 11060).",
            machine=records.cpu_machine(is_wsl=True),
            driver=records.driver(version="516.94", cuda_version="11.6"),
        ),
        check="build",
        finding="516.94 is too old for CUDA 13.0",
        remedy="one for Windows that knows CUDA 13",
    ),
    "a build for AMD and a card of NVIDIA": SetUp(
        facts=records.facts(
            torch=records.torch(version="2.13.0+rocm7.0", cuda="", hip="7.0", devices=(), architectures=())
        ),
        check="build",
        finding="ROCm build, and the card is NVIDIA's",
        remedy=f"{INDEX}/cu130",
    ),
    "a build for AMD that finds no card": SetUp(
        facts=records.cpu_facts(torch=records.cpu_torch(version="2.13.0+rocm7.0", hip="7.0")),
        check="build",
        severity="warning",
        finding="ROCm build and finds no device",
        remedy="/dev/kfd",
    ),
    "a build for Intel that finds no card": SetUp(
        facts=records.cpu_facts(torch=records.cpu_torch(version="2.13.0+xpu", has_xpu=True)),
        check="build",
        severity="warning",
        finding="XPU build and finds no device",
        remedy="group render",
    ),
    "a torch that cannot be imported": SetUp(
        facts=records.cpu_facts(
            torch=None,
            torch_failure="no worker can be started here: OSError: libcudnn.so.9: cannot open shared object file",
        ),
        check="build",
        finding="torch cannot be used",
        remedy="--force-reinstall torch",
    ),
    "an empty CUDA_VISIBLE_DEVICES": SetUp(
        facts=_unusable("No CUDA GPUs are available", variables={"CUDA_VISIBLE_DEVICES": ""}),
        check="visible",
        finding="CUDA_VISIBLE_DEVICES hides every device",
        remedy="unset CUDA_VISIBLE_DEVICES",
    ),
    "CUDA_VISIBLE_DEVICES=-1": SetUp(
        facts=_unusable("No CUDA GPUs are available", variables={"CUDA_VISIBLE_DEVICES": "-1"}),
        check="visible",
        finding="hides every device",
        remedy="CUDA_VISIBLE_DEVICES=0",
    ),
    "a CPU build and an empty CUDA_VISIBLE_DEVICES": SetUp(
        facts=records.facts(torch=records.cpu_torch(), variables={"CUDA_VISIBLE_DEVICES": ""}),
        check="build",
        finding="CPU-only build",
        remedy=f"{INDEX}/cu130",
    ),
    "CUDA_VISIBLE_DEVICES names an index that is not there": SetUp(
        facts=_unusable("No CUDA GPUs are available", variables={"CUDA_VISIBLE_DEVICES": "5"}),
        check="visible",
        finding="CUDA_VISIBLE_DEVICES names no card",
        remedy="run `unset CUDA_VISIBLE_DEVICES`, or use an index below 1",
    ),
    "CUDA_VISIBLE_DEVICES names a card of another machine": SetUp(
        facts=_unusable(
            "No CUDA GPUs are available",
            driver=records.driver(cards=(records.card(uuid="GPU-529b3263-c96d-b557-bc75-697f04917eda"),)),
            variables={"CUDA_VISIBLE_DEVICES": "GPU-00000000-c96d-b557-bc75-697f04917eda"},
        ),
        check="visible",
        finding="CUDA_VISIBLE_DEVICES names no card",
        remedy="unset CUDA_VISIBLE_DEVICES",
    ),
    "a container that was given void": SetUp(
        facts=_unusable("", variables={"NVIDIA_VISIBLE_DEVICES": "void"}),
        check="visible",
        finding="NVIDIA_VISIBLE_DEVICES hides",
        remedy="start the container with NVIDIA_VISIBLE_DEVICES=all",
    ),
    "a container without the GPU": SetUp(
        facts=records.cpu_facts(machine=records.cpu_machine(container="docker"), torch=records.torch(devices=())),
        check="visible",
        severity="note",
        finding="no GPU is visible",
        remedy="--gpus all",
    ),
    "a container without the GPU that shows the host's bus": SetUp(
        facts=records.facts(
            machine=records.machine(container="docker", kernel_module="", device_files=()),
            driver=Driver(),
            torch=records.torch(devices=()),
        ),
        check="driver",
        finding="this container was started without the card",
        remedy="start this container (docker) with `--gpus all`",
    ),
    "a pod without the GPU that shows the host's driver": SetUp(
        facts=records.facts(
            machine=records.machine(container="kubernetes", device_files=()),
            driver=Driver(),
            torch=records.torch(devices=()),
            variables={"NVIDIA_VISIBLE_DEVICES": "void"},
        ),
        check="driver",
        finding="this container was started without the card",
        remedy="a limit of nvidia.com/gpu",
    ),
    "a pod without the GPU": SetUp(
        facts=records.cpu_facts(machine=records.cpu_machine(container="kubernetes")),
        check="visible",
        severity="note",
        finding="no GPU is visible",
        remedy="a limit of nvidia.com/gpu",
    ),
    "WSL without a driver in Windows": SetUp(
        facts=records.cpu_facts(machine=records.cpu_machine(is_wsl=True), torch=records.torch(devices=())),
        check="visible",
        severity="note",
        finding="no GPU is visible",
        remedy="driver in Windows",
    ),
    "a virtual machine without the GPU": SetUp(
        facts=records.cpu_facts(machine=records.cpu_machine(is_virtual=True)),
        check="visible",
        severity="note",
        finding="no GPU is visible",
        remedy="pass it through",
    ),
    "an old driver and an empty CUDA_VISIBLE_DEVICES": SetUp(
        facts=_unusable(
            "",
            driver=records.driver(version="550.127.05", cuda_version="12.4"),
            variables={"CUDA_VISIBLE_DEVICES": ""},
        ),
        check="build",
        finding="too old for CUDA 13.0",
        remedy=f"{INDEX}/cu126",
    ),
    "a variable that names a slice which has not been made": SetUp(
        facts=_unusable(
            "No CUDA GPUs are available",
            driver=records.driver(cards=(records.card(mig="Enabled"),)),
            variables={"CUDA_VISIBLE_DEVICES": "MIG-529b3263"},
        ),
        check="visible",
        finding="no slice has been made",
        remedy="nvidia-smi mig -cgi",
    ),
    # https://github.com/pytorch/pytorch/issues/95784 (MIG mode, device_count 0)
    "MIG without a slice": SetUp(
        facts=_unusable(
            "No CUDA GPUs are available", driver=records.driver(cards=(records.card(mig="Enabled", mig_devices=0),))
        ),
        check="visible",
        finding="no slice has been made",
        remedy="nvidia-smi mig -cgi",
    ),
    "a card in exclusive mode that somebody has": SetUp(
        facts=_unusable(
            "CUDA-capable device(s) is/are busy or unavailable",
            driver=records.driver(cards=(records.card(compute_mode="Exclusive_Process", processes=1),)),
        ),
        check="visible",
        finding="admits no further process",
        remedy="nvidia-smi -c DEFAULT",
    ),
    # https://github.com/microsoft/lisa/issues/2823
    "a machine with NVSwitch without its manager": SetUp(
        facts=_unusable(
            "CUDA initialization: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before "
            "calling NumCudaDevices() that might have already set an error? Error 802: system not yet initialized"
        ),
        check="visible",
        finding="torch cannot use it",
        remedy="nvidia-fabricmanager",
    ),
    # https://github.com/pytorch/pytorch/issues/49327
    "a module that broke in suspend": SetUp(
        facts=_unusable(
            "CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable "
            "CUDA_VISIBLE_DEVICES after program start. Setting the available devices to be zero."
        ),
        check="visible",
        finding="torch cannot use it",
        remedy="nvidia_uvm",
    ),
    # https://github.com/microsoft/WSL/issues/9092
    "another libcuda in WSL": SetUp(
        facts=_unusable("Error 2: out of memory", machine=records.cpu_machine(is_wsl=True)),
        check="visible",
        finding="torch cannot use it",
        remedy="/usr/lib/wsl/lib",
    ),
    "a container without the device files": SetUp(
        facts=_unusable(
            "no CUDA-capable device is detected", machine=records.machine(container="docker", device_files=())
        ),
        check="visible",
        finding="torch cannot use it",
        remedy="--gpus all",
    ),
    # https://github.com/Comfy-Org/ComfyUI/pull/16438
    "a card that is too old for this build": SetUp(
        facts=records.facts(
            torch=records.torch(devices=(records.device(name="Tesla P40", capability=(6, 1)),)),
            versions={"torchvision": "0.28.0", "triton": "3.7.1"},
        ),
        check="architecture",
        finding="no kernels for Tesla P40 (sm_61)",
        remedy=f"install torch torchvision --index-url {INDEX}/cu126",
    ),
    # https://github.com/jiangyzy/GOAE/issues/16
    "a card that is too new for this build": SetUp(
        facts=records.facts(
            torch=records.torch(
                version="1.9.0",
                cuda="10.2",
                devices=(records.device(name="NVIDIA RTX A6000", capability=(8, 6)),),
                architectures=("sm_37", "sm_50", "sm_60", "sm_70"),
            )
        ),
        check="architecture",
        finding="no kernels for NVIDIA RTX A6000 (sm_86)",
        remedy=f"{INDEX}/cu130",
    ),
    "memory that somebody else has": SetUp(
        facts=records.facts(torch=records.torch(devices=(records.device(free_memory_bytes=8 * GIB),))),
        check="devices",
        severity="warning",
        finding="more than half of its memory is taken",
        remedy="nvidia-smi",
    ),
    "TF32 turned off by a variable": SetUp(
        facts=records.facts(variables={"NVIDIA_TF32_OVERRIDE": "0"}),
        check="precisions",
        severity="warning",
        finding="TF32 is turned off",
        remedy="unset NVIDIA_TF32_OVERRIDE",
    ),
    "a card without bf16": SetUp(
        facts=records.facts(torch=records.torch(devices=(records.device(name="Tesla T4", capability=(7, 5)),))),
        check="precisions",
        severity="note",
        finding="Tesla T4: fp32, fp16; no units for tf32, bf16, fp8",
        remedy="amp_fp16",
    ),
    # https://github.com/yuhongtian17/Spatial-Transform-Decoupling/issues/14
    "a toolkit of another major version": SetUp(
        facts=records.facts(nvcc="Cuda compilation tools, release 12.4, V12.4.99"),
        check="toolkit",
        severity="warning",
        finding="toolkit is 12.4 and torch is built with 13.0",
        remedy="install the toolkit 13.0",
    ),
    "a CUDA build without cuDNN": SetUp(
        facts=records.facts(torch=records.torch(cudnn="")),
        check="libraries",
        severity="warning",
        finding="cuDNN is missing",
        remedy="install torch again",
    ),
    "another cuDNN on the library path": SetUp(
        facts=records.facts(variables={"LD_LIBRARY_PATH": "/opt/cudnn-8/lib64"}),
        check="libraries",
        severity="warning",
        finding="another cuDNN",
        remedy="unset LD_LIBRARY_PATH",
    ),
    "a card in a slot with few lanes": SetUp(
        facts=_card(link_width=4),
        check="links",
        severity="warning",
        finding="4 of 16 PCIe lanes",
        remedy="slot with all lanes",
    ),
    "peer access turned off": SetUp(
        facts=records.facts(
            torch=records.torch(devices=(records.device(), records.device(index=1))),
            variables={"NCCL_P2P_DISABLE": "1"},
        ),
        check="links",
        severity="warning",
        finding="not to use direct access",
        remedy="unset NCCL_P2P_DISABLE",
    ),
    "a card whose memory fails": SetUp(
        facts=_card(uncorrected_errors=3, remapping_pending=True),
        check="health",
        finding="uncorrected memory errors",
        remedy="--gpu-reset",
    ),
    "a card without spare rows": SetUp(
        facts=_card(remapping_failed=True), check="health", finding="no spare rows", remedy="replaced"
    ),
    "a card that is too hot": SetUp(
        facts=_card(slowdowns=("its temperature (hardware)",), temperature_celsius=91.0),
        check="health",
        severity="warning",
        finding="clocks are held back",
        remedy="cooling",
    ),
    "a card at its power limit": SetUp(
        facts=_card(slowdowns=("its power limit",)),
        check="health",
        severity="note",
        finding="clocks are held back",
        remedy="see who uses it",
    ),
    "a power limit that somebody set": SetUp(
        facts=_card(power_limit_watts=350.0),
        check="health",
        severity="warning",
        finding="power limit is below",
        remedy="nvidia-smi -pl 700",
    ),
    "somebody else computes": SetUp(
        facts=_card(processes=2), check="health", severity="warning", finding="2 other processes", remedy="nvidia-smi"
    ),
    "persistence mode is off": SetUp(
        facts=_card(persistence="Disabled"), check="health", severity="note", finding="persistence", remedy="-pm 1"
    ),
    "half a core": SetUp(
        facts=records.cpu_facts(machine=records.cpu_machine(quota_cores=1.5)),
        check="cores",
        severity="warning",
        finding="1.5 of 8 cores",
        remedy="`--cpuset-cpus 0-0`), or set OMP_NUM_THREADS=1",
    ),
    "two cores by quota and a thread for each of eight": SetUp(
        facts=records.cpu_facts(machine=records.cpu_machine(quota_cores=2.0, usable_cores=2)),
        check="cores",
        severity="warning",
        finding="2 of 8 cores, and torch starts 8 threads",
        remedy="`--cpuset-cpus 0-1`), or set OMP_NUM_THREADS=2",
    ),
    "more threads than the quota": SetUp(
        facts=records.cpu_facts(
            machine=records.cpu_machine(quota_cores=2.0, usable_cores=2), variables={"OMP_NUM_THREADS": "4"}
        ),
        check="cores",
        severity="warning",
        finding="4 threads on 2 cores",
        remedy="set OMP_NUM_THREADS=2",
    ),
    "more threads than cores": SetUp(
        facts=records.cpu_facts(variables={"OMP_NUM_THREADS": "64"}),
        check="cores",
        severity="warning",
        finding="64 threads on 8 cores",
        remedy="unset OMP_NUM_THREADS",
    ),
    "one thread, left over from torchrun": SetUp(
        facts=records.cpu_facts(variables={"OMP_NUM_THREADS": "1"}),
        check="cores",
        severity="note",
        finding="1 thread on 8 cores",
        remedy="unset OMP_NUM_THREADS",
    ),
    "a governor that saves power": SetUp(
        facts=records.cpu_facts(machine=records.cpu_machine(governor="powersave")),
        check="cores",
        severity="note",
        finding="governor is powersave",
        remedy="cpupower",
    ),
    # https://github.com/nianticlabs/simplerecon/issues/3
    "docker's 64 MiB of shared memory": SetUp(
        facts=records.cpu_facts(machine=records.cpu_machine(shared_memory_bytes=64 * MIB)),
        check="memory",
        severity="warning",
        finding="/dev/shm is small",
        remedy="--shm-size 8g",
    ),
    "a container with little memory": SetUp(
        facts=records.cpu_facts(machine=records.cpu_machine(memory_limit_bytes=512 * MIB)),
        check="memory",
        severity="warning",
        finding="hardly any memory",
        remedy="SIGKILL",
    ),
    "a container that has used up its memory": SetUp(
        facts=records.cpu_facts(machine=records.cpu_machine(memory_limit_bytes=16 * GIB, memory_used_bytes=15 * GIB)),
        check="memory",
        severity="warning",
        finding="hardly any memory",
        remedy="end other programs",
    ),
    "a full disk": SetUp(
        facts=records.cpu_facts(machine=records.cpu_machine(free_disk_bytes=GIB)),
        check="memory",
        severity="warning",
        finding="hardly any disk",
        remedy="TMPDIR",
    ),
    "no compiler": SetUp(
        facts=records.cpu_facts(machine=records.cpu_machine(has_cxx=False)),
        check="compiler",
        severity="warning",
        finding="g++ is not found",
        remedy="apt install g++",
    ),
    "no Triton": SetUp(
        facts=records.facts(versions={}),
        check="compiler",
        severity="warning",
        finding="needs Triton",
        remedy="Triton comes with",
    ),
    # https://github.com/pytorch/pytorch/issues/122494
    "a torchvision of another build": SetUp(
        facts=records.cpu_facts(broken={"torchvision": "RuntimeError: operator torchvision::nms does not exist"}),
        check="packages",
        severity="warning",
        finding="torchvision is installed and cannot be imported",
        remedy=f"install torch==2.13.0 torchvision --index-url {INDEX}/cpu",
    ),
    "a torchvision of another build beside a torch for AMD": SetUp(
        facts=records.cpu_facts(
            torch=records.torch(version="2.9.1+rocm6.4", cuda="", hip="6.4.43482", devices=(records.device(),)),
            versions={"torchaudio": "2.9.1"},
            broken={"timm": "RuntimeError: operator torchvision::nms does not exist", "torchvision": "no"},
        ),
        check="packages",
        severity="warning",
        finding="timm is installed and cannot be imported",
        remedy=f"install torch==2.9.1 torchvision torchaudio --index-url {INDEX}/rocm6.4",
    ),
    "an extension of another build": SetUp(
        facts=records.facts(broken={"timm": "ImportError: undefined symbol: _ZN3c10"}),
        check="packages",
        severity="warning",
        finding="timm is installed and cannot be imported",
        remedy="build timm again for torch 2.13.0+cu130",
    ),
    "a fork server that fails": SetUp(
        facts=records.cpu_facts(notes=("the fork server failed its canary (timeout); workers are spawned instead",)),
        check="workers",
        severity="warning",
        finding="start slowly",
        remedy="sitecustomize",
    ),
    # https://github.com/pytorch/pytorch/issues/31285
    "a training that finds no kernel": SetUp(
        facts=_proved(
            "error", "AcceleratorError: CUDA error: no kernel image is available for execution on the device"
        ),
        check="proof",
        finding="cuda:0: training in fp32 fails (error)",
        remedy="get_arch_list",
    ),
    "a training that hangs": SetUp(
        facts=_proved("timeout", "not done after 30 s and killed"),
        check="proof",
        finding="fails (timeout)",
        remedy="restart the machine",
    ),
    "a training that crashes": SetUp(
        facts=_proved("crashed", "a worker was killed by SIGSEGV (a bug in native code)"),
        check="proof",
        finding="fails (crashed)",
        remedy="new environment",
    ),
    # https://github.com/NVIDIA/nccl/issues/473
    "an exchange between GPUs that fails": SetUp(
        facts=_proved("error", "DistBackendError: NCCL error: unhandled system error", "cuda", "ddp"),
        check="proof",
        finding="all-reduce between two ranks (NCCL) fails",
        remedy="NCCL_DEBUG=WARN",
    ),
}


@pytest.mark.parametrize("name", SET_UPS)
def test_a_broken_set_up_leads_to_its_remedy(name: str) -> None:
    set_up = SET_UPS[name]
    findings = judge(set_up.facts)
    fitting = [found for found in named(findings, set_up.check, set_up.severity) if set_up.finding in found.finding]
    assert len(fitting) == 1, findings
    assert set_up.remedy in fitting[0].remedy
    assert is_ready(findings) == (set_up.severity != "error")


@pytest.mark.parametrize("name", SET_UPS)
def test_what_is_wrong_is_said_once_with_a_remedy(name: str) -> None:
    """One cause is one error: a newcomer must not be sent after its consequences."""
    findings = judge(SET_UPS[name].facts)
    errors = [found for found in findings if found.severity == "error"]
    assert len(errors) <= 1, errors
    assert [found for found in findings if found.severity in ("error", "warning") and not found.remedy] == []


@pytest.mark.parametrize("facts", [records.facts(), records.cpu_facts()], ids=["with a GPU", "without one"])
def test_a_machine_on_which_nothing_is_wrong_gets_neither_error_nor_warning(facts: Facts) -> None:
    assert [found for found in judge(facts) if found.severity in ("error", "warning")] == []


def test_a_tool_that_fails_where_there_is_no_card_is_no_error() -> None:
    driver = Driver(
        outcome="failed", text="NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    )
    findings = judge(records.cpu_facts(driver=driver))
    assert [found.name for found in findings if found.severity == "warning"] == ["driver"]
    assert is_ready(findings)


def test_an_old_driver_with_which_torch_works_all_the_same_is_no_error() -> None:
    """NVIDIA's package cuda-compat lets a newer CUDA run on it."""
    findings = judge(records.facts(driver=records.driver(version="535.183.01", cuda_version="13.0")))
    assert [found for found in findings if found.severity == "error"] == []


def test_fewer_devices_than_cards_are_explained_by_the_variable_that_leaves_them_out() -> None:
    two = records.driver(cards=(records.card(), records.card()))
    findings = judge(records.facts(driver=two, variables={"CUDA_VISIBLE_DEVICES": "1"}))
    assert named(findings, "visible") == [
        Finding(name="visible", severity="note", finding="torch uses 1 of 2 cards", evidence="CUDA_VISIBLE_DEVICES=1")
    ]


@pytest.mark.parametrize(
    ("value", "is_named"),
    [
        *(("0", False), ("0,7", False), (" 1", False), ("GPU-529b", False), ("GPU-0000", True), ("2", True)),
        *(("-2", True), ("7,0", True), ("cuda:0", True), ("MIG-1", True)),
    ],
)
def test_only_a_variable_that_names_no_card_is_to_blame(value: str, is_named: bool) -> None:
    cards = (records.card(uuid="GPU-529b3263-c96d"), records.card(uuid="GPU-7a"))
    facts = _unusable("", driver=records.driver(cards=cards), variables={"CUDA_VISIBLE_DEVICES": value})
    (found,) = named(judge(facts), "visible", "error")
    assert (f"CUDA_VISIBLE_DEVICES={value!r}" in found.evidence) is is_named


def test_a_card_of_amds_that_torch_uses_is_not_held_against_nvidias() -> None:
    torch = records.torch(version="2.13.0+rocm7.0", cuda="", hip="7.0", devices=(records.device(capability=None),))
    findings = judge(records.facts(torch=torch))
    assert named(findings, "visible") == []
    assert is_ready(findings)


def test_as_many_threads_as_the_quota_has_cores_are_right() -> None:
    machine = records.cpu_machine(quota_cores=2.0, usable_cores=2)
    found = named(judge(records.cpu_facts(machine=machine, variables={"OMP_NUM_THREADS": "2"})), "cores")
    assert [(finding.severity, finding.finding) for finding in found] == [
        ("ok", "2 of 8 CPU cores usable"),
        ("note", "the container may use 2 of 8 cores"),
    ]


@pytest.mark.parametrize("status", ["untried", "skipped", "unsupported"])
def test_what_was_left_out_is_no_error(status: str) -> None:
    findings = judge(_proved(status, "because"))
    assert [(found.severity, found.evidence) for found in named(findings, "proof")] == [("note", "because")]
    assert is_ready(findings)


def test_every_way_in_which_the_drivers_tool_fails_is_met() -> None:
    texts = [set_up.facts.driver.text for set_up in SET_UPS.values()]
    for failure in FAILURES:
        assert any(re.search(failure.pattern, text, re.IGNORECASE) for text in texts), failure


def test_the_links_between_cards_are_named() -> None:
    topology = "\t\033[4mGPU0\tGPU1\tNIC0\tCPU Affinity\033[0m\nGPU0\t X \tNV18\tPXB\t0-11\n"
    topology += "GPU1\tNV18\t X \tSYS\t0-11\nNIC0\tPXB\tSYS\t X \n"
    devices = (records.device(), records.device(index=1))
    facts = records.facts(
        driver=records.driver(cards=(records.card(), records.card()), topology=topology),
        torch=records.torch(devices=devices, blocked_peers=("0-1",)),
    )
    found = [finding.finding for finding in named(judge(facts), "links")]
    assert found == [
        "card 0: PCIe x16",
        "card 1: PCIe x16",
        "cards reach each other over NVLink (NV18)",
        "no direct access between the memories of cards 0-1: exchanges go through the host",
    ]


def test_what_works_is_one_line_a_device() -> None:
    proofs = [
        Proof(device=device, precision=precision, strategy="single", status="ok")
        for device in ("cpu", "cuda:0")
        for precision in ("fp32", "amp_bf16")
    ]
    two_ranks = Proof(device="cpu", precision="fp32", strategy="ddp", status="ok")
    untried = Proof(device="cuda", precision="fp32", strategy="ddp", status="untried", reason="cuda:1 hung before")
    found = named(judge(records.facts(proofs=(*proofs, two_ranks, untried))), "proof")
    assert [(finding.severity, finding.finding) for finding in found] == [
        ("note", "cuda: an all-reduce between two ranks (NCCL): not tried"),
        ("ok", "cpu: training works in fp32, amp_bf16"),
        ("ok", "cuda:0: training works in fp32, amp_bf16"),
        ("ok", "cpu: an all-reduce between two ranks (gloo) works"),
    ]


@pytest.mark.parametrize(
    ("flags", "has_kernels", "severity", "text"),
    [
        (("amx_bf16",), True, "ok", "cpu: fp32, bf16 in hardware by AMX"),
        (("avx512_bf16",), True, "ok", "cpu: fp32, bf16 in hardware by AVX-512"),
        (("avx2",), True, "ok", "cpu: fp32, bf16 through oneDNN, without units of its own, so hardly faster"),
        (("avx2",), False, "note", "cpu: fp32; bf16 is emulated, so amp_bf16 gains nothing here"),
    ],
)
def test_the_processors_bf16_is_named_for_what_it_is(
    flags: tuple[str, ...], has_kernels: bool, severity: str, text: str
) -> None:
    facts = records.cpu_facts(
        machine=records.cpu_machine(cpu_flags=flags), torch=records.cpu_torch(has_cpu_bf16=has_kernels)
    )
    assert [(found.severity, found.finding) for found in named(judge(facts), "precisions")] == [(severity, text)]
