"""Memory, shared memory and disk are large enough."""

from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._seen import Facts

GIB = 2**30
MIN_SHARED_BYTES = 1 * GIB
"""Docker's 64 MiB are the usual cause of a bus error; a few loader workers with images need hundreds."""
MIN_FREE_BYTES = 2 * GIB
"""Of memory: a fork server with its workers takes one."""
MIN_DISK_BYTES = 5 * GIB
"""Where torch.compile and pip write: a build of torch with CUDA unpacks to about as much."""


def check(facts: Facts) -> Iterator[Finding]:
    """Compare each with what a small training needs."""
    machine = facts.machine
    shared = machine.shared_memory_bytes
    if shared is not None and shared < MIN_SHARED_BYTES:
        yield Finding(
            severity="warning",
            finding="/dev/shm is small: loader workers and NCCL will die of a bus error",  # noqa: S108 (named, not written to)
            evidence=_gib(shared),
            remedy="docker: `--shm-size 8g` or `--ipc host`; elsewhere: sudo mount -o remount,size=8G /dev/shm",
        )
    available = _available_bytes(facts)
    if available is not None and available < MIN_FREE_BYTES:
        yield Finding(
            severity="warning",
            finding="hardly any memory is free",
            evidence=f"{_gib(available)} available",
            remedy="end other programs; else the kernel ends this one (SIGKILL)",
        )
    disk = machine.free_disk_bytes
    if disk is not None and disk < MIN_DISK_BYTES:
        yield Finding(
            severity="warning",
            finding="hardly any disk is free where temporary files go",
            evidence=_gib(disk),
            remedy="make room, or set TMPDIR to a folder on a larger disk",
        )
    total = machine.total_memory_bytes
    memory = "memory available" if total is None else f"of {_gib(total)} memory available"
    sizes = {memory: available, "/dev/shm": shared, "disk free": disk}  # noqa: S108 (as above)
    words = [f"{_gib(size)} {name}" for name, size in sizes.items() if size is not None]
    yield Finding(severity="ok", finding=", ".join(words))


def _available_bytes(facts: Facts) -> int | None:
    """Return what is free, and not more than the container has left of its limit."""
    machine = facts.machine
    limit = machine.memory_limit_bytes
    left = None if limit is None else max(0, limit - (machine.memory_used_bytes or 0))
    return min((size for size in (machine.available_memory_bytes, left) if size is not None), default=None)


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.0f} MiB"
