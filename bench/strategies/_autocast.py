"""A module whose forward pass enters autocast by itself, in whichever thread it runs."""

from typing import Any

from torch import nn

from bench.strategies._base import Autocast


class AutocastForward(nn.Module):
    """Wraps a module so that its forward pass runs under *autocast* also in a replica's thread."""

    def __init__(self, module: nn.Module, autocast: Autocast) -> None:
        super().__init__()
        self.module = module
        self.autocast = autocast

    def forward(self, *inputs: Any, **keywords: Any) -> Any:
        """Return what the module returns."""
        with self.autocast():
            return self.module(*inputs, **keywords)
