"""DistributedDataParallel: one process a device, gradients averaged while backward runs."""

from typing import TYPE_CHECKING, ClassVar

from bench.case import Case
from bench.strategies._base import Autocast, Strategy

if TYPE_CHECKING:
    import torch

CPU_PROCESSES = 2
"""On the CPU a rank is a process with its share of the cores; two show what DDP costs and gains."""


class DistributedDataParallel(Strategy):
    """The ranks start through torch.multiprocessing; torch.distributed averages their gradients."""

    distributed: ClassVar[bool] = True

    def usual_num_devices(self, device_type: str, found: int) -> int:
        """Return all devices, and two where there are fewer."""
        return CPU_PROCESSES if device_type == "cpu" else max(2, found)

    def unsupported(self, case: Case) -> str | None:
        """Return why ranks cannot share the work on this type of device."""
        if case.device_type == "mps":
            return "torch.distributed has no backend for mps"
        return None

    def wrap(self, model: "torch.nn.Module", devices: "list[torch.device]", autocast: Autocast) -> "torch.nn.Module":  # noqa: ARG002 (the caller's autocast holds here: the forward pass runs in its thread)
        """Return *model* inside DistributedDataParallel; the process group is there already."""
        from torch.nn.parallel import DistributedDataParallel as Ddp  # noqa: PLC0415 (kept out of the parent)

        return Ddp(model, device_ids=None if devices[0].type == "cpu" else devices)

    def extra_bytes(self, model: "torch.nn.Module") -> int:
        """Return the reducer's buckets: a second copy of the gradients, since they are not views of the buckets."""
        return sum(
            parameter.numel() * parameter.element_size() for parameter in model.parameters() if parameter.requires_grad
        )


STRATEGY = DistributedDataParallel()
