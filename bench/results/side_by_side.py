"""Several runs next to each other: what each is called, and how fast each case is against the same one of the first."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

from bench.case import Case
from bench.fingerprint import processor
from bench.metrics import WORK
from bench.results.frame import Run
from bench.results.rows import Row, rows
from bench.statistics import unpaired_ratio

RUN_RATIO = "run_ratio"
"""Column: throughput over that of the same case in the first run, with `_low` and `_high`."""


def names_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the shortest names that tell *runs* apart: their labels, devices, processors, directories, or numbers."""
    for name in (_label, _devices, _processor, _directory):
        found = tuple(name(run) for run in runs)
        if all(found) and len(set(found)) == len(found):
            return found
    return tuple(f"run {number}" for number in range(1, len(runs) + 1))


def by_name(runs: Sequence[Run]) -> Mapping[str, Run]:
    """Return *runs* by the name that their rows have."""
    return {"": runs[0]} if len(runs) == 1 else dict(zip(names_of(runs), runs, strict=True))


def rows_of(runs: Sequence[Run]) -> list[Row]:
    """
    Return the rows of all *runs*, those of one case next to each other in the order of the runs.

    Of a single run they are its own. Of several each has the name of its run, and a case that the first run has
    measured too has `RUN_RATIO`; rounds of different runs have nothing in common, so the interval is that of two
    separate samples.
    """
    if len(runs) == 1:
        return rows(runs[0])
    by_case: dict[str, list[Row]] = {}
    for name, run in by_name(runs).items():
        for row in rows(run):
            others = by_case.setdefault(row.case.id, [])
            columns = {} if run is runs[0] else _against(row, others, run, runs[0])
            others.append(dataclasses.replace(row, run_name=name, columns={**row.columns, **columns}))
    return [row for members in by_case.values() for row in members]


def _against(row: Row, others: Sequence[Row], run: Run, first: Run) -> Mapping[str, float | str]:
    """Return the columns that hold *row* against the same case of the first run; a note where its model is another."""
    apart = [
        name
        for name in WORK
        if others and len({found.columns[name] for found in (row, others[0]) if name in found.columns}) > 1
    ]
    if not apart:
        return _ratio(row.case, run, first)
    note = f"not held against the first run: {apart[0]} differs, so it is another model under the same name"
    return {"notes": " ".join(word for word in (str(row.columns.get("notes", "")), note) if word)}


def _ratio(case: Case, run: Run, first: Run) -> Mapping[str, float]:
    """Return the columns that hold *case* of *run* against the same one of *first*; none where either has no time."""
    ours, theirs = run.step_seconds.get(case.id), first.step_seconds.get(case.id)
    if not ours or not theirs:
        return {}
    interval = unpaired_ratio(list(theirs.values()), list(ours.values()))
    columns = {RUN_RATIO: interval.value, f"{RUN_RATIO}_low": interval.low, f"{RUN_RATIO}_high": interval.high}
    return {name: value for name, value in columns.items() if value is not None}


def _label(run: Run) -> str:
    return run.plan.label


def _devices(run: Run) -> str:
    """Return the accelerators by name, those of one name with their number."""
    counts = Counter(device.name for device in run.plan.environment.devices)
    return ", ".join(name if number == 1 else f"{number} x {name}" for name, number in counts.items())


def _processor(run: Run) -> str:
    return processor(run.plan.environment)


def _directory(run: Run) -> str:
    return run.directory.resolve().name if run.directory else ""
