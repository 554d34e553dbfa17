"""
For pytest: the fixture `train_step` times a training step in fresh workers, and pytest-benchmark stores it.

    def test_it_fits_and_keeps_its_speed(train_step):
        step = train_step("my_model.py:small", precision="amp_bf16")
        assert step.peak_memory < 2 * GiB
        step.must_not_be_slower_than("baseline")
"""

import contextlib
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bench.testing import Stepper

# Nothing of ours is imported here: every pytest run of an environment loads this file, and most have no such test.
GPUS = Path("/proc/driver/nvidia/gpus")


class ReplayTimer:
    """Stands still but for what it is told, so that pytest-benchmark shows what a worker measured."""

    def __init__(self) -> None:
        self._now = 0.0

    def read(self) -> float:
        """Return the seconds so far; pytest-benchmark reads it before and after each call of its target."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self._now += seconds


TIMER = ReplayTimer()


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Add torch and the GPUs, by what costs nothing: it is asked for in every session."""
    del config
    found: dict[str, Any] = {"gpus": [model for path in sorted(GPUS.glob("*/information")) for model in _models(path)]}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        found["torch"] = importlib.metadata.version("torch")
    machine_info["stepbench"] = found


def _models(path: Path) -> list[str]:
    """Return the name of the card that a file of NVIDIA's driver is about."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]


@pytest.fixture(scope="session")
def _stepbench_pool(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Start what starts workers, with the first test that needs it, and end it with the session."""
    from bench.testing import pool  # noqa: PLC0415 (as said above)

    with pool(request.config) as started:
        yield started


@pytest.fixture
def _stepbench_timer(request: pytest.FixtureRequest) -> None:
    """Let pytest-benchmark read our timer in this test, whatever else its marker says."""
    marker = request.node.get_closest_marker("benchmark")
    options: dict[str, Any] = {**(marker.kwargs if marker else {}), "timer": TIMER.read}
    request.node.add_marker(pytest.mark.benchmark(**options), append=False)


@pytest.fixture
def train_step(
    request: pytest.FixtureRequest, _stepbench_timer: None, benchmark: Any, _stepbench_pool: Any
) -> "Stepper":
    """Time a training step: ``train_step("my_model.py:small", precision="amp_bf16")``; see `bench.testing.Stepper`."""
    from bench.testing import Stepper  # noqa: PLC0415 (as said above)

    return Stepper(request=request, benchmark=benchmark, pool=_stepbench_pool, timer=TIMER)
