"""One side of a comparison: a run of ours, or a file of pytest-benchmark."""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import flags
from bench.case import Case
from bench.comparing.pytest_benchmark import Benchmark, is_time, read_document
from bench.errors import JournalError
from bench.metrics import METRICS, WORK, step_seconds
from bench.reference import comparable_groups, reference_of
from bench.result import NOT_REACHED, STATUSES, CaseResult, Counters, Environment, Plan, worst_of
from bench.running import journal

MEMORY = "peak_allocated_bytes"
EXACT = (MEMORY, *(field.name for field in dataclasses.fields(Counters) if field.name != "source"))
"""Metrics that are the same on every run of one revision on one stack."""
BY_SOURCE = {"operators", "host_syncs", "optimizer_host_syncs", "collectives", "collective_bytes", "accessed_bytes"}
"""Those of them that a dispatch mode and the profiler count each in its own way."""
LATE_FREES_BYTES = 4096
"""Between ranks on a CPU gloo's threads free some bytes before the peak or after it: 72 of them in one of four runs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """What one side knows of one case."""

    label: str
    """What a person calls it."""
    status: str = "ok"
    """As in a run, or `unmeasured`: planned, and not reached before the run ended."""
    reason: str = ""
    step_seconds: Sequence[float] = ()
    """One a worker."""
    reference: str = ""
    """Id of the run's own reference, where that is another case."""
    reference_flags: tuple[str, ...] = ()
    speedups: Sequence[float] = ()
    """Over the reference, one a round that both have."""
    exact: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """`EXACT` and `WORK`, as far as they are known."""
    counters_source: str = ""
    """What counted `BY_SOURCE`."""
    memory_tolerance_bytes: int = 0
    flags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two."""

    name: str
    environment: Environment
    cases: Mapping[str, Figures]
    """By an id that is the same on both sides."""
    is_cut_off: bool = False
    """Whether its journal ends in the middle of a line."""


def load(path: Path) -> Side:
    """
    Return the side that *path* holds: a directory or journal of ours, or a JSON file of pytest-benchmark.

    Raises:
        JournalError: If it is neither; names file and line.
    """
    if path.suffix == ".json":
        document = read_document(path)
        cases = {name: figures_of_benchmark(name, found) for name, found in document.benchmarks.items()}
        return Side(name=str(path), environment=document.environment, cases=cases)
    content = journal.read(path)
    for line, result in zip(content.result_lines, content.results, strict=True):
        if complaint := _complaint_about(result, content.plan):
            raise JournalError(f"{journal.file_of(path)}:{line}: {complaint}; is this a run that stepbench wrote?")
    return Side(
        name=str(path),
        environment=content.plan.environment,
        cases=figures_of(content.plan, content.results),
        is_cut_off=content.is_cut_off,
    )


def figures_of(plan: Plan, results: Sequence[CaseResult]) -> Mapping[str, Figures]:
    """Return the figures of every case of *plan*."""
    by_case: dict[str, list[CaseResult]] = defaultdict(list)
    for result in results:
        by_case[result.case.id].append(result)
    steps = {case_id: _steps(found) for case_id, found in by_case.items()}
    references = _references(plan.cases, steps)
    found = {}
    for case in plan.cases:
        reference = references.get(case.id, "")
        if case.id not in by_case:
            found[case.id] = Figures(label=case.slug, status="unmeasured", reason=NOT_REACHED)
            continue
        own = _figures(case, by_case[case.id], plan, steps.get(reference, {}))
        doubts = flags.raised(by_case[reference], plan) if reference else ()
        found[case.id] = dataclasses.replace(own, reference=reference, reference_flags=doubts)
    return found


def _complaint_about(result: CaseResult, plan: Plan) -> str | None:
    """Return why *result* cannot be used, which our own program never writes."""
    if result.status not in STATUSES:
        return f"status '{result.status}' is not known"
    found = result.measurement
    try:
        if found is not None and not (is_time(step_seconds(found)) and bool(found.samples_seconds["step"])):
            return "its times are no times"
        _figures(result.case, [result], plan, {})
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        return f"not a result ({error})"
    return None


def _references(cases: Sequence[Case], steps: Mapping[str, Mapping[int, float]]) -> Mapping[str, str]:
    """Return each case's reference by id, where that is another case."""
    groups = comparable_groups(case for case in cases if steps.get(case.id))
    pairs = ((case.id, reference_of(group).id) for group in groups for case in group)
    return {case_id: reference_id for case_id, reference_id in pairs if case_id != reference_id}


def _figures(case: Case, results: Sequence[CaseResult], plan: Plan, reference: Mapping[int, float]) -> Figures:
    worst = worst_of(results)
    measurements = [found for result in results if (found := result.figures)]
    exact = {name: METRICS[name].of_case(measurements, case) for name in (*EXACT, *WORK)}
    own = _steps(results)
    counted = next((found.counters for found in measurements if found.counters), None)
    return Figures(
        label=case.slug,
        status=worst.status,
        reason=worst.why or "",
        step_seconds=list(own.values()),
        speedups=[reference[number] / own[number] for number in sorted(own.keys() & reference.keys())],
        exact={name: int(value) for name, value in exact.items() if value is not None},
        counters_source=counted.source if counted else "",
        memory_tolerance_bytes=_memory_tolerance_bytes(case.device, case.num_devices),
        flags=flags.raised(results, plan),
    )


def figures_of_benchmark(name: str, found: Benchmark) -> Figures:
    """Return what is known of a benchmark: of another program's, its time alone."""
    exact = {column: found.number(column) for column in (*EXACT, *WORK)}
    return Figures(
        label=name,
        step_seconds=found.seconds,
        exact={column: int(value) for column, value in exact.items() if value is not None},
        counters_source=str(found.columns.get("counters_source") or ""),
        memory_tolerance_bytes=_memory_tolerance_bytes(
            str(found.columns.get("device") or ""), int(found.number("num_devices") or 1)
        ),
        flags=tuple(str(found.columns.get("flags") or "").split()),
    )


def _memory_tolerance_bytes(device: str, num_devices: int) -> int:
    return LATE_FREES_BYTES if device == "cpu" and num_devices > 1 else 0


def _steps(results: Sequence[CaseResult]) -> Mapping[int, float]:
    """Return the step of each ok worker, by round."""
    return {result.round: step_seconds(found) for result in results if (found := result.figures)}
