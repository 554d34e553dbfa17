"""One device, one process: the plain training loop."""

from bench.strategies._base import Strategy

STRATEGY = Strategy()
