"""What pytest-benchmark would have stored: its `compare` and ours read it."""

import json
from collections.abc import Mapping
from typing import Any

from pytest_benchmark.stats import Stats

from bench.comparing.pytest_benchmark import CPU_KEYS, ROUND_IS_WORKER, ROUND_KEY
from bench.fingerprint import hard_keys, soft_keys
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
        "benchmarks": [_benchmark(row, run) for row in rows(run) if row.is_measured],
        "datetime": run.plan.started_at,
        "version": VERSION,
    }
    return (json.dumps(content, indent=2, ensure_ascii=True) + "\n").encode()


def name_of(row: Row) -> str:
    """Return what a case is called in other tools, which know neither folders nor ids."""
    return row.case.slug


def extra_info(row: Row) -> dict[str, Any]:
    """Return what pytest-benchmark has no place of its own for: every other column of *row*."""
    found = {name: value for name, value in row.columns.items() if name not in _OWN_KEYS}
    return {"case_id": row.case.id, ROUND_KEY: ROUND_IS_WORKER, **found}


def _benchmark(row: Row, run: Run) -> dict[str, Any]:
    stats = Stats()  # type: ignore[no-untyped-call]  # as the plugin has it
    for seconds in run.step_seconds[row.case.id].values():
        stats.update(seconds)  # type: ignore[no-untyped-call]
    return {
        "group": row.case.workload,
        "name": name_of(row),
        "fullname": f"stepbench::{name_of(row)}",
        "params": None,
        "param": None,
        "extra_info": extra_info(row),
        "options": {"timer": "stepbench", "warmup": True},
        "stats": {**stats.as_dict(), "data": stats.data, "iterations": 1},  # type: ignore[no-untyped-call]
    }


def _machine(plan: Plan) -> Mapping[str, Any]:
    """Return the machine of the run, not the one that exports it."""
    hard, soft = hard_keys(plan.environment), soft_keys(plan.environment)
    known = {"brand_raw": hard.get("cpu_name", ""), "arch": hard.get("machine", ""), "count": hard.get("cores", "")}
    return {
        "node": soft.get("hostname", ""),
        "machine": hard.get("machine", ""),
        "system": soft.get("system", ""),
        "release": soft.get("kernel", ""),
        "python_version": hard.get("python", ""),
        "cpu": {key: known[key] for key in CPU_KEYS},
        "stepbench": {"hard": dict(hard), "soft": dict(soft)},
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
