"""The ranks of one case: barrier, agreement and gathering, which do nothing where there is one process."""

import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist

LATER_SECONDS = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranks:
    """
    This process among those that run one case.

    Messages are CPU tensors, also where a user's file has changed the default device: they go over gloo and never touch
    an accelerator's queue.
    """

    rank: int = 0
    world_size: int = 1
    in_group: bool = False

    def barrier(self) -> None:
        """Wait until every rank is here."""
        if self.in_group:
            dist.all_reduce(torch.zeros(1, device="cpu"))

    def agree(self, value: int) -> int:
        """Return rank 0's *value* on every rank."""
        if not self.in_group:
            return value
        message = torch.tensor([value], dtype=torch.int64, device="cpu")
        dist.broadcast(message, src=0)
        return int(message.item())

    def gather(self, values: Sequence[int]) -> list[list[int]]:
        """Return every rank's *values*, by rank."""
        if not self.in_group:
            return [list(values)]
        own = torch.tensor(list(values), dtype=torch.int64, device="cpu")
        everyone = [torch.empty_like(own) for _ in range(self.world_size)]
        dist.all_gather(everyone, own)
        return [message.tolist() for message in everyone]

    def average(self, value: float) -> float:
        """Return the mean of every rank's *value*."""
        if not self.in_group:
            return value
        message = torch.tensor([value], dtype=torch.float64, device="cpu")
        dist.all_reduce(message)
        return float(message.item()) / self.world_size

    def average_tensor(self, tensor: torch.Tensor) -> None:
        """Replace *tensor* by the mean of every rank's, over the backend of its device."""
        if self.in_group:
            dist.all_reduce(tensor)
            tensor /= self.world_size

    def everywhere(self, is_true: bool) -> bool:
        """Return whether *is_true* on every rank."""
        return all(answer for (answer,) in self.gather([int(is_true)]))

    def leave(self) -> None:
        """Destroy the process group; the barrier before it keeps gloo's early leavers from aborting the others."""
        if self.in_group:
            self.barrier()
            dist.destroy_process_group()


def join_ranks(rank: int, world_size: int, device_type: str, rendezvous: Path, timeout_seconds: float) -> Ranks:
    """
    Join the process group through a file, so that no port is chosen and none is open beyond loopback.

    Args:
        rank: Of this process, from 0.
        world_size: Number of ranks.
        device_type: Decides the backend.
        rendezvous: A path that no earlier group used.
        timeout_seconds: The worker's deadline. A collective gives up later, so that a hang is killed as a timeout and
            is not mistaken for an error.
    """
    own = "" if device_type == "cpu" else f",{device_type}:{dist.get_default_backend_for_device(device_type)}"
    # A store of our own: the file:// of an init_method would cut a path at # or ?.
    store = dist.FileStore(str(rendezvous), world_size)  # type: ignore[attr-defined]  # documented, yet not exported
    dist.init_process_group(
        f"cpu:gloo{own}",
        store=store,
        rank=rank,
        world_size=world_size,
        timeout=datetime.timedelta(seconds=timeout_seconds + LATER_SECONDS),
    )
    return Ranks(rank=rank, world_size=world_size, in_group=True)
