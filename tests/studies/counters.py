"""
Shows that counters are the same on every run: every built-in workload, fp32 and amp_bf16, single and ddp.

    python tests/studies/counters.py --out DIR [--runs 20]

A run is a fresh worker, of three servers in turn. Every line of counters.jsonl is one; those that are there are not
measured again. Ends with 1 if a case counted different things, 0 if none did.
"""

import argparse
import itertools
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench import registry
from bench.case import Case
from bench.record import to_plain
from bench.result import Counters
from bench.running.matrix import num_processes
from bench.running.pool import Pool, usual_start_method
from bench.workload_spec import canonical_workload, default_batch_size
from tests.peers import lines

RANKS = 2
TIMEOUT_SECONDS = 120.0

Seen = dict[str, list[Mapping[str, Any]]]


def main() -> int:
    """Run what is missing, print the table, and return 0 if every case always counted the same."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    path = options.out / "counters.jsonl"
    seen: Seen = defaultdict(list)
    for line in lines.continued(path):
        seen[line["case_id"]].append(line["counters"])
    with Pool(3, usual_start_method(), dict(os.environ)) as pool:
        for run, case in itertools.product(range(options.runs), _cases()):
            if len(seen[case.id]) <= run:
                found = _count(pool, case, run)
                seen[case.id].append(found)
                lines.append(path, {"case_id": case.id, "counters": found})
    text = table(seen)
    print(text)
    (options.out / "README.md").write_text(text + "\n", encoding="utf-8")
    return 0 if all(len(distinct(runs)) == 1 for runs in seen.values()) else 1


def distinct(runs: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the different things that *runs* counted."""
    return list({json.dumps(run, sort_keys=True): run for run in runs}.values())


def table(seen: Seen) -> str:
    """Return what was counted, in Markdown."""
    names = ("operators", "host_syncs", "optimizer_host_syncs", "allocated_bytes", "collectives", "collective_bytes")
    rows = [
        "# Counters are the same on every run",
        "",
        "Made by `python tests/studies/counters.py`. A run is a fresh worker.",
        "",
        f"| case | runs | different results | {' | '.join(names)} |",
        "| --- | ---: | ---: | " + " | ".join("---:" for _ in names) + " |",
    ]
    for case_id, runs in seen.items():
        figures = " | ".join(f"{runs[0][name]:,}" for name in names)
        rows.append(f"| {case_id} | {len(runs)} | {len(distinct(runs))} | {figures} |")
    return "\n".join(rows)


def _cases() -> Iterator[Case]:
    for name, precision, strategy in itertools.product(
        registry.names("workloads"), ("fp32", "amp_bf16"), ("single", "ddp")
    ):
        workload = canonical_workload(name)
        ranks = RANKS if strategy == "ddp" else 1
        batch_size = (default_batch_size(workload) or 1) // ranks
        yield Case(
            workload=workload,
            device="cpu",
            strategy=strategy,
            precision=precision,
            batch_size=batch_size,
            num_devices=ranks,
        )


def _count(pool: Pool, case: Case, run: int) -> Mapping[str, Any]:
    result = pool.visit(
        case,
        num_processes=num_processes(case),
        round_index=run,
        timeout_seconds=TIMEOUT_SECONDS,
        with_extras=True,
    )
    if result.measurement is None or result.measurement.counters is None:
        notes = result.measurement.notes if result.measurement else ()
        raise SystemExit(f"{case.slug}: {result.status}: {result.reason or ' '.join(notes)}")
    counters: Counters = result.measurement.counters
    plain: Mapping[str, Any] = to_plain(counters)
    return plain


if __name__ == "__main__":
    sys.exit(main())
