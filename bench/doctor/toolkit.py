"""The CUDA toolkit, where there is one, is of torch's CUDA."""

import re
from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._releases import version_of
from bench.doctor._seen import Facts


def check(facts: Facts) -> Iterator[Finding]:
    """Compare `nvcc` with the runtime that torch brings along; only extensions need it."""
    found = re.search(r"release (\d+\.\d+)", facts.nvcc)
    if found is None or facts.torch is None:
        return
    toolkit, runtime = found[1], facts.torch.cuda
    if not runtime:
        yield Finding(
            severity="note",
            finding=f"CUDA toolkit {toolkit} (nvcc) is installed, and this torch does not use CUDA",
            evidence="a toolkit is no driver, and torch brings its own runtime along",
        )
    elif version_of(toolkit)[0] != version_of(runtime)[0]:
        yield Finding(
            severity="warning",
            finding=f"the CUDA toolkit is {toolkit} and torch is built with {runtime}: extensions will not compile",
            evidence=found[0],
            remedy=f"install the toolkit {runtime}, or set CUDA_HOME to it; torch itself needs none",
        )
    else:
        yield Finding(severity="ok", finding=f"CUDA toolkit {toolkit} suits torch's CUDA {runtime}")
