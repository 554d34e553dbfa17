"""stepbench: compare CPU, GPU, AMP and multi-GPU training on the machine at hand."""

TYPE_CHECKING = False  # as in typing, whose import alone would cost --help a fifth of its time
if TYPE_CHECKING:
    from bench.workload import Workload

__version__ = "0.1.0"
__all__ = ["Workload", "__version__"]


def __getattr__(name: str) -> object:
    """Import `Workload` when it is first asked for: the command line starts without it in half the time."""
    if name == "Workload":
        from bench.workload import Workload  # noqa: PLC0415 (that is the point)

        return Workload
    raise AttributeError(f"module 'bench' has no attribute '{name}'")
