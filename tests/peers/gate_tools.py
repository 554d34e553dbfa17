"""How each tool is asked whether a revision is slower than the base, as its own documentation tells."""

import json
import os
import re
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.peers import asv_rule, outputs
from tests.peers.ab import AXES, ask
from tests.peers.gated import Heard
from tests.peers.tools import PROGRAMS, ROOT, WORKLOAD_VARIABLE, ToolError, run_anyhow, run_to_end
from tests.studies import slowed

FUNCTION = "mlp"
HEADS = ("same", "slower5")
SIDES = ("base", "head")
"""In the order in which the tools that time one after the other do it."""
ROUNDS = 16
FACTORS = (asv_rule.FACTOR, 1.05)
"""asv's default, under which +5 % is no finding, and one that could see it."""
REGRESSED = "Performance has regressed"
SLOWER = re.compile(r": \d+\.\d+x slower$", re.MULTILINE)
"""How pyperf ends the line of a benchmark whose difference its t test calls significant."""

AB = "stepbench ab --fail-on slower"
PYTEST_BENCHMARK = "pytest-benchmark --benchmark-compare-fail=median:5%"
PYPERF = "pyperf compare_to"


def asv_name(factor: float) -> str:
    """Return what the rule is called in the table."""
    return f"asv's rule on {ROUNDS} workers a side of this suite, factor {factor:g}"


def _ab(folder: Path, head: str, repeat: int) -> Heard:
    answer = ask(folder, head, [FUNCTION], fail_on="slower", seed=repeat)
    if answer.error or answer.exit_status not in {0, 1, 3}:
        raise ToolError(answer.error or f"exit status {answer.exit_status}")
    ratios = [row.ratio.value for row in answer.rows if row.ratio]
    return Heard(seconds=answer.wall_seconds, alarms={AB: answer.exit_status == 1}, ratio=ratios[0] if ratios else None)


def _pytest_benchmark(folder: Path, head: str, _repeat: int) -> Heard:
    variables = _workloads(folder, head)
    # An empty configuration: this project's own would turn warnings into errors and leave benchmarks out.
    options = ["-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider"]
    options += [f"--benchmark-storage=file://{folder / 'storage'}"]
    command = [sys.executable, "-m", "pytest", *options, str(PROGRAMS / "under_pytest_benchmark.py")]
    documents = {side: folder / f"{side}.json" for side in SIDES}
    save = ["--benchmark-save=base", f"--benchmark-json={documents['base']}"]
    compare = ["--benchmark-compare", "--benchmark-compare-fail=median:5%", f"--benchmark-json={documents['head']}"]
    seconds = run_to_end([*command, *save], folder, variables["base"])
    log = folder / "log"
    with log.open("wb") as output:
        status, seconds_compared = run_anyhow([*command, *compare], folder, output, variables=variables["head"])
    text = log.read_text(encoding="utf-8", errors="replace")
    return Heard(
        seconds=seconds + seconds_compared,
        alarms={PYTEST_BENCHMARK: pytest_benchmark_alarm(status, text)},
        ratio=_medians_ratio(documents),
    )


def pytest_benchmark_alarm(status: int, log: str) -> bool:
    """
    Return whether the comparison failed for a regression.

    Raises:
        ToolError: If it failed for anything else.
    """
    if status != 0 and REGRESSED not in log:
        raise ToolError(" / ".join([f"exit status {status}", *log.strip().splitlines()[-5:]]))
    return status != 0


def _medians_ratio(documents: Mapping[str, Path]) -> float:
    medians = {
        side: json.loads(path.read_text(encoding="utf-8"))["benchmarks"][0]["stats"]["median"]
        for side, path in documents.items()
    }
    ratio: float = medians["head"] / medians["base"]
    return ratio


def _pyperf(folder: Path, head: str, _repeat: int) -> Heard:
    seconds, means = 0.0, {}
    for side, variables in _workloads(folder, head).items():
        path = folder / f"{side}.json"
        command = [sys.executable, str(PROGRAMS / "under_pyperf.py"), "--copy-env", "--output", str(path)]
        seconds += run_to_end(command, folder, variables)
        means[side] = outputs.of_pyperf(json.loads(path.read_text(encoding="utf-8")), seconds).detail["mean_seconds"]
    seconds += run_to_end([sys.executable, "-m", "pyperf", "compare_to", "base.json", "head.json"], folder)
    text = (folder / "log").read_text(encoding="utf-8")
    return Heard(seconds=seconds, alarms={PYPERF: pyperf_alarm(text)}, ratio=means["head"] / means["base"])


def pyperf_alarm(text: str) -> bool:
    """Return whether `pyperf compare_to` lists the benchmark as slower; it hides what is not significant."""
    return SLOWER.search(text) is not None


def _asv_rule(folder: Path, head: str, _repeat: int) -> Heard:
    seconds, samples = 0.0, {}
    for side, variables in _workloads(folder, head).items():
        directory = folder / f"{side}-run"
        options = ["--workload", variables[WORKLOAD_VARIABLE], *AXES, "--rounds", str(ROUNDS), "--quiet"]
        command = [sys.executable, str(ROOT / "run_bench.py"), *options, "--format", "csv", "--out", str(directory)]
        seconds += run_to_end(command, folder)
        samples[side] = outputs.of_stepbench(directory, seconds).process_seconds
    alarms = {asv_name(factor): asv_rule.is_worse(samples["base"], samples["head"], factor) for factor in FACTORS}
    ratio = statistics.median(samples["head"]) / statistics.median(samples["base"])
    return Heard(seconds=seconds, alarms=alarms, ratio=ratio)


def _workloads(folder: Path, head: str) -> dict[str, dict[str, str]]:
    """Write the workload of both sides; return, in the order of SIDES, the variable that names it."""
    found = {}
    for side, tag in zip(SIDES, (slowed.BASE, head), strict=True):
        path = folder / side / slowed.WORKLOAD_FILE
        path.parent.mkdir()
        path.write_text(slowed.source_of(tag), encoding="utf-8")
        found[side] = {WORKLOAD_VARIABLE: f"{path}:{FUNCTION}"}
    return found


GATES: dict[str, Callable[[Path, str, int], Heard]] = {
    "stepbench-ab": _ab,
    "pytest-benchmark": _pytest_benchmark,
    "pyperf": _pyperf,
    "asv-rule": _asv_rule,
}
"""Each takes an empty folder, the revision, and the number of the repeat."""
RULES = (AB, PYTEST_BENCHMARK, PYPERF, *map(asv_name, FACTORS))
"""The rows of the table."""
