"""The sentence that a reader should take away, and a neutral one where the intervals allow none."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from bench.case import Case
from bench.flags import DOUBTFUL, DOUBTS_OF_MEMORY
from bench.labels import cut_middle, difference
from bench.numbers import TIMES, digits
from bench.result import PHASES, DeviceInfo
from bench.results.pairs import Evidence, Pair
from bench.results.rows import Row
from bench.results.sentences import NAME_LENGTH, place, workload_name
from bench.results.side_by_side import RUN_RATIO
from bench.statistics import MARGIN_RATIO, Interval

_MEMORY = "peak_allocated_bytes"


def throughput(rows: Sequence[Row], devices: Sequence[DeviceInfo] = ()) -> str:
    """Return the largest speed-up that its interval bears out, else the largest slowdown, else what is shown."""
    measured = [row for row in rows if row.is_measured]
    trusted = [row for row in measured if not row.is_doubtful]
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
    trusted = [row for row in rows if row.is_measured and not row.is_doubtful]
    references = {row.case.id for row in trusted}
    known = [
        ratio
        for row in trusted
        if (ratio := row.interval("speedup")) and row.columns.get("reference_case_id") in references - {row.case.id}
    ]
    changed = [ratio.value for ratio in known if ratio.excludes(1.0, MARGIN_RATIO)]
    faster = sum(value > 1 for value in changed)
    counts = ((faster, "faster"), (len(changed) - faster, "slower"))
    words = [f"{count} {'is' if count == 1 else 'are'} certainly {word}" for count, word in counts if count]
    if not words:
        return "Nothing is certainly faster or slower than its reference"
    return f"Of {len(known)} cases {' and '.join(words)} than their reference"


def beside(rows: Sequence[Row], what: str) -> str:
    """Return which runs are held against each other in *what*."""
    names = (cut_middle(name, NAME_LENGTH) for name in _unique(row.run_name for row in rows))
    return f"{what}: {' and '.join(names)}"


def throughput_beside(rows: Sequence[Row]) -> str:
    """Return how many times as fast as the first run the others certainly are, and in how many cases."""
    names = _unique(row.run_name for row in rows)
    told = []
    for name in names[1:]:
        ratios = [ratio for row in _both_sure(rows, name, DOUBTFUL) if (ratio := row.interval(RUN_RATIO))]
        changed = [ratio.value for ratio in ratios if ratio.excludes(1.0, MARGIN_RATIO)]
        if changed:
            of = f" in {len(changed)} of {len(ratios)} cases" if len(changed) < len(ratios) else ""
            told.append(f"{cut_middle(name, NAME_LENGTH)} {_span(changed)}{of}")
    if not told:
        return beside(rows, "Throughput")
    return f"Throughput over that of {cut_middle(names[0], NAME_LENGTH)}: {', '.join(told)}"


def memory_beside(rows: Sequence[Row]) -> str:
    """Return how many times the peak of the first run the others need; memory is exact."""
    names = _unique(row.run_name for row in rows)
    first = {row.case.id: row.number(_MEMORY) for row in rows if row.run_name == names[0]}
    told = []
    for name in names[1:]:
        pairs = [(row.number(_MEMORY), first.get(row.case.id)) for row in _both_sure(rows, name, DOUBTS_OF_MEMORY)]
        ratios = [ours / theirs for ours, theirs in pairs if ours and theirs]
        told += [f"{cut_middle(name, NAME_LENGTH)} {_span(ratios)}"] if ratios else []
    if not told:
        return beside(rows, "Peak memory")
    return f"Peak memory over that of {cut_middle(names[0], NAME_LENGTH)}: {', '.join(told)}"


def _both_sure(rows: Sequence[Row], name: str, doubts: AbstractSet[str]) -> list[Row]:
    """Return the rows of the run *name* that are in no doubt, as the same cases of the first run are."""
    sure = [row for row in rows if row.is_measured and doubts.isdisjoint(row.flags)]
    first = {row.case.id for row in sure if row.run_name == rows[0].run_name}
    return [row for row in sure if row.run_name == name and row.case.id in first]


def _span(ratios: Sequence[float]) -> str:
    low, high = digits(min(ratios)), digits(max(ratios))
    return f"{low}{TIMES}" if low == high else f"{low}{TIMES} to {high}{TIMES}"


def pareto(fronts: Sequence[Sequence[Row]]) -> str:
    """Return in how many plots one has to choose between speed and memory; one whose rows are in doubt says nothing."""
    known = [front for front in fronts if front]
    choices = sum(len(front) > 1 for front in known)
    if not known:
        return "Throughput against peak memory"
    if not choices:
        return "No case is certainly faster than the leanest"
    if choices == len(known):
        return "More speed costs more memory"
    return f"In {choices} of {len(known)} plots more speed costs more memory"


def scaling(groups: Sequence[Sequence[Row]], evidence: Evidence) -> str:
    """Return which share of as many times the throughput of one device the most of them reach, where that is known."""
    on_cpu = all(group[0].case.device_type == "cpu" for group in groups)
    pairs = [pair for group in groups if (pair := _most_against_one(group, evidence))]
    counts = {pair.ours.case.num_devices for pair in pairs}
    ratios = [Interval(value=1.0, low=pair.speed.low, high=pair.speed.high) for pair in pairs]
    if not pairs or len(counts) > 1 or not (span := _bounds([(one, 1 if on_cpu else max(counts)) for one in ratios])):
        return "Throughput over the number of devices"
    if on_cpu:  # the same cores, with fewer threads each: no efficiency to speak of
        return f"{max(counts)} processes on one CPU have {span} % of the throughput of one"
    return f"{max(counts)} devices reach {span} % of the ideal throughput"


def _most_against_one(group: Sequence[Row], evidence: Evidence) -> Pair | None:
    """Return the case with the most devices against that with one, which *group* begins with; None: it is in doubt."""
    most = max(group, key=lambda row: (row.case.num_devices, row.throughput.value if row.throughput else 0.0))
    pair = evidence.pair(most.case, group[0].case)
    return pair if pair and not pair.doubts and pair.speed.low is not None else None


def _bounds(found: Sequence[tuple[Interval, int]]) -> str:
    """Return the per cent that all intervals reach over, each divided by its number."""
    lows = [100 * one.low / number for one, number in found if one.low is not None]
    highs = [100 * one.high / number for one, number in found if one.high is not None and math.isfinite(one.high)]
    if len(lows) < len(found) or len(highs) < len(found):
        return ""
    low, high = f"{min(lows):.0f}", f"{max(highs):.0f}"
    return low if low == high else f"{low} to {high}"


def batch(lines: Sequence[Sequence[Row]], evidence: Evidence) -> str:
    """Return by how much the largest batch certainly trains more samples a second than the smallest, over *lines*."""
    gains = []
    for line in lines:
        pair = evidence.pair(line[-1].case, line[0].case)
        more = line[-1].case.global_batch_size / line[0].case.global_batch_size
        if pair and not pair.doubts and pair.speed.low is not None and pair.speed.high is not None:
            speed = Interval(value=more * pair.speed.value, low=more * pair.speed.low, high=more * pair.speed.high)
            gains += [speed.value] if speed.excludes(1.0, MARGIN_RATIO) else []
    if not gains or len(gains) < len(lines):
        return "Throughput over the batch size"
    return f"The largest batch trains {_span(gains)} as many samples a second as the smallest"


def memory(rows: Sequence[Row], devices: Sequence[DeviceInfo] = ()) -> str:
    """Return what the precision saves most, among cases that differ in nothing else, else what is shown."""
    measured = [row for row in rows if row.is_measured and row.number(_MEMORY)]
    sure = [row for row in measured if DOUBTS_OF_MEMORY.isdisjoint(row.flags)]
    by_case = {row.case: row for row in sure}
    found = []
    for row in sure:
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
    sure = [row for row in measured if not row.is_doubtful]
    longest = {phase for row in sure if (phase := _longest_phase(row))}
    if len(longest) != 1 or not all(_longest_phase(row) for row in sure):
        return _neutral("Time of each phase of a step", measured)
    (phase,) = longest
    column = f"{phase}_seconds"
    shares = [(row.number(column) or 0) / (row.number("step_seconds") or 1) * 100 for row in sure]
    low, high = f"{min(shares):.0f}", f"{max(shares):.0f}"
    share = f"{low} %" if low == high else f"{low} to {high} %"
    name = {"h2d": "The copy to the device", "optimizer": "The optimizer"}.get(phase, f"The {phase} pass")
    where = " in every case" if 1 < len(sure) == len(measured) else ""
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
