"""The sentence that a reader should take away, and a neutral one where the intervals allow none."""

import dataclasses
from collections.abc import Iterable, Sequence

from bench.case import Case
from bench.flags import DOUBTFUL
from bench.labels import cut_middle, difference
from bench.numbers import TIMES, digits
from bench.result import PHASES, DeviceInfo
from bench.results.rows import Row
from bench.results.sentences import NAME_LENGTH, place, workload_name
from bench.statistics import MARGIN_RATIO, Interval


def throughput(rows: Sequence[Row], devices: Sequence[DeviceInfo] = ()) -> str:
    """Return the largest speed-up that its interval bears out, else the largest slowdown, else what is shown."""
    measured = [row for row in rows if row.is_measured]
    trusted = [row for row in measured if DOUBTFUL.isdisjoint(row.flags)]
    ratios = [(row, ratio) for row in trusted if (ratio := row.interval("speedup"))]
    references = {row.case.id for row in trusted}
    sure = [
        (row, ratio)
        for row, ratio in ratios
        if row.columns["reference_case_id"] in references and ratio.excludes(1.0, MARGIN_RATIO)
    ]
    if not sure:
        return _neutral("Throughput", measured)
    row, ratio = max(sure, key=lambda pair: pair[1].value)
    if ratio.value < 1:
        row, ratio = min(sure, key=lambda pair: pair[1].value)
    reference = next(other.case for other in rows if other.case.id == row.columns["reference_case_id"])
    ours, theirs = difference(row.case, reference)
    factor = ratio if ratio.value > 1 else _reciprocal(ratio)
    word = "faster" if ratio.value > 1 else "slower"
    trains = f"{ours} trains {_workload(row.case, rows)}"
    amount = digits(factor.value, factor.half_width_ratio)
    return f"{trains} {amount}{TIMES} {word} than {theirs}{_place(row.case, reference, devices)}"


def speedup(rows: Sequence[Row]) -> str:
    """Return how many cases are certainly faster, slower or neither than their reference."""
    sure = [
        ratio
        for row in rows
        if (ratio := row.interval("speedup"))
        and row.columns.get("reference_case_id") != row.case.id
        and DOUBTFUL.isdisjoint(row.flags)
    ]
    changed = [ratio.value for ratio in sure if ratio.excludes(1.0, MARGIN_RATIO)]
    faster = sum(value > 1 for value in changed)
    counts = ((faster, "faster"), (len(changed) - faster, "slower"))
    words = [f"{count} {'is' if count == 1 else 'are'} certainly {word}" for count, word in counts if count]
    if not words:
        return "Nothing is certainly faster or slower than its reference"
    return f"Of {len(sure)} cases {' and '.join(words)} than their reference"


def beside(rows: Sequence[Row], what: str, column: str = "", *, is_time: bool = True) -> str:
    """Return what several runs are held against each other in, with the range of ratios to the first run if known."""
    names = _unique(row.run_name for row in rows)
    shown = [cut_middle(name, NAME_LENGTH) for name in names]
    ratios = [_ratios_to_first(rows, name, column, is_time=is_time) for name in names[1:]]
    if not column or not all(ratios):
        return f"{what}: {' and '.join(shown)}"
    spans = (f"{name} {_span(found)}" for name, found in zip(shown[1:], ratios, strict=True))
    return f"{what} over that of {shown[0]}: {', '.join(spans)}"


def _ratios_to_first(rows: Sequence[Row], name: str, column: str, *, is_time: bool) -> list[float]:
    """Return the figures of the run *name* over those of the first one, of cases that both have and nothing doubts."""
    sure = [row for row in rows if row.is_measured and not (is_time and DOUBTFUL & set(row.flags))]
    first = {row.case.id: value for row in sure if row.run_name == rows[0].run_name and (value := row.number(column))}
    ours = {row.case.id: value for row in sure if row.run_name == name and (value := row.number(column))}
    return [value / first[case_id] for case_id, value in ours.items() if case_id in first]


def _span(ratios: Sequence[float]) -> str:
    low, high = digits(min(ratios)), digits(max(ratios))
    return f"{low}{TIMES}" if low == high else f"{low}{TIMES} to {high}{TIMES}"


def pareto(fronts: Sequence[Sequence[Row]]) -> str:
    """Return in how many workloads one has to choose between speed and memory."""
    choices = sum(len(front) > 1 for front in fronts)
    if not choices:
        return f"{'In every workload t' if len(fronts) > 1 else 'T'}he leanest case is as fast as any"
    if choices == len(fronts):
        return f"{'In every workload m' if len(fronts) > 1 else 'M'}ore speed costs more memory"
    return f"In {choices} of {len(fronts)} workloads more speed costs more memory"


def scaling(groups: Sequence[Sequence[Row]]) -> str:
    """Return which share of as many times the throughput of one device the most of them reach."""
    shares = [share for group in groups if (share := _efficiency(group)) is not None]
    if not shares:
        return "Throughput over the number of devices"
    counts = {group[-1].case.num_devices for group in groups}
    what = "processes" if all(group[0].case.device_type == "cpu" for group in groups) else "devices"
    number = f"{max(counts)} {what}" if len(counts) == 1 else f"The most {what}"
    low, high = f"{100 * min(shares):.0f}", f"{100 * max(shares):.0f}"
    span = f"{low} %" if low == high else f"{low} to {high} %"
    return f"{number} reach {span} of the ideal throughput"


def _efficiency(group: Sequence[Row]) -> float | None:
    """Return the throughput with the most devices over as many times that with one; *group* begins with the one."""
    most = max(group, key=lambda row: (row.case.num_devices, row.throughput.value if row.throughput else 0.0))
    one = group[0].throughput
    if one is None or most.throughput is None or not DOUBTFUL.isdisjoint((*group[0].flags, *most.flags)):
        return None
    return most.throughput.value / (one.value * most.case.num_devices)


def batch(lines: Sequence[Sequence[Row]]) -> str:
    """Return by how much the largest batch trains more samples a second than the smallest, over *lines*."""
    gains = [
        line[-1].throughput.value / line[0].throughput.value
        for line in lines
        if line[0].throughput and line[-1].throughput and DOUBTFUL.isdisjoint((*line[0].flags, *line[-1].flags))
    ]
    if not gains:
        return "Throughput over the batch size"
    return f"The largest batch trains {_span(gains)} as many samples a second as the smallest"


def memory(rows: Sequence[Row], devices: Sequence[DeviceInfo] = ()) -> str:
    """Return what the precision saves most, among cases that differ in nothing else, else what is shown."""
    measured = [row for row in rows if row.is_measured and row.number("peak_allocated_bytes")]
    by_case = {row.case: row for row in measured}
    found = []
    for row in measured:
        full = by_case.get(dataclasses.replace(row.case, precision="fp32"))
        if full and row.case.precision != "fp32":
            ratio = (row.number("peak_allocated_bytes") or 0) / (full.number("peak_allocated_bytes") or 1)
            found.append((ratio, row.case, full.case))
    ratio, case, full_case = min(found, key=lambda pair: pair[0], default=(1.0, None, None))
    if case is None or full_case is None or ratio > 1 - MARGIN_RATIO:
        return _neutral("Peak memory", measured)
    saving = f"{(1 - ratio) * 100:.0f} % less memory than fp32"
    return f"{case.precision} trains {_workload(case, rows)} in {saving}{_place(case, full_case, devices)}"


def phases(rows: Sequence[Row]) -> str:
    """Return which phase is the longest in every case, and its share of the step, else what is shown."""
    measured = [row for row in rows if row.is_measured]
    longest = {phase for row in measured if (phase := _longest_phase(row))}
    if len(longest) != 1 or not all(_longest_phase(row) for row in measured):
        return _neutral("Time of each phase of a step", measured)
    (phase,) = longest
    column = f"{phase}_seconds"
    shares = [(row.number(column) or 0) / (row.number("step_seconds") or 1) * 100 for row in measured]
    low, high = f"{min(shares):.0f}", f"{max(shares):.0f}"
    share = f"{low} %" if low == high else f"{low} to {high} %"
    name = {"h2d": "The copy to the device", "optimizer": "The optimizer"}.get(phase, f"The {phase} pass")
    where = " in every case" if len(measured) > 1 else ""
    return f"{name} is the longest part of the step{where} ({share})"


def _longest_phase(row: Row) -> str | None:
    """Return the phase that leads by more than the margin; None where none does or only one was timed."""
    times = sorted(((row.number(f"{phase}_seconds") or 0.0, phase) for phase in PHASES), reverse=True)
    leads = times[1][0] > 0 and times[0][0] > times[1][0] * (1 + MARGIN_RATIO)
    return times[0][1] if leads else None


def _neutral(what: str, measured: Sequence[Row]) -> str:
    if not measured:
        return f"{what}: nothing was measured"
    workloads = _unique(cut_middle(row.case.workload, NAME_LENGTH) for row in measured)
    count = "1 case" if len(measured) == 1 else f"{len(measured)} cases"
    shown = ", ".join(workloads) if len(workloads) <= 3 else f"{len(workloads)} workloads"  # noqa: PLR2004 - fits a line
    return f"{what} of {shown} ({count})"


def _workload(case: Case, rows: Iterable[Row]) -> str:
    """Return the workload's name, with the batch where the run has several of them."""
    sizes = {row.case.global_batch_size for row in rows if row.case.workload == case.workload}
    return workload_name(case, with_batch=len(sizes) > 1)


def _place(case: Case, other: Case, devices: Sequence[DeviceInfo]) -> str:
    """Return where both were measured; empty where that differs."""
    if case.device != other.device:
        return ""
    return place(min(case, other, key=lambda either: either.num_devices), devices)


def _reciprocal(ratio: Interval) -> Interval:
    assert ratio.low is not None
    assert ratio.high is not None
    return Interval(value=1 / ratio.value, low=1 / ratio.high, high=1 / ratio.low)


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
