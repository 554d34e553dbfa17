"""Speed-up over a reference that does the same work in the same run."""

from collections.abc import Mapping, Sequence

from bench.case import Case
from bench.reference import comparable_groups, reference_of
from bench.statistics import paired_ratio


def speedups(
    cases: Sequence[Case], step_seconds: Mapping[str, Mapping[int, float]]
) -> Mapping[str, Mapping[str, object]]:
    """
    Return the speed-up columns of every case in *step_seconds*, by case id.

    Only cases of one workload and one global batch size are compared: others do different work.

    Args:
        cases: In the order of the plan.
        step_seconds: Case id to round to the step time of that round's worker; cases that are not ok are left out.
    """
    columns: dict[str, Mapping[str, object]] = {}
    for group in comparable_groups(case for case in cases if case.id in step_seconds):
        reference = reference_of(group)
        for case in group:
            columns[case.id] = _columns(case, reference, step_seconds)
    return columns


def _columns(case: Case, reference: Case, step_seconds: Mapping[str, Mapping[int, float]]) -> Mapping[str, object]:
    """Return one case's columns; without a round that both have there is no ratio, as times drift between rounds."""
    if case.id == reference.id:
        return {"speedup": 1.0, "reference_case_id": reference.id}
    ours, theirs = step_seconds[case.id], step_seconds[reference.id]
    rounds = sorted(ours.keys() & theirs.keys())
    if not rounds:
        return {"reference_case_id": reference.id}
    ratio = paired_ratio([theirs[number] for number in rounds], [ours[number] for number in rounds])
    return {
        "speedup": ratio.value,
        "speedup_low": ratio.low,
        "speedup_high": ratio.high,
        "reference_case_id": reference.id,
    }
