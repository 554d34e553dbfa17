"""After how many steps the time that compiling took has been won back."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from bench.case import Case
from bench.statistics import geometric_mean, paired_ratio

StepSeconds = Mapping[str, Mapping[int, float]]
"""Case id to round to the step time of that round's worker."""


def break_even_steps(
    cases: Sequence[Case], step_seconds: StepSeconds, compile_seconds: Mapping[str, float]
) -> Mapping[str, int]:
    """
    Return after how many steps each compiled case has overtaken the same case in eager mode, by case id.

    A case that is not certainly faster has none: its interval reaches to where compiling never pays.

    Args:
        cases: In the order of the plan.
        step_seconds: Of the cases that are ok.
        compile_seconds: Case id to the seconds from an empty cache.
    """
    found = {}
    for case in cases:
        eager = dataclasses.replace(case, compile="eager")
        if case.id == eager.id or case.id not in compile_seconds:
            continue
        won_seconds = _won_seconds(step_seconds.get(case.id, {}), step_seconds.get(eager.id, {}))
        if won_seconds is not None:
            found[case.id] = math.ceil(compile_seconds[case.id] / won_seconds)
    return found


def _won_seconds(compiled: Mapping[int, float], eager: Mapping[int, float]) -> float | None:
    """Return what a compiled step saves over the rounds that both have; None where that may be nothing."""
    rounds = sorted(compiled.keys() & eager.keys())
    if not rounds:
        return None
    ours, theirs = [compiled[number] for number in rounds], [eager[number] for number in rounds]
    ratio = paired_ratio(ours, theirs)
    if ratio.high is None or ratio.high >= 1:
        return None
    return geometric_mean(theirs) - geometric_mean(ours)
