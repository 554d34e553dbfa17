"""torch.nn.DataParallel: one process, a thread a GPU, the model copied anew every forward pass."""

from typing import TYPE_CHECKING, ClassVar

from bench.case import Case
from bench.strategies._base import Autocast, Strategy

if TYPE_CHECKING:
    import torch


class DataParallel(Strategy):
    """Easy to add and slower than DDP; its batch is the global one, split over the replicas at every step."""

    threaded: ClassVar[bool] = True

    def usual_num_devices(self, device_type: str, found: int) -> int:  # noqa: ARG002 (the same on every type)
        """Return all devices, and two where there are fewer: less is not parallel."""
        return max(2, found)

    def unsupported(self, case: Case) -> str | None:
        """Return why DataParallel has no meaning off CUDA."""
        if case.device_type != "cuda":
            return f"DataParallel on {case.device_type} is the plain module; it copies models between GPUs only"
        if case.is_compiled:
            return "torch.compile does not reach the copies that DataParallel makes at every step; take ddp"
        if case.num_devices == 1:
            return "DataParallel on one device is the plain module; take single, or more devices"
        return None

    def num_shards(self, case: Case) -> int:
        """Return a part for each replica."""
        return case.num_devices

    def wrap(self, model: "torch.nn.Module", devices: "list[torch.device]", autocast: Autocast) -> "torch.nn.Module":
        """Return *model* inside its own autocast inside DataParallel."""
        from torch import nn  # noqa: PLC0415 (the parent asks this file its questions without torch)

        from bench.strategies._autocast import AutocastForward  # noqa: PLC0415 (the same)

        # The dtype of autocast is a thread's own: parallel_apply turns autocast on in its threads but a new thread's
        # dtype is float16 whatever the main thread's is, so it is entered again inside each replica's forward.
        replicated = AutocastForward(model, autocast)
        return nn.DataParallel(replicated, device_ids=[device.index for device in devices], output_device=devices[0])


STRATEGY = DataParallel()
