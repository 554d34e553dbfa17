"""Reads what each tool leaves behind."""

import csv
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.metrics import step_seconds
from bench.running import journal
from bench.statistics import log_t_interval
from tests.peers.unit import Observation

NORMAL_95 = 1.96
"""Quantile that a reader multiplies a standard error with; at some hundred rounds Student's is the same."""


def of_pyperf(document: Mapping[str, Any], wall_seconds: float) -> Observation:
    """
    Read pyperf's JSON of one benchmark.

    A process is one run with values; its figure is their mean. The process that only calibrates is the fixed part.
    """
    runs = document["benchmarks"][0]["runs"]
    processes = [statistics.fmean(run["values"]) for run in runs if run.get("values")]
    values = [value for run in runs for value in run.get("values", ())]
    interval = log_t_interval(processes)
    assert interval.low is not None
    assert interval.high is not None
    return Observation(
        wall_seconds=wall_seconds,
        figure_seconds=interval.value,
        low_seconds=interval.low,
        high_seconds=interval.high,
        process_seconds=tuple(processes),
        fixed_seconds=wall_seconds * (len(runs) - len(processes)) / len(runs),
        detail={"mean_seconds": statistics.fmean(values), "stdev_seconds": statistics.stdev(values)},
    )


def of_pytest_benchmark(document: Mapping[str, Any], wall_seconds: float) -> Observation:
    """Read pytest-benchmark's JSON of one benchmark in one process."""
    stats = document["benchmarks"][0]["stats"]
    half_width = NORMAL_95 * stats["stddev"] / math.sqrt(stats["rounds"])
    return Observation(
        wall_seconds=wall_seconds,
        figure_seconds=stats["mean"],
        low_seconds=stats["mean"] - half_width,
        high_seconds=stats["mean"] + half_width,
        process_seconds=(stats["mean"],),
        fixed_seconds=0.0,
        detail={name: stats[name] for name in ("rounds", "iterations", "stddev", "median", "iqr")},
    )


def of_several(observations: Sequence[Observation]) -> Observation:
    """Combine runs of one process each into the interval over these processes."""
    figures = [observation.figure_seconds for observation in observations]
    interval = log_t_interval(figures)
    assert interval.low is not None
    assert interval.high is not None
    return Observation(
        wall_seconds=sum(observation.wall_seconds for observation in observations),
        figure_seconds=interval.value,
        low_seconds=interval.low,
        high_seconds=interval.high,
        process_seconds=tuple(figures),
        fixed_seconds=0.0,
    )


def of_timer(document: Mapping[str, Any], wall_seconds: float) -> Observation:
    """Read the blocks of torch.utils.benchmark's timer; it prints their median, and their quartiles as "IQR"."""
    times = document["times"]
    low, median, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    return Observation(
        wall_seconds=wall_seconds,
        figure_seconds=median,
        low_seconds=low,
        high_seconds=high,
        process_seconds=(median,),
        fixed_seconds=0.0,
        detail={"blocks": len(times)},
    )


def of_stepbench(directory: Path, wall_seconds: float) -> Observation:
    """Read the row of results.csv, and from the journal the workers' figures and where the time went."""
    with (directory / "results.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    content = journal.read(directory)
    measured = [result.measurement for result in content.results if result.measurement is not None]
    visits_seconds = sum(result.duration_seconds for result in content.results)
    spent = content.sittings[-1]
    return Observation(
        wall_seconds=wall_seconds,
        figure_seconds=float(row["step_seconds"]),
        low_seconds=float(row["step_seconds_low"]),
        high_seconds=float(row["step_seconds_high"]),
        process_seconds=tuple(step_seconds(measurement) for measurement in measured),
        fixed_seconds=wall_seconds - visits_seconds,
        detail={
            "servers_seconds": spent.servers_seconds,
            "visits_seconds": round(visits_seconds, 3),
            "reporting_seconds": spent.reporting_seconds,
            "contended": float("contended" in row["flags"].split()),
        },
    )
