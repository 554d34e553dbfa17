"""
Shows how many steps a worker should time: for steps of about 1 ms, 10 ms, 100 ms and 1 s.

    python tests/studies/steps_per_worker.py --out DIR [--scale 1.0]

The step is mlp's, made longer by its batch. Every worker times many steps; the first n of them are what a worker of n
steps would have seen. A figure that is the mean over workers is known to a width that falls with the square root of
their number, so what n costs is the square of the workers' scatter times the time of a worker, and the n that costs
least is best. Every line of workers.jsonl is a worker; those that are there are not measured again.
"""

import argparse
import dataclasses
import math
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.running.pool import Pool, usual_start_method
from tests.peers import lines, machine

TIMEOUT_SECONDS = 180.0
SERVERS = 3
TARGET_RATIO = 0.025
"""Half-width of the 95 % interval that a run stops at."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Size:
    """A length of step, and how much of it is looked at."""

    name: str
    batch_size: int
    steps: int
    """The most that a worker times."""
    workers: int


SIZES = (
    Size(name="1 ms", batch_size=64, steps=300, workers=60),
    Size(name="10 ms", batch_size=1280, steps=200, workers=30),
    Size(name="100 ms", batch_size=12_800, steps=45, workers=20),
    Size(name="1 s", batch_size=115_200, steps=15, workers=10),
)
COUNTS = (1, 2, 3, 5, 8, 15, 30, 45, 100, 200, 300)


def observe(batch_size: int, steps: int) -> dict[str, Any]:
    """Return what a worker took until it was warm, and the seconds of its steps; in a worker."""
    from bench.case import Case  # noqa: PLC0415 (imports torch, which the parent does without)
    from bench.measuring.sampling import steps_per_worker  # noqa: PLC0415
    from bench.measuring.worker import LEAD_STEPS, Worker  # noqa: PLC0415

    started = time.perf_counter()
    case = Case(workload="mlp:small", device="cpu", strategy="single", precision="fp32", batch_size=batch_size)
    worker = Worker(case, rank=0, rendezvous=Path("none"), deadline_seconds=TIMEOUT_SECONDS)
    worker.prepare()
    startup_seconds = time.perf_counter() - started
    block = worker.run_block(steps, LEAD_STEPS)
    return {
        "startup_seconds": startup_seconds,
        "warmup_steps": worker.warmup_steps,
        "usual_steps": steps_per_worker(startup_seconds, worker.warm_step_seconds, math.inf),
        "step_seconds": block.samples_seconds["step"],
    }


def main() -> int:
    """Run the workers that are missing and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of workers")
    options = parser.parse_args()
    path = options.out / "workers.jsonl"
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines.continued(path):
        if line["kind"] == "worker":
            found[line["size"]].append(line)
    wanted = {size.name: max(2, round(options.scale * size.workers)) for size in SIZES}
    if any(len(found[name]) < number for name, number in wanted.items()):
        lines.append(path, {"kind": "sitting", **machine.sitting()})
        _measure(path, found, wanted)
    sittings = [line for line in lines.read(path) if line["kind"] == "sitting"]
    text = "\n".join([*_head(), *machine.described(sittings), *(row for size in SIZES for row in table(size, found))])
    print(text)
    (options.out / "README.md").write_text(text + "\n", encoding="utf-8")
    return 0


def _measure(path: Path, found: dict[str, list[dict[str, Any]]], wanted: dict[str, int]) -> None:
    """Take the sizes in turn, so that a machine that changes its speed changes it for all of them."""
    with Pool(SERVERS, usual_start_method(), dict(os.environ)) as pool:
        while missing := [size for size in SIZES if len(found[size.name]) < wanted[size.name]]:
            # The one that has the least of its workers.
            size = min(missing, key=lambda size: len(found[size.name]) / wanted[size.name])
            print(f"{size.name} [{len(found[size.name]) + 1}/{wanted[size.name]}]", file=sys.stderr, flush=True)
            began = time.monotonic()
            seen = pool.call(
                "tests.studies.steps_per_worker:observe",
                timeout_seconds=TIMEOUT_SECONDS,
                batch_size=size.batch_size,
                steps=size.steps,
            )
            line = {"kind": "worker", "size": size.name, "whole_seconds": time.monotonic() - began, **seen}
            found[size.name].append(line)
            lines.append(path, line)


def table(size: Size, found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return what each number of steps would cost, in Markdown."""
    workers = found[size.name]
    step = statistics.median(statistics.median(worker["step_seconds"]) for worker in workers)
    startup = statistics.median(worker["whole_seconds"] - sum(worker["step_seconds"]) for worker in workers)
    usual = round(statistics.median(worker["usual_steps"] for worker in workers))
    warmup = statistics.median(worker["warmup_steps"] for worker in workers)
    rows = []
    for steps in sorted({*COUNTS, usual}):
        if steps <= size.steps:
            scatter = scatter_of([worker["step_seconds"][:steps] for worker in workers])
            seconds = startup + steps * step
            to_target = (1.96 * scatter / TARGET_RATIO) ** 2 * seconds
            mark = " (what a run takes)" if steps == usual else ""
            rows.append(f"| {steps}{mark} | {scatter:.2%} | {seconds:.3f} | {to_target:.1f} |")
    return [
        "",
        f"## Steps of {size.name}: {1e3 * step:.3g} ms, {startup:.3f} s of a worker besides its steps",
        "",
        f"{len(workers)} workers, {warmup:.0f} steps of warm-up.",
        "",
        "| steps | scatter of workers | seconds a worker | seconds to ±2.5 % |",
        "| ---: | ---: | ---: | ---: |",
        *rows,
    ]


def scatter_of(samples: Sequence[Sequence[float]]) -> float:
    """Return the standard deviation over workers of the logarithm of the mean step."""
    return statistics.stdev(math.log(statistics.fmean(steps)) for steps in samples)


def _head() -> list[str]:
    return ["# How many steps a worker should time", "", "Made by `python tests/studies/steps_per_worker.py`.", ""]


if __name__ == "__main__":
    sys.exit(main())
