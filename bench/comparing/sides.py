"""One side of a comparison: a run of ours, or a file of pytest-benchmark."""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import flags
from bench.case import Case
from bench.comparing.pytest_benchmark import read_benchmarks
from bench.metrics import METRICS, step_seconds
from bench.reference import comparable_groups, reference_of
from bench.result import STATUSES, CaseResult, Environment, Measurement, Plan
from bench.running import journal

EXACT = (
    *("peak_allocated_bytes", "operators", "host_syncs", "optimizer_host_syncs", "allocated_bytes", "accessed_bytes"),
    *("kernels", "graph_breaks", "recompiles", "collectives", "collective_bytes"),
)
"""Metrics that are the same on every run of one revision on one stack."""
MEMORY = "peak_allocated_bytes"
"""The one of them that is no counter."""
WORK = ("parameters", "step_flops")
"""Where one of these differs, the case is another one under the same name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """What one side knows of one case."""

    label: str
    """What a person calls it."""
    status: str = "ok"
    reason: str = ""
    step_seconds: Sequence[float] = ()
    """One a worker."""
    speedups: Sequence[float] = ()
    """Over the run's own reference, one a round that both have; empty for the reference itself."""
    exact: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """`EXACT` and `WORK`, as far as they are known."""
    flags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two."""

    name: str
    environment: Environment
    cases: Mapping[str, Figures]
    """By an id that is the same on both sides."""


def load(path: Path) -> Side:
    """
    Return the side that *path* holds: a directory or journal of ours, or a JSON file of pytest-benchmark.

    Raises:
        JournalError: If it is neither; names file and line.
    """
    if path.suffix == ".json":
        environment, seconds = read_benchmarks(path)
        cases = {name: Figures(label=name, step_seconds=values) for name, values in seconds.items()}
        return Side(name=str(path), environment=environment, cases=cases)
    content = journal.read(path)
    return Side(name=str(path), environment=content.plan.environment, cases=figures_of(content.plan, content.results))


def figures_of(plan: Plan, results: Sequence[CaseResult]) -> Mapping[str, Figures]:
    """Return the figures of every case of *plan* that has a result."""
    by_case: dict[str, list[CaseResult]] = defaultdict(list)
    for result in results:
        by_case[result.case.id].append(result)
    steps = {case_id: _steps(found) for case_id, found in by_case.items()}
    references = _references(plan.cases, steps)
    return {
        case.id: _figures(case, by_case[case.id], plan, steps.get(references.get(case.id, ""), {}))
        for case in plan.cases
        if case.id in by_case
    }


def _references(cases: Sequence[Case], steps: Mapping[str, Mapping[int, float]]) -> Mapping[str, str]:
    """Return each case's reference by id, where that is another case."""
    groups = comparable_groups(case for case in cases if steps.get(case.id))
    pairs = ((case.id, reference_of(group).id) for group in groups for case in group)
    return {case_id: reference_id for case_id, reference_id in pairs if case_id != reference_id}


def _figures(case: Case, results: Sequence[CaseResult], plan: Plan, reference: Mapping[int, float]) -> Figures:
    worst = max(results, key=lambda result: STATUSES.index(result.status))
    measurements = _measurements(results)
    own = _steps(results)
    return Figures(
        label=case.slug,
        status=worst.status,
        reason=worst.reason or (worst.failure.message if worst.failure else ""),
        step_seconds=list(own.values()),
        speedups=[reference[number] / own[number] for number in sorted(own.keys() & reference.keys())],
        exact={name: value for name in (*EXACT, *WORK) if (value := _exact(name, measurements, case)) is not None},
        flags=flags.raised(results, plan),
    )


def _exact(name: str, measurements: Sequence[Measurement], case: Case) -> int | None:
    known = [value for found in measurements if (value := METRICS[name].function(found, case)) is not None]
    return int(max(known)) if known else None


def _steps(results: Sequence[CaseResult]) -> Mapping[int, float]:
    """Return the step of each ok worker, by round."""
    ok = (result for result in results if result.status == "ok")
    return {result.round: step_seconds(result.measurement) for result in ok if result.measurement}


def _measurements(results: Sequence[CaseResult]) -> list[Measurement]:
    return [result.measurement for result in results if result.status == "ok" and result.measurement]
