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
    """Return the reference of a group of cases that ran: cpu x single x fp32 x eager, else its first."""
    usual = ("cpu", "single", "fp32", "eager")
    matches = (case for case in group if (case.device_type, case.strategy, case.precision, case.compile) == usual)
    return next(matches, group[0])
