"""What every strategy answers, with the answers of a single device as the defaults."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar

from bench.case import Case

if TYPE_CHECKING:
    import torch

Autocast = Callable[[], AbstractContextManager[object]]
"""Makes the context in which a forward pass runs: `torch.autocast` under AMP, else one that does nothing."""


class Strategy:
    """
    One way to train on the devices of a case.

    The questions about a case are asked in the parent process, so a strategy's file imports torch only inside `wrap`
    and `extra_bytes`, which run in the worker.
    """

    distributed: ClassVar[bool] = False
    """Whether each device has a rank (a process) of its own, joined in a process group."""
    threaded: ClassVar[bool] = False
    """Whether the forward pass runs in threads of its own, which Python's dispatch does not see."""

    def usual_num_devices(self, device_type: str, found: int) -> int:  # noqa: ARG002 (the signature of all strategies)
        """Return how many devices a case takes that does not say, where *found* of its type are there."""
        return 1

    def unsupported(self, case: Case) -> str | None:
        """Return one sentence if *case* makes no sense under this strategy on any machine, else None."""
        if case.num_devices > 1:
            return f"{case.strategy} uses one device; take data_parallel or ddp for {case.num_devices}"
        return None

    def num_processes(self, case: Case) -> int:
        """Return how many ranks run *case*."""
        return case.num_devices if self.distributed else 1

    def num_shards(self, case: Case) -> int:  # noqa: ARG002 (as above)
        """Return into how many parts one process of *case* splits its batch."""
        return 1

    def wrap(self, model: "torch.nn.Module", devices: "list[torch.device]", autocast: Autocast) -> "torch.nn.Module":  # noqa: ARG002 (as above)
        """
        Return the module that the loss is computed with.

        Args:
            model: On the first of *devices* already.
            devices: Those that this rank uses.
            autocast: For strategies that run the forward pass in threads, where the caller's autocast does not reach.
        """
        return model

    def extra_bytes(self, model: "torch.nn.Module") -> int:  # noqa: ARG002 (as above)
        """Return what the strategy keeps allocated besides parameters, gradients and optimizer state, on one rank."""
        return 0
