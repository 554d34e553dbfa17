"""stepbench: compare CPU, GPU, AMP and multi-GPU training on the machine at hand."""

TYPE_CHECKING = False  # as in typing, whose import alone would cost --help a fifth of its time
if TYPE_CHECKING:
    from bench.api import Results, load, run
    from bench.workload import Workload

__version__ = "0.1.0"
__all__ = ["Results", "Workload", "__version__", "load", "run"]

_PLACES = {"Workload": "bench.workload", "Results": "bench.api", "load": "bench.api", "run": "bench.api"}


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for: the command line starts without them in half the time."""
    if name in _PLACES:
        import importlib  # noqa: PLC0415 (that is the point)

        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'bench' has no attribute '{name}'")
