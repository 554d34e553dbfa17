"""A run as pandas frames: one row a case, and one row a timed phase of a step."""

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench import flags, utilization
from bench.case import Case
from bench.metrics import METRICS, step_seconds
from bench.result import NOT_REACHED, PHASES, READ, CaseResult, Measurement, Plan, Sitting, worst_of
from bench.results.break_even import break_even_steps
from bench.results.speedup import speedups
from bench.running import journal
from bench.statistics import log_t_interval

_AXES = "workload device strategy precision compile input loop batch_size global_batch_size num_devices num_nodes"
COLUMNS = (
    *("case_id", *_AXES.split(), "status", "reason", "rounds", "samples"),
    *("step_seconds", "step_seconds_low", "step_seconds_high"),
    *("forward_seconds", "backward_seconds", "optimizer_seconds", "h2d_seconds"),
    *("first_step_seconds", "compile_seconds"),
    *("throughput_samples_per_second", "throughput_items_per_second", "item"),
    *("peak_allocated_bytes", "peak_reserved_bytes", "memory_source", "process_peak_bytes"),
    *("speedup", "speedup_low", "speedup_high", "reference_case_id"),
    *("step_flops", "flops_per_second", "mfu_ratio"),
    *("parameters", "final_loss", "flags"),
    *("deviation_ratio", "operators", "host_syncs", "optimizer_host_syncs", "allocated_bytes", "kernels"),
    *("graph_breaks", "recompiles", "collectives", "collective_bytes", "counters_source"),
    *("num_threads", "clock", "notes", "flops_source", "peak_source"),
    *("step_energy_joules", "sample_energy_joules", "mean_power_watts", "break_even_steps"),
    *("accessed_bytes", "memory_bytes_per_second", "memory_bandwidth_ratio", "energy_source"),
    *("read_seconds",),
)
"""The columns of results.csv in their order; a metric that is not among them comes after them."""
_COUNTS = {"batch_size", "global_batch_size", "num_devices", "num_nodes", "rounds", "samples", "num_threads"}
_COUNTS |= {"break_even_steps"}
_TEXTS = {"case_id", "workload", "device", "strategy", "precision", "compile", "input", "loop", "status", "reason"}
_TEXTS |= {"item", "memory_source", "reference_case_id", "flags", "clock", "notes", "counters_source"}
_TEXTS |= {"flops_source", "peak_source", "energy_source", "run"}

_SAMPLE_PHASES = (*PHASES, READ, "step")
_SAMPLE_KINDS = {
    "case_id": "int64",
    "round": "int64",
    "step_index": "int64",
    "is_warmup": "bool",
    "phase": "int64",
    "seconds": "float64",
}

MEMORY_BOUND_RATIO = 0.3
"""Below this share of its bandwidth it is not the memory that a step waits for."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A plan and its results, from which every report is made."""

    directory: Path | None
    """Where the journal lies; None: nowhere yet."""
    plan: Plan
    results: Sequence[CaseResult]
    """In the order in which they were measured: several rounds a case, or none where the run was cut short."""
    sittings: Sequence[Sitting] = ()
    """What was spent besides, by the run and its continuations so far."""

    @functools.cached_property
    def step_seconds(self) -> Mapping[str, Mapping[int, float]]:
        """Case id to round to the step of that round's worker; cases that are not ok are left out."""
        by_case = self._results_by_case()
        return {
            case.id: {number: step_seconds(found) for number, found in _measurements(by_case[case.id]).items()}
            for case in self.plan.cases
            if worst_of(by_case[case.id]).status == "ok"
        }

    @functools.cached_property
    def cases(self) -> pd.DataFrame:
        """
        One row a case, in the order of the plan.

        A row's status is the worst over its rounds; its figures come from the rounds that were ok, also where a
        later round failed. Empty means "not defined here", never 0.
        """
        by_case = self._results_by_case()
        rows = {case.id: _row(case, by_case[case.id], self.plan) for case in self.plan.cases}
        for case_id, columns in speedups(self.plan.cases, self.step_seconds).items():
            rows[case_id].update(columns)
        compiling = {key: found for key, row in rows.items() if isinstance(found := row.get("compile_seconds"), float)}
        for case_id, number in break_even_steps(self.plan.cases, self.step_seconds, compiling).items():
            rows[case_id]["break_even_steps"] = number
        return typed(pd.DataFrame(list(rows.values()), columns=_columns(), dtype=object))

    @functools.cached_property
    def samples(self) -> pd.DataFrame:
        """
        One row a phase of a step, in the order of the journal.

        `step_index` counts from the worker's first step, the warm-up included; `phase` is one of the phases or "step".
        """
        ids = list(dict.fromkeys(result.case.id for result in self.results))
        blocks = [block for result in self.results for block in _sample_blocks(result, ids.index(result.case.id))]
        empty: npt.NDArray[Any] = np.empty(0)
        columns = {name: np.concatenate([empty, *(block[name] for block in blocks)]) for name in _SAMPLE_KINDS}
        frame = pd.DataFrame(columns).astype(_SAMPLE_KINDS)
        for name, words in (("case_id", ids), ("phase", list(_SAMPLE_PHASES))):
            frame[name] = pd.Categorical.from_codes(frame[name].to_numpy(), pd.Index(words, dtype="str"))
        return frame

    def _results_by_case(self) -> Mapping[str, Sequence[CaseResult]]:
        by_case: dict[str, list[CaseResult]] = defaultdict(list)
        for result in self.results:
            by_case[result.case.id].append(result)
        for case in self.plan.cases:
            if case.id not in by_case:
                by_case[case.id] = [CaseResult(case=case, round=0, status="skipped", reason=NOT_REACHED)]
        return by_case


def load(path: Path) -> Run:
    """
    Return the run whose journal is *path* or lies in the directory *path*.

    Raises:
        JournalError: If there is no journal, or a line of it is damaged; names file and line.
    """
    content = journal.read(path)
    directory = path if path.is_dir() else path.parent
    return Run(directory=directory, plan=content.plan, results=content.results, sittings=content.sittings)


def _row(case: Case, results: Sequence[CaseResult], plan: Plan) -> dict[str, object]:
    """Return the columns of one case, without its speed-up."""
    worst = worst_of(results)
    measurements = list(_measurements(results).values())
    row: dict[str, object] = {name: getattr(case, name) for name in _AXES.split()}
    row |= {"case_id": case.id, "status": worst.status, "reason": worst.why}
    row |= {"rounds": len(measurements), "samples": sum(len(found.samples_seconds["step"]) for found in measurements)}
    row["flags"] = " ".join(flags.raised(results, plan))
    if not measurements:
        return row
    for metric in METRICS.values():
        row[metric.name] = metric.of_case(measurements, case)
    step = log_t_interval([step_seconds(measurement) for measurement in measurements])
    row |= {"step_seconds": step.value, "step_seconds_low": step.low, "step_seconds_high": step.high}
    row |= _utilization(case, row, plan)
    row |= _memory_traffic(case, row, plan)
    last = measurements[-1]
    row |= {name: getattr(last, name) for name in ("item", "num_threads", "clock")}
    # Not every round looks for the memory: on the CPU the first alone does.
    row["memory_source"] = next((found.memory_source for found in measurements if found.memory_source), None)
    counters = next((found.counters for found in measurements if found.counters), None)
    row["counters_source"] = counters.source if counters else None
    row["flops_source"] = next((found.flops_source for found in measurements if found.flops_source), None)
    telemetry = next((found.telemetry for found in measurements if found.telemetry), None)
    row["energy_source"] = telemetry.energy_source if telemetry else None
    row["notes"] = " ".join(_unique(note for measurement in measurements for note in measurement.notes))
    return row


def _utilization(case: Case, row: Mapping[str, Any], plan: Plan) -> dict[str, object]:
    """Return the rate of the whole case, and its share of what the devices can do where that is known."""
    flops, seconds = row["step_flops"], row["step_seconds"]
    if flops is None:
        return {}
    columns: dict[str, object] = {"flops_per_second": flops / seconds}
    if peak := utilization.peak_of_case(case, plan.environment):
        columns["mfu_ratio"] = utilization.model_flops_utilization(flops, seconds, peak.flops_per_second)
        columns["peak_source"] = peak.source
    return columns


def _memory_traffic(case: Case, row: Mapping[str, Any], plan: Plan) -> dict[str, object]:
    """
    Return the rate at which the operators' tensors were read and written, where memory is what limits the case.

    That is where it is nearer to what the memory can do than the arithmetic is to its peak, and near at all; not above
    it, since caches have served a part there.
    """
    accessed, bandwidth = row["accessed_bytes"], utilization.memory_bytes_per_second(case, plan.environment)
    if accessed is None or bandwidth is None:
        return {}
    rate = accessed * case.num_devices / row["step_seconds"]
    share = row.get("mfu_ratio")
    if share is None or not max(share, MEMORY_BOUND_RATIO) <= rate / bandwidth <= 1:
        return {}
    return {"memory_bytes_per_second": rate, "memory_bandwidth_ratio": rate / bandwidth}


def _measurements(results: Iterable[CaseResult]) -> dict[int, Measurement]:
    """Return what the ok workers measured, by round."""
    return {result.round: found for result in results if (found := result.figures)}


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _columns() -> list[str]:
    return _unique([*COLUMNS, *METRICS])


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return *frame* with types that can be empty: a missing count must not turn its column into floats."""
    counts = _COUNTS | {metric.name for metric in METRICS.values() if metric.is_count}
    kinds = {name: "string" if name in _TEXTS else "Int64" if name in counts else "float64" for name in frame.columns}
    return frame.astype(kinds)


def _sample_blocks(result: CaseResult, case_code: int) -> list[dict[str, npt.NDArray[Any]]]:
    """Return the columns of one worker's samples, a block for each phase of warm-up and window; texts as codes."""
    if result.measurement is None:
        return []
    warmup, timed = result.measurement.warmup_seconds, result.measurement.samples_seconds
    first_timed = result.measurement.warmup_steps
    blocks = []
    for is_warmup, first, samples in ((True, 0, warmup), (False, first_timed, timed)):
        for phase_code, phase in enumerate(_SAMPLE_PHASES):
            seconds = np.asarray(samples.get(phase, ()), dtype=float)
            columns = {"case_id": case_code, "round": result.round, "is_warmup": is_warmup, "phase": phase_code}
            block = {name: np.full(seconds.size, value) for name, value in columns.items()}
            blocks.append(block | {"step_index": first + np.arange(seconds.size), "seconds": seconds})
    return blocks
