"""Pairs of measured cases that differ in one axis only, and what the rounds that both have say of them."""

import dataclasses
import functools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from bench.case import Case
from bench.flags import DOUBTFUL
from bench.labels import varied_batches
from bench.result import DeviceInfo
from bench.results.frame import Run
from bench.results.once import once
from bench.results.rows import Row, rows
from bench.statistics import Interval, log_t_interval

Partners = Callable[[Case], tuple[Case, ...]]
"""From a case to those that differ from it in the one axis, the best first; none where it has nothing to do with it."""

_USUAL = {
    "strategy": ("single", "ddp", "data_parallel"),
    "precision": ("fp32", "amp_bf16", "amp_fp16", "tf32"),
    "compile": ("eager", "default"),
    "loop": ("clean",),
    "input": ("pinned", "pageable", "resident"),
}
"""What people do most, axis by axis; the axis that counts most comes first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """A case and the one that it is held against."""

    ours: Row
    theirs: Row
    speed_ratios: Mapping[int, float]
    """Round to how many times as fast as the other the case was in it."""

    @functools.cached_property
    def speed(self) -> Interval:
        """How many times as fast the case is; without bounds where one round is all that both have."""
        return log_t_interval(list(self.speed_ratios.values()))

    @property
    def memory_ratio(self) -> float | None:
        """How many times the other's peak it needs, in the allocators' exact figures; None where one is not known."""
        known = [
            row.number("peak_allocated_bytes") if row.columns.get("memory_source") == "allocator" else None
            for row in (self.ours, self.theirs)
        ]
        return known[0] / known[1] if known[0] and known[1] else None

    @property
    def flags(self) -> tuple[str, ...]:
        """Those of both."""
        return tuple(dict.fromkeys((*self.ours.flags, *self.theirs.flags)))

    @property
    def doubts(self) -> tuple[str, ...]:
        """Those under which times allow no verdict."""
        return tuple(flag for flag in self.flags if flag in DOUBTFUL)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a run knows, by case."""

    rows: Mapping[Case, Row]
    """Of every planned case, in the order of the plan."""
    step_seconds: Mapping[str, Mapping[int, float]]
    devices: Sequence[DeviceInfo]
    workloads_of_several_batches: frozenset[str]
    """Their names must say which."""

    def pair(self, case: Case, other: Case) -> Pair | None:
        """Return the two as a pair; None where one has no figure, or no round in common with the other."""
        ours, theirs = self.rows.get(case), self.rows.get(other)
        if ours is None or theirs is None or not (ours.is_measured and theirs.is_measured):
            return None
        times, others = self.step_seconds[case.id], self.step_seconds[other.id]
        ratios = {number: others[number] / times[number] for number in sorted(times.keys() & others.keys())}
        return Pair(ours=ours, theirs=theirs, speed_ratios=ratios) if ratios else None

    def pairs(self, partners: Partners) -> list[Pair]:
        """Return each case that has a partner with the first one that was measured, in the order of the plan."""
        found = (next(filter(None, (self.pair(case, other) for other in partners(case))), None) for case in self.rows)
        return [pair for pair in found if pair]


@once
def evidence_of(run: Run) -> Evidence:
    """Return what *run* knows."""
    return Evidence(
        rows={row.case: row for row in rows(run)},
        step_seconds=run.step_seconds,
        devices=run.plan.environment.devices,
        workloads_of_several_batches=frozenset(varied_batches(run.plan.cases)),
    )


def plainest(pairs: Iterable[Pair], variant: Callable[[Case], Hashable] = lambda _case: None) -> list[Pair]:
    """
    Return one pair of each workload, batch and device: the one that is like most people's training in all other axes.

    Those of accelerators come first: who has one asks about it.

    Args:
        pairs: In the order of the plan.
        variant: What of a case asks for a pair of its own besides.
    """
    kept: dict[Hashable, Pair] = {}
    for pair in pairs:
        case = pair.ours.case
        key = (case.workload, case.global_batch_size, case.device, variant(case))
        if key not in kept or _unusual(case) < _unusual(kept[key].ours.case):
            kept[key] = pair
    return sorted(kept.values(), key=lambda pair: pair.ours.case.device_type == "cpu")


def _unusual(case: Case) -> tuple[int, ...]:
    """Return how far each axis is from what people do most."""
    ranks = [_rank(order, getattr(case, axis)) for axis, order in _USUAL.items()]
    return (*ranks, case.num_devices)


def _rank(order: Sequence[str], value: str) -> int:
    return order.index(value) if value in order else len(order)
