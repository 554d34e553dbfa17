"""The step as a pyperf script: `python under_pyperf.py --copy-env --output FILE`."""

import functools
import importlib
from collections.abc import Callable
from time import perf_counter


@functools.cache
def _step() -> Callable[[], None]:
    from tests.peers.programs.step import warm_step  # noqa: PLC0415 (pyperf's parent process is spared torch's import)

    return warm_step()


def _time_steps(loops: int) -> float:
    step = _step()
    started = perf_counter()
    for _ in range(loops):
        step()
    return perf_counter() - started


if __name__ == "__main__":
    pyperf = importlib.import_module("pyperf")  # by name: it has no types, and the checks must not need it
    pyperf.Runner().bench_time_func("step", _time_steps)
