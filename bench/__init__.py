"""stepbench: compare CPU, GPU, AMP and multi-GPU training on the machine at hand."""

from bench.workload import Workload

__version__ = "0.1.0"
__all__ = ["Workload", "__version__"]
