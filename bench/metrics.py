"""The metrics: one row for each figure that is derived from a worker's raw samples."""

import dataclasses
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from bench.case import Case
from bench.result import Measurement, Phase
from bench.statistics import geometric_mean

Function = Callable[[Measurement, Case], float | None]
WORK = ("parameters", "step_flops")
"""Metrics of which one differs where the case is another one under the same name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure of one worker, and how the figures of a case's workers become one."""

    name: str
    """Ends in the unit; a column of results.csv."""
    better: Literal["lower", "higher"]
    summary: str
    function: Function
    """Takes a worker's measurement and its case; None: not defined here."""
    combine: Callable[[Sequence[float]], float] = geometric_mean
    """From the workers' figures to the case's."""
    is_count: bool = False
    """Whether the figure counts whole things (bytes, parameters)."""

    def of_case(self, measurements: Iterable[Measurement], case: Case) -> float | None:
        """Return the figure of *case* from those of its workers that have one; None: none has."""
        known = [figure for found in measurements if (figure := self.function(found, case)) is not None]
        return self.combine(known) if known else None


def _phase(phase: Phase) -> Function:
    """Return the function that gives the median of *phase* over the timed steps."""

    def median(measurement: Measurement, _case: Case) -> float | None:
        samples = measurement.samples_seconds.get(phase)
        return statistics.median(samples) if samples else None

    return median


def _from_nothing(name: str) -> Function:
    """Return the function that gives *name*, but not of a worker that found its code compiled by an earlier round."""

    def reading(measurement: Measurement, _case: Case) -> float | None:
        if measurement.compile_seconds is not None and not measurement.compiles_from_nothing:
            return None
        value: float | None = getattr(measurement, name)
        return value

    return reading


def step_seconds(measurement: Measurement) -> float:
    """Return the wall time of the timed window divided by its steps; throughput is computed from the same."""
    return measurement.window_seconds / measurement.window_steps


def _samples_per_second(measurement: Measurement, case: Case) -> float:
    return case.global_batch_size / step_seconds(measurement)


def _items_per_second(measurement: Measurement, case: Case) -> float:
    return _samples_per_second(measurement, case) * measurement.items_per_sample


def deviation_ratio(measurement: Measurement) -> float | None:
    """Return how far the first loss or the first gradient's norm is from fp32 on one device, whichever is further."""
    known = [
        ratio
        for ratio in (measurement.loss_deviation_ratio, measurement.gradient_norm_deviation_ratio)
        if ratio is not None
    ]
    return max(known, default=None)


def _in(record: str, name: str) -> Function:
    """Return the function that gives *name* of one of a measurement's records, which may be missing."""

    def reading(measurement: Measurement, _case: Case) -> float | None:
        value: float | None = getattr(getattr(measurement, record), name, None)
        return value

    return reading


def _sample_energy(measurement: Measurement, case: Case) -> float | None:
    energy = measurement.telemetry.step_energy_joules if measurement.telemetry else None
    return None if energy is None else energy / case.global_batch_size


def _counter(name: str, summary: str) -> Metric:
    """Return the row of a counter, by the name that it has in `Counters`."""
    return Metric(
        name=name, better="lower", summary=summary, function=_in("counters", name), combine=max, is_count=True
    )


METRICS: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric(
            name="step_seconds",
            better="lower",
            summary="wall time of the timed window divided by its steps",
            function=lambda measurement, _case: step_seconds(measurement),
        ),
        Metric(
            name="forward_seconds", better="lower", summary="median time of model and loss", function=_phase("forward")
        ),
        Metric(
            name="backward_seconds",
            better="lower",
            summary="median time of the backward pass",
            function=_phase("backward"),
        ),
        Metric(
            name="optimizer_seconds",
            better="lower",
            summary="median time of the optimizer's step, unscaling and zeroing included",
            function=_phase("optimizer"),
        ),
        Metric(
            name="read_seconds",
            better="lower",
            summary="median time to read the loss behind the optimizer, where the loop does; on a GPU the copy alone",
            function=_phase("read"),
        ),
        Metric(
            name="h2d_seconds",
            better="lower",
            summary="median time until the batch is on its device",
            function=_phase("h2d"),
        ),
        Metric(
            name="first_step_seconds",
            better="lower",
            summary="the very first step, with everything that happens only once, compilation too",
            function=_from_nothing("first_step_seconds"),
        ),
        Metric(
            name="compile_seconds",
            better="lower",
            summary="what torch.compile took above usual steps, from an empty cache",
            function=_from_nothing("compile_seconds"),
        ),
        Metric(
            name="throughput_samples_per_second",
            better="higher",
            summary="global batch size divided by step_seconds",
            function=_samples_per_second,
        ),
        Metric(
            name="throughput_items_per_second",
            better="higher",
            summary="the same in the workload's items, such as tokens",
            function=_items_per_second,
        ),
        Metric(
            name="peak_allocated_bytes",
            better="lower",
            summary="largest amount of device memory in tensors, of the fullest rank",
            function=lambda measurement, _case: measurement.peak_allocated_bytes,
            combine=max,
            is_count=True,
        ),
        Metric(
            name="peak_reserved_bytes",
            better="lower",
            summary="largest amount that the allocator held, of the fullest rank",
            function=lambda measurement, _case: measurement.peak_reserved_bytes,
            combine=max,
            is_count=True,
        ),
        Metric(
            name="process_peak_bytes",
            better="lower",
            summary="largest resident size of a process; misleading after a fork",
            function=lambda measurement, _case: measurement.process_peak_bytes,
            combine=max,
            is_count=True,
        ),
        Metric(
            name="parameters",
            better="lower",
            summary="parameters, frozen ones included of the model",
            function=lambda measurement, _case: measurement.parameters,
            combine=max,
            is_count=True,
        ),
        Metric(
            name="final_loss",
            better="lower",
            summary="loss of the last timed step",
            function=lambda measurement, _case: measurement.final_loss,
            combine=statistics.median,
        ),
        Metric(
            name="deviation_ratio",
            better="lower",
            summary="how far the first loss or gradient norm is from fp32 on one device",
            function=lambda measurement, _case: deviation_ratio(measurement),
            combine=max,
        ),
        Metric(
            name="step_flops",
            better="lower",
            summary="operations of matrix products, convolutions and attention, forward and backward, over all devices",
            function=lambda measurement, _case: measurement.step_flops,
            combine=max,
            is_count=True,
        ),
        Metric(
            name="step_energy_joules",
            better="lower",
            summary="energy of a step, of all devices, from the driver over two seconds",
            function=_in("telemetry", "step_energy_joules"),
        ),
        Metric(
            name="sample_energy_joules",
            better="lower",
            summary="the same of a sample",
            function=_sample_energy,
        ),
        Metric(
            name="mean_power_watts",
            better="lower",
            summary="power of all devices over the same two seconds",
            function=_in("telemetry", "mean_power_watts"),
        ),
        _counter("operators", "operators called in a step"),
        _counter("host_syncs", "times a step waits for the device outside the optimizer's phase"),
        _counter("optimizer_host_syncs", "the same in the optimizer's phase"),
        _counter("allocated_bytes", "sum of all allocations of a step"),
        _counter("accessed_bytes", "sum of the tensors that the operators of a step read and write, of one rank"),
        _counter("kernels", "kernels launched in a step"),
        _counter("graph_breaks", "graph breaks of torch.compile"),
        _counter("recompiles", "compilations of a piece of code beyond its first"),
        _counter("collectives", "collective operations of a step"),
        _counter("collective_bytes", "bytes that they were given"),
    )
}
