"""The tools, how each is started, and what the interval that it gives stands for."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from bench.registry import PACKAGE_DIR
from bench.result import SamplingPlan
from bench.statistics import log_t_interval
from tests.peers import outputs
from tests.peers.unit import Observation

ROOT = PACKAGE_DIR.parent
PROGRAMS = ROOT / "tests" / "peers" / "programs"
WORKLOAD_VARIABLE = "PEERS_WORKLOAD"
"""Names another workload to step.py, as `path/to/file.py:function`: every tool hands the environment on."""
RULE = SamplingPlan()
"""Of the suite: its target, and the fewest processes before it may stop."""
MAX_PROCESSES = 40
"""Where the repetition of fresh processes gives up: enough for ±2.5 % where processes differ by 7.8 %."""
TIMEOUT_SECONDS = 1800.0
"""No command takes a quarter of it on a quiet machine."""
STOP_SECONDS = 20.0
"""A run of the suite that is interrupted writes its reports first."""
LOG_LINES = 5


class ToolError(Exception):
    """A tool did not come to its end; the text is the end of what it wrote."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tool:
    """One way to time the step."""

    observe: Callable[[Path], Observation]
    """Runs it in an empty folder."""
    claim: str
    """What its interval is."""
    min_processes: int | None = None
    """The fewest fresh processes that it pays for; None: it takes one, so that no number of them is its own rule."""
    needs: str | None = None
    """A module that must be installed."""


def run_to_end(command: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None) -> float:
    """
    Run *command* in *folder* and return how long it took.

    Raises:
        ToolError: If it fails or takes for ever. Whatever ends this function early ends the command too.
    """
    log = folder / "log"
    with log.open("wb") as output:
        status, seconds = run_anyhow(command, folder, output, variables=variables)
    if status != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise ToolError(" / ".join([f"exit status {status}", *lines[-LOG_LINES:]]))
    return seconds


def run_anyhow(
    command: Sequence[str],
    folder: Path,
    output: IO[bytes],
    errors: IO[bytes] | int = subprocess.STDOUT,
    variables: Mapping[str, str] | None = None,
) -> tuple[int, float]:
    """
    Run *command* in *folder* and return its exit status and how long it took.

    Raises:
        ToolError: If it takes for ever. Whatever ends this function early ends the command too.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})}
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=output, stderr=errors, start_new_session=True
    )
    try:
        status = process.wait(TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise ToolError(f"not done after {TIMEOUT_SECONDS:.0f} s") from None
    finally:
        _end(process)
    return status, time.monotonic() - started


def _end(process: subprocess.Popen[bytes]) -> None:
    """End *process* and what it started, if it is still there: first with a chance to clean up."""
    if process.poll() is None:
        # As Ctrl-C in a terminal; who was started in the background ignores that one, and so does what he starts.
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        os.killpg(process.pid, signal.SIGTERM if ignored else signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _pyperf(folder: Path) -> Observation:
    output = folder / "pyperf.json"
    command = [sys.executable, str(PROGRAMS / "under_pyperf.py"), "--copy-env", "--output", str(output)]
    seconds = run_to_end(command, folder)
    return outputs.of_pyperf(json.loads(output.read_text(encoding="utf-8")), seconds)


def _pytest_benchmark(folder: Path) -> Observation:
    output = folder / "pytest-benchmark.json"
    # An empty configuration: this project's own would turn warnings into errors and leave benchmarks out.
    options = ["-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider", f"--benchmark-json={output}"]
    seconds = run_to_end(
        [sys.executable, "-m", "pytest", *options, str(PROGRAMS / "under_pytest_benchmark.py")], folder
    )
    return outputs.of_pytest_benchmark(json.loads(output.read_text(encoding="utf-8")), seconds)


def _pytest_benchmark_repeated(folder: Path) -> Observation:
    observations: list[Observation] = []
    while len(observations) < MAX_PROCESSES and not is_enough([one.figure_seconds for one in observations]):
        observations.append(_pytest_benchmark(folder))
    return outputs.of_several(observations)


def is_enough(figures: Sequence[float], rule: SamplingPlan = RULE) -> bool:
    """Return whether the suite's rule lets a case stop with *figures*, one a fresh process."""
    if len(figures) < rule.min_rounds:
        return False
    half_width = log_t_interval(figures).half_width_ratio
    return half_width is not None and half_width <= rule.target_ratio


def _timer(method: str) -> Callable[[Path], Observation]:
    def observe(folder: Path) -> Observation:
        output = folder / "timer.json"
        seconds = run_to_end([sys.executable, str(PROGRAMS / "under_timer.py"), method, str(output)], folder)
        return outputs.of_timer(json.loads(output.read_text(encoding="utf-8")), seconds)

    return observe


def _stepbench(folder: Path) -> Observation:
    axes = ["--workload", "mlp", "--device", "cpu", "--strategy", "single", "--precision", "fp32"]
    directory = folder / "run"
    command = [sys.executable, str(ROOT / "run_bench.py"), *axes, "--format", "csv", "--out", str(directory)]
    return outputs.of_stepbench(directory, run_to_end(command, folder))


QUARTILES = "median and quartiles of the blocks of one process, which it prints as IQR; a spread, no interval"
TOOLS: dict[str, Tool] = {
    "stepbench": Tool(
        observe=_stepbench,
        claim="95 % t interval on the logs over fresh workers, as results.csv has it",
        min_processes=RULE.min_rounds,
    ),
    "pyperf": Tool(
        observe=_pyperf,
        claim="none: it prints mean and standard deviation of all values; taken here as the 95 % t interval on the "
        "logs over the means of its processes, the best that its JSON allows",
        min_processes=20,
        needs="pyperf",
    ),
    "pytest-benchmark": Tool(
        observe=_pytest_benchmark,
        claim="none: it prints mean and standard deviation of the pooled rounds of one process; taken here as mean "
        "± 1.96 standard deviations / sqrt(rounds)",
    ),
    "pytest-benchmark-repeated": Tool(
        observe=_pytest_benchmark_repeated,
        claim=f"the command above in fresh processes until the suite's own rule is met (>= {RULE.min_rounds} of them, "
        f"±{RULE.target_ratio:.1%}), at most {MAX_PROCESSES}; 95 % t interval on the logs over the processes' means",
        min_processes=RULE.min_rounds,
    ),
    "torch-blocked": Tool(observe=_timer("blocked_autorange"), claim=QUARTILES),
    "torch-adaptive": Tool(observe=_timer("adaptive_autorange"), claim=QUARTILES),
}
