"""What goes into a history for one run of ours, or for one file of pytest-benchmark."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.comparing.pytest_benchmark import Benchmark, read_document
from bench.fingerprint import LOOKED_FOR, hard_keys, machine
from bench.history.schema import METRICS
from bench.metrics import WORK
from bench.result import Environment, Plan
from bench.results import frame
from bench.results.frame import Run
from bench.results.rows import Row, rows
from bench.running.journal import FILE_NAME
from bench.statistics import log_t_interval

DOCUMENT_SUFFIX = ".json"
_HASH_LENGTH = 16
"""Letters of an id: 64 bits, of which a million runs are not in danger of sharing one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """Rows of the tables, by column."""

    run: Mapping[str, str]
    series: Sequence[Mapping[str, str]]
    points: Sequence[Mapping[str, Any]]


def entry_of(path: Path) -> Entry:
    """
    Return the entry of what *path* holds: a run's directory or journal, or a JSON file of pytest-benchmark.

    Raises:
        JournalError: If it is neither; names file and line.
    """
    return entry_of_benchmarks(path) if path.suffix == DOCUMENT_SUFFIX else entry_of_run(frame.load(path))


def entry_of_run(run: Run) -> Entry:
    """Return the entry of a run: a point for each case that was measured."""
    plan = run.plan
    path = run.directory / FILE_NAME if run.directory else None
    run_id = _identity(plan)
    measured = [row for row in rows(run) if row.is_measured]
    series = [
        _series(row.case.id, row.case.slug, row.case.workload, _version(row), plan.environment) for row in measured
    ]
    return Entry(
        run={
            "id": run_id,
            "started_at": plan.started_at,
            "commit": plan.commit,
            "label": plan.label,
            "suite": plan.suite,
            "path": str(path.resolve()) if path else "",
        },
        series=series,
        points=[_point(row, run_id, found["id"]) for row, found in zip(measured, series, strict=True)],
    )


def entry_of_benchmarks(path: Path) -> Entry:
    """Return the entry of a file of pytest-benchmark: a point for each benchmark."""
    document = read_document(path)
    run_id = _hash(path.read_bytes())
    series, points = [], []
    for name, found in document.benchmarks.items():
        one = _series(name, name, name, _version(found), found.environment)
        step = log_t_interval(found.seconds)
        figures = {name: found.number(name) for name in METRICS}
        figures |= {"step_seconds": step.value, "step_seconds_low": step.low, "step_seconds_high": step.high}
        figures["rounds"] = len(found.seconds)
        flags = str(found.columns.get("flags") or "")
        series.append(one)
        points.append({"series_id": one["id"], "run_id": run_id, "flags": flags, **figures})
    origin = {"started_at": document.started_at, "commit": document.commit, "label": "", "suite": ""}
    return Entry(run={"id": run_id, "path": str(path.resolve()), **origin}, series=series, points=points)


def _identity(plan: Plan) -> str:
    """Return what a run shares with no other: of two jobs of one push that begin together, the machines differ."""
    where = plan.environment
    machines = [where.hard, where.soft, where.attained_flops_per_second, where.attained_bytes_per_second]
    what = [plan.started_at, plan.commit, plan.label, plan.seed, [case.id for case in plan.cases]]
    return _hash(json.dumps([*what, *machines], sort_keys=True).encode())


def fingerprint_of(environment: Environment) -> str:
    """Return what is equal for runs whose times may be compared; what a run may not have looked for is left out."""
    known = {key: value for key, value in hard_keys(environment).items() if key not in LOOKED_FOR}
    return _hash(json.dumps(sorted(known.items())).encode())


def _series(case_id: str, name: str, workload: str, version: str, environment: Environment) -> Mapping[str, str]:
    fingerprint = fingerprint_of(environment)
    return {
        "id": _hash(f"{case_id} {version} {fingerprint}".encode()),
        "case_id": case_id,
        "case_version": version,
        "fingerprint": fingerprint,
        "name": name,
        "workload": workload,
        "machine": machine(environment),
    }


def _version(found: Row | Benchmark) -> str:
    """Return what changes with the model under a case's name."""
    return _hash(json.dumps([found.number(name) for name in WORK]).encode())


def _point(row: Row, run_id: str, series_id: str) -> Mapping[str, Any]:
    figures = {name: row.number(name) for name in METRICS}
    return {"series_id": series_id, "run_id": run_id, "flags": " ".join(row.flags), **figures}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_HASH_LENGTH]
