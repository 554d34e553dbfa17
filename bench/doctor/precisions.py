"""Which number formats the devices compute in."""

from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._seen import Device, Facts
from bench.precisions import PRECISIONS

FIRST_CAPABILITIES = {
    "tf32": PRECISIONS["tf32"].min_cuda_capability or (8, 0),
    "bf16": (8, 0),  # Ampere, NVIDIA A100 white paper (2020)
    "fp16": (7, 0),  # Volta's tensor cores, NVIDIA V100 white paper (2017)
    "fp8": (8, 9),  # Ada and Hopper, NVIDIA Ada white paper (2023)
}
"""Format to the first compute capability with units for it."""
CPU_UNITS = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512", "bf16": "Arm"}
"""Flag of a processor to what its bf16 units are called."""
TF32_OFF, TF32_VARIABLE = "0", "NVIDIA_TF32_OVERRIDE"


def check(facts: Facts) -> Iterator[Finding]:
    """Name the formats of the CPU and of every kind of CUDA device."""
    if facts.torch is not None:
        yield _of_cpu(facts)
    for device in {device.name: device for device in facts.cuda_devices}.values():
        yield _of_cuda(device)
    if facts.cuda_devices and facts.variables.get(TF32_VARIABLE) == TF32_OFF:
        yield Finding(
            severity="warning",
            finding="TF32 is turned off for every program",
            evidence=f"{TF32_VARIABLE}=0",
            remedy=f"run `unset {TF32_VARIABLE}`",
        )


def _of_cpu(facts: Facts) -> Finding:
    assert facts.torch is not None
    units = next((name for flag, name in CPU_UNITS.items() if flag in facts.machine.cpu_flags), None)
    kernels = facts.torch.cpu_capability or "unknown"
    if not facts.torch.has_cpu_bf16:
        return Finding(
            severity="note",
            finding="cpu: fp32; bf16 is emulated, so amp_bf16 gains nothing here",
            evidence=f"torch's kernels: {kernels}; oneDNN has none for bf16 on this processor",
        )
    how = f"in hardware by {units}" if units else "through oneDNN, without units of its own, so hardly faster"
    return Finding(severity="ok", finding=f"cpu: fp32, bf16 {how}", evidence=f"torch's kernels: {kernels}")


def _of_cuda(device: Device) -> Finding:
    capability = device.capability or ()
    have = [name for name, first in FIRST_CAPABILITIES.items() if capability >= first]
    lacking = [name for name in FIRST_CAPABILITIES if name not in have]
    finding = f"{device.name}: fp32" + "".join(f", {name}" for name in have)
    if "bf16" in have:
        missing = f"no {', '.join(lacking)}" if lacking else ""
        return Finding(severity="ok", finding=finding, evidence=missing)
    return Finding(
        severity="note",
        finding=f"{finding}; no units for {', '.join(lacking)}",
        evidence="compute capability " + ".".join(map(str, capability)),
        remedy="use amp_fp16 for mixed precision; amp_bf16 is emulated" if "fp16" in have else "",
    )
