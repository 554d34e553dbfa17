"""What pytest-benchmark would have stored: its `compare` and ours read it."""

import collections
import json
import math
from collections.abc import Mapping
from typing import Any

from pytest_benchmark.stats import Stats

from bench.comparing.pytest_benchmark import CPU_KEYS, ENVIRONMENT_KEY, ROUND_IS_WORKER, ROUND_KEY, WORKERS_KEY
from bench.fingerprint import hard_keys, soft_keys
from bench.record import to_plain
from bench.result import Plan
from bench.results.frame import Run
from bench.results.rows import Row, rows

ENDING = ".json"
VERSION = "5.3.1"
"""Of pytest-benchmark, whose form this is."""
_OWN_KEYS = {"workload", "status", "reason", "case_id"}


def export(run: Run) -> bytes:
    """Return the measured cases of *run*, each as a benchmark whose rounds are its workers."""
    content = {
        "machine_info": _machine(run.plan),
        "commit_info": _commit(run.plan),
        "benchmarks": [_benchmark(row, name, run) for name, row in named(run).items()],
        "datetime": run.plan.started_at,
        "version": VERSION,
    }
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def named(run: Run) -> Mapping[str, Row]:
    """Return the measured cases by what they are called in other tools: the slug, or the id where two share it."""
    measured = [row for row in rows(run) if row.is_measured]
    counts = collections.Counter(row.case.slug for row in measured)
    return {row.case.slug if counts[row.case.slug] == 1 else row.case.id: row for row in measured}


def extra_info(row: Row, run: Run) -> dict[str, Any]:
    """Return what pytest-benchmark has no place of its own for: every other column of *row*, and where it was timed."""
    return {
        "case_id": row.case.id,
        ROUND_KEY: ROUND_IS_WORKER,
        WORKERS_KEY: list(run.step_seconds[row.case.id].values()),
        ENVIRONMENT_KEY: to_plain(run.plan.environment),
        **{name: value for name, value in row.columns.items() if name not in _OWN_KEYS and _is_json(value)},
    }


def _is_json(value: Any) -> bool:
    """Whether JSON has it; a loss may be infinite."""
    return not isinstance(value, float) or math.isfinite(value)


def _benchmark(row: Row, name: str, run: Run) -> dict[str, Any]:
    stats = Stats()  # type: ignore[no-untyped-call]  # as the plugin has it
    for seconds in run.step_seconds[row.case.id].values():
        stats.update(seconds)  # type: ignore[no-untyped-call]
    return {
        "group": row.case.workload,
        "name": name,
        "fullname": f"stepbench::{name}",
        "params": None,
        "param": None,
        "extra_info": extra_info(row, run),
        "options": {"timer": "stepbench", "warmup": True},
        "stats": {**stats.as_dict(), "data": stats.data, "iterations": 1},  # type: ignore[no-untyped-call]
    }


def _machine(plan: Plan) -> Mapping[str, Any]:
    """Return the machine of the run, not the one that exports it."""
    hard, soft = hard_keys(plan.environment), soft_keys(plan.environment)
    known = {**hard, "cpu_arch": hard.get("machine", "")}
    return {
        "node": soft.get("hostname", ""),
        "machine": hard.get("machine", ""),
        "system": soft.get("system", ""),
        "release": soft.get("kernel", ""),
        "python_version": hard.get("python", ""),
        "cpu": {theirs: known.get(key, "") for theirs, key in CPU_KEYS.items()},
    }


def _commit(plan: Plan) -> Mapping[str, Any]:
    commit = plan.commit.removesuffix("-dirty")
    return {
        "id": commit or "unversioned",
        "time": plan.started_at or None,
        "author_time": None,
        "dirty": plan.commit.endswith("-dirty"),
        "project": plan.label or "stepbench",
        "branch": "(unknown)",
    }
