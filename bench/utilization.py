"""How much of what its devices can compute a case did compute."""

import dataclasses

from bench.case import Case
from bench.peaks import Peak as DataSheet
from bench.peaks import peak_of
from bench.precisions import PRECISIONS
from bench.result import Environment


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peak:
    """What the devices of a case can do together."""

    flops_per_second: float
    source: str
    """`data sheet`; `given` by the person; or `measured` on this machine: then it was attained, and is no bound."""


def peak_of_case(case: Case, environment: Environment) -> Peak | None:
    """Return the dense rate of all devices of *case* in the format of its matrix products; None: it is not known."""
    precision = PRECISIONS.get(case.precision)
    if precision is None:  # a newer version's
        return None
    if given := environment.given_flops_per_second.get(f"{case.device_type}/{precision.number_format}"):
        # The ranks of a CPU share its cores.
        return Peak(flops_per_second=given * (1 if case.device_type == "cpu" else case.num_devices), source="given")
    if case.device_type == "cpu":
        attained = environment.attained_flops_per_second.get(f"cpu/{precision.number_format}")
        return None if attained is None else Peak(flops_per_second=attained, source="measured")
    rows = _data_sheets(case, environment)
    rates = [row.flops_per_second(precision.number_format) for row in rows]
    known = [rate for rate in rates if rate is not None]
    if len(known) < case.num_devices:
        return None
    return Peak(flops_per_second=sum(known), source="data sheet")


def memory_bytes_per_second(case: Case, environment: Environment) -> float | None:
    """Return the bandwidth of the memory of all devices of *case*; on the CPU that of a large copy. None: unknown."""
    if case.device_type == "cpu":
        return environment.attained_bytes_per_second.get("cpu")
    rows = _data_sheets(case, environment)
    return sum(row.memory_bytes_per_second for row in rows) if len(rows) == case.num_devices else None


def _data_sheets(case: Case, environment: Environment) -> list[DataSheet]:
    """Return those of the devices of *case*; a device that has none is left out."""
    first = int(case.device.partition(":")[2] or 0)
    used = [
        device
        for device in environment.devices
        if device.type == case.device_type and first <= device.index < first + case.num_devices
    ]
    return [row for device in used if (row := peak_of(device.name)) is not None]


def model_flops_utilization(step_flops: float, step_seconds: float, peak_flops_per_second: float) -> float:
    """
    Return the share of the devices' peak arithmetic rate that the model used.

    Counts the operations the model needs, not those the hardware ran, so recomputed activations do not raise it.

    Args:
        step_flops: Forward plus backward operations of one step, summed over devices.
        step_seconds: Wall time of one whole step.
        peak_flops_per_second: Dense peak summed over devices for the arithmetic used, never the sparse figure.

    Returns:
        A ratio. Above 1 means that the timing or the peak is wrong.

    Raises:
        ValueError: If *step_seconds* or *peak_flops_per_second* is not positive.

    Source: Chowdhery et al., PaLM (2022), appendix B.
    """
    if step_seconds <= 0 or peak_flops_per_second <= 0:
        raise ValueError(f"step_seconds {step_seconds} and peak {peak_flops_per_second} must be positive")
    return step_flops / step_seconds / peak_flops_per_second
