"""
Shows how much of what this CPU attains each workload uses, at 0.3 to 2 s a step, and where the rest of the time goes.

    python tests/studies/attainable.py --out DIR [--rounds 5]

The share is the step's arithmetic over what a product of two large matrices attains, measured before and after every
worker, since a shared machine changes its speed within minutes. The operators are those of torch's profiler, by the
time that they take themselves, in a step after the timed ones. Every line of workers.jsonl is a worker; those that are
there are not measured again.
"""

import argparse
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.commands._attained import attained
from bench.running.machine import usable_cores
from bench.running.pool import Pool, usual_start_method
from tests.peers import lines, machine
from tests.studies.medium import BATCH_SIZES

TIMEOUT_SECONDS = 180.0
STEPS = 3
PRECISIONS = {"fp32": "fp32", "amp_bf16": "bf16"}
"""Precision to the format of its matrix products."""
OPERATORS = 5
"""How many are named."""


def observe(workload: str, precision: str, batch_size: int, num_threads: int) -> dict[str, Any]:
    """Return the seconds of some steps, their arithmetic, and the share of each operator; in a worker."""
    import torch  # noqa: PLC0415 (the parent does without it)
    from torch.profiler import ProfilerActivity, profile  # noqa: PLC0415

    from bench.case import Case  # noqa: PLC0415
    from bench.measuring import flops  # noqa: PLC0415
    from bench.measuring.worker import LEAD_STEPS, Worker  # noqa: PLC0415

    torch.set_num_threads(num_threads)
    case = Case(
        workload=f"tests.studies.medium:{workload}",
        device="cpu",
        strategy="single",
        precision=precision,
        batch_size=batch_size,
    )
    worker = Worker(case, rank=0, rendezvous=Path("none"), deadline_seconds=TIMEOUT_SECONDS)
    worker.prepare()
    block = worker.run_block(STEPS, LEAD_STEPS)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        worker.train(1)
    times = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    total = sum(times.values())
    most = sorted(times, key=lambda name: times[name], reverse=True)[:OPERATORS]
    return {
        "step_seconds": block.samples_seconds["step"],
        "phases_seconds": {name: statistics.median(values) for name, values in block.samples_seconds.items()},
        "step_flops": flops.count(worker.built).flops,
        "operators": {name: times[name] / total for name in most},
    }


def main() -> int:
    """Run the workers that are missing and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5, help="fresh workers a case")
    options = parser.parse_args()
    path = options.out / "workers.jsonl"
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for line in lines.continued(path):
        if line["kind"] == "worker":
            found[line["workload"], line["precision"]].append(line)
    cases = [(workload, precision) for workload in BATCH_SIZES for precision in PRECISIONS]
    if any(len(found[case]) < options.rounds for case in cases):
        lines.append(path, {"kind": "sitting", **machine.sitting()})
        _measure(path, found, cases, options.rounds)
    sittings = [line for line in lines.read(path) if line["kind"] == "sitting"]
    text = "\n".join([*_head(), *machine.described(sittings), "", *table(found)])
    print(text)
    (options.out / "README.md").write_text(text + "\n", encoding="utf-8")
    return 0


def _measure(
    path: Path,
    found: dict[tuple[str, str], list[Mapping[str, Any]]],
    cases: Sequence[tuple[str, str]],
    rounds: int,
) -> None:
    with Pool(1, usual_start_method(), dict(os.environ)) as pool:
        for round_index in range(rounds):
            for workload, precision in cases:
                if len(found[workload, precision]) > round_index:
                    continue
                print(f"{workload} {precision} [{round_index + 1}/{rounds}]", file=sys.stderr, flush=True)
                before = _attained(pool, PRECISIONS[precision])
                seen = pool.call(
                    "tests.studies.attainable:observe",
                    timeout_seconds=TIMEOUT_SECONDS,
                    workload=workload,
                    precision=precision,
                    batch_size=BATCH_SIZES[workload],
                    num_threads=usable_cores(),
                )
                rates = [before, _attained(pool, PRECISIONS[precision])]
                names = {"kind": "worker", "workload": workload, "precision": precision}
                line = {**names, "attained_flops_per_second": rates, **seen}
                found[workload, precision].append(line)
                lines.append(path, line)


def _attained(pool: Pool, number_format: str) -> float:
    rate: float = attained(pool, [number_format], "cpu")["flops_per_second"][number_format]
    return rate


def share_of(worker: Mapping[str, Any]) -> float:
    """Return the step's rate over the mean of what was attained before and after the worker."""
    step = statistics.median(worker["step_seconds"])
    share: float = worker["step_flops"] / step / statistics.fmean(worker["attained_flops_per_second"])
    return share


def table(found: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return a row a case, in Markdown: the median over its workers, the range, and the operators of its last one."""
    rows = []
    for (workload, precision), workers in found.items():
        if not workers:
            continue
        shares = sorted(map(share_of, workers))
        step = statistics.median(statistics.median(worker["step_seconds"]) for worker in workers)
        rate = statistics.median(statistics.fmean(worker["attained_flops_per_second"]) for worker in workers)
        optimizer = statistics.median(
            worker["phases_seconds"]["optimizer"] / worker["phases_seconds"]["step"] for worker in workers
        )
        operators = ", ".join(f"{name} {share:.0%}" for name, share in workers[-1]["operators"].items())
        rows.append(
            f"| {workload} | {precision} | {BATCH_SIZES[workload]} | {step:.2f} s | {rate / 1e9:.0f} GFLOP/s "
            f"| {statistics.median(shares):.0%} ({shares[0]:.0%}-{shares[-1]:.0%}) | {optimizer:.0%} | {operators} |"
        )
    return [
        "| workload | precision | batch | step | attained | share | optimizer's part | operators by their own time |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
        *rows,
    ]


def _head() -> list[str]:
    return ["# The share of what this CPU attains", "", "Made by `python tests/studies/attainable.py`.", ""]


if __name__ == "__main__":
    sys.exit(main())
