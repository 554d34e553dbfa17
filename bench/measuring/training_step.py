"""One training step: h2d, forward, backward, optimizer, with a border after each."""

import contextlib
from collections.abc import Callable
from typing import Any

import torch

from bench.measuring.placement import map_tensors, misplaced_tensors
from bench.result import PHASES, READ
from bench.strategies._base import Autocast

Border = Callable[[], None]


READS: dict[str, Callable[[torch.Tensor], object] | None] = {
    "clean": None,
    "item": torch.Tensor.item,
    "numpy": lambda loss: loss.detach().cpu().numpy(),
}
"""Value of the axis `loop` to how people read the loss after each step, to print or to keep it."""


class StepError(Exception):
    """A step cannot be run or must not be trusted; the text is the one line that the row shows."""


class TrainingStep:
    """
    What is timed, and nothing else: no synchronise, no copy back to the host, and no `.item()` that is not asked for.

    Args:
        model: Wrapped by the strategy, on its device.
        batch: On its device already (`moves_batch` False), or on the CPU to be moved every step.
        compute_loss: The workload's; takes model and batch, returns the scalar loss.
        scaler: Disabled where the precision needs none.
        autocast: Entered around the forward pass only, never around backward.
        read: What is done with the loss when the optimizer is through; None: nothing.
    """

    def __init__(
        self,
        *,
        model: torch.nn.Module,
        batch: Any,
        compute_loss: Callable[[torch.nn.Module, Any], torch.Tensor],
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        autocast: Autocast,
        device: torch.device,
        moves_batch: bool,
        read: Callable[[torch.Tensor], object] | None = None,
    ) -> None:
        self.model = model
        self.batch = batch
        self.compute_loss = compute_loss
        self.optimizer = optimizer
        self.scaler = scaler
        self.autocast = autocast
        self.device = device
        self.moves_batch = moves_batch
        self.read = read
        self.phases: tuple[str, ...] = PHASES if moves_batch else PHASES[1:]
        if read is not None:
            self.phases += (READ,)
        self.loss: torch.Tensor | None = None
        # What is disabled would pass everything through, but each call finds cold caches: together 0.5 % of 1.4 ms.
        self._scales = scaler.is_enabled()
        self._casts = autocast is not contextlib.nullcontext

    def run(self, border: Border) -> None:
        """Train one step; *border* is called once after each of `phases`."""
        batch = self.batch
        if self.moves_batch:
            # non_blocking lets a pinned batch travel while the host goes on; from pageable memory it changes nothing.
            batch = map_tensors(lambda tensor: tensor.to(self.device, non_blocking=True), batch)
            border()
        if self._casts:
            with self.autocast():
                loss = self.compute_loss(self.model, batch)
        else:
            loss = self.compute_loss(self.model, batch)
        border()
        # Outside autocast: backward runs each operator in the dtype that forward chose (pytorch/benchmark #1317).
        (self.scaler.scale(loss) if self._scales else loss).backward()
        border()
        if self._scales:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        border()
        if self.read is not None:  # behind the optimizer's border, so that no phase is blamed for it
            self.read(loss)
            border()
        self.loss = loss.detach()

    def explain_failure(self, bare_model: torch.nn.Module, error: Exception) -> None:
        """
        Look for the reason why the first step failed, by computing the loss once more on the model without its wrapper.

        Returns without a word if nothing is found: then *error*, which was raised, is the best explanation.

        Raises:
            StepError: If the loss is no scalar, needs no gradient, or a tensor was left on another device.
        """
        batch = map_tensors(lambda tensor: tensor.to(self.device), self.batch)
        if "device" in str(error) and (misplaced := next(misplaced_tensors(bare_model, batch, self.device), None)):
            raise StepError(f"forward: {misplaced}")
        with self.autocast():
            loss = self.compute_loss(bare_model, batch)
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            shape = f"shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else type(loss).__name__
            raise StepError(f"compute_loss returned {shape}; a loss is a scalar tensor (take .mean())")
        if not loss.requires_grad:
            raise StepError("compute_loss returned a tensor that needs no gradient; do not detach it or use no_grad")
