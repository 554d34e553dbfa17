"""Which case the others are measured against: those that do the same work in the same run."""

from collections.abc import Iterable, Sequence

from bench.case import Case


def comparable_groups(cases: Iterable[Case]) -> list[list[Case]]:
    """Return *cases* in groups of one workload and one global batch size; others do different work."""
    groups: dict[tuple[str, int], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.workload, case.global_batch_size), []).append(case)
    return list(groups.values())


def reference_of(group: Sequence[Case]) -> Case:
    """Return the reference of a group of cases that ran: the plain one on the CPU, else its first without a habit."""
    # Reading the loss at every step is a habit whose price is asked for; it must not become the measure of the others.
    usual = ("cpu", "single", "fp32", "eager", "clean")
    axes = [(case.device_type, case.strategy, case.precision, case.compile, case.loop) for case in group]
    clean = [case for case in group if case.loop == "clean"]
    return group[axes.index(usual)] if usual in axes else next(iter(clean), group[0])
