"""Which devices torch uses, and what memory is free on them."""

from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._seen import Device, Facts

GIB = 2**30
FREE_SHARE = 0.5
"""Less than this free, and a model that fits the card may not."""


def check(facts: Facts) -> Iterator[Finding]:
    """Give a line for each device, and say where the memory is taken."""
    if facts.torch is None:
        return
    count = len(facts.torch.devices)
    for device in facts.torch.devices:
        current = " (current)" if count > 1 and device.index == facts.torch.current_device else ""
        yield Finding(severity="ok", finding=f"{device.id}{current}: {device.name}", evidence=_described(device))
        if _is_taken(device):
            yield Finding(
                severity="warning",
                finding=f"{device.id}: more than half of its memory is taken already",
                evidence=_described(device),
                remedy="see who has it (`nvidia-smi`) and end what is left over from earlier runs",
            )


def _is_taken(device: Device) -> bool:
    free, total = device.free_memory_bytes, device.total_memory_bytes
    return free is not None and bool(total) and free < FREE_SHARE * (total or 0)


def _described(device: Device) -> str:
    words = []
    if device.capability:
        words.append("compute capability " + ".".join(map(str, device.capability)))
    if device.total_memory_bytes is not None and device.free_memory_bytes is not None:
        words.append(f"{device.free_memory_bytes / GIB:.1f} of {device.total_memory_bytes / GIB:.1f} GiB free")
    return ", ".join(words)
