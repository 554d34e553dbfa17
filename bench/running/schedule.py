"""Which cases a round visits: the stopping rule, the budget, and fairness between cases. Pure: no clock, no process."""

import random
from collections.abc import Sequence

from bench.case import Case
from bench.metrics import step_seconds
from bench.reference import comparable_groups, reference_of
from bench.result import CaseResult, SamplingPlan
from bench.statistics import log_t_interval


class Schedule:
    """
    Keeps what each case has had, and says who still needs a visit.

    Args:
        cases: Those that can run here.
        sampling: Rounds, target and budget.
        seed: Of the random order.
        budget_seconds: What is left of the budget for all visits together.
    """

    def __init__(self, cases: Sequence[Case], sampling: SamplingPlan, *, seed: int, budget_seconds: float) -> None:
        self._cases = list(cases)
        self._sampling = sampling
        self._seed = seed
        self._share_seconds = budget_seconds / max(1, len(cases))
        self._step_seconds: dict[str, list[float]] = {case.id: [] for case in cases}
        self._durations: dict[str, list[float]] = {case.id: [] for case in cases}
        self._failed: set[str] = set()
        self.compile_seconds = 0.0
        """Spent since then on compilation from nothing, which no budget or share of it is made for."""

    def add(self, result: CaseResult, *, is_earlier: bool = False) -> None:
        """Take note of a visit; an earlier one is of the run that this one resumes."""
        case_id = result.case.id
        self.compile_seconds += 0.0 if is_earlier else result.unbudgeted_seconds
        self._durations[case_id].append(result.duration_seconds - result.unbudgeted_seconds)
        if result.status == "ok" and result.measurement is not None:
            self._step_seconds[case_id].append(step_seconds(result.measurement))
        else:
            self._failed.add(case_id)

    def order(self, round_index: int) -> list[Case]:
        """Return the unfinished cases in this round's random order, the same for one seed and round."""
        everyone = list(self._cases)  # all are shuffled, so that a resumed round goes on in the order in which it began
        random.Random(f"{self._seed}/{round_index}").shuffle(everyone)  # noqa: S311 (an order, not a secret)
        return [case for case in everyone if not self.is_finished(case)]

    def is_finished(self, case: Case) -> bool:
        """Return whether *case* failed, or it and all that it is the reference of have enough rounds."""
        if case.id in self._failed:
            return True
        partners = self._partners(case)
        return all(self._has_enough(partner) for partner in partners)

    def may_visit(self, case: Case, remaining_seconds: float) -> bool:
        """
        Return whether *case* may be visited now.

        Every case gets its first visit. After it, one that is expected to end after the budget waits for ever, and one
        that has used up its equal share of the budget waits until the others have their rounds: a slow case must not
        cost the quick ones their intervals.
        """
        if self._sampling.rounds is not None or not self._durations[case.id]:
            return True
        if self.expected_seconds(case) > remaining_seconds:
            return False
        if not self._is_over_share(case) or len(self._partners(case)) > 1:  # others are paired with a reference
            return True
        return all(self._has_min_rounds(other) or self._is_over_share(other) for other in self._cases)

    def expected_seconds(self, case: Case) -> float:
        """
        Return how long the next visit of *case* will take: as its quickest.

        The first one also profiles memory; but where it has compiled, it did not load what was compiled.
        """
        durations = self._durations[case.id] or [0.0]
        later = durations[1:] if case.is_compiled else []
        return min(later or durations)

    def rounds_of(self, case: Case) -> int:
        """Return how many ok rounds *case* has."""
        return len(self._step_seconds[case.id])

    def half_width_ratio(self, case: Case) -> float | None:
        """Return the half-width of the 95 % interval of the step time as a share of it; None: not known yet."""
        figures = self._step_seconds[case.id]
        return log_t_interval(figures).half_width_ratio if figures else None

    def _has_enough(self, case: Case) -> bool:
        if case.id in self._failed:
            return True
        rounds = self.rounds_of(case)
        if self._sampling.rounds is not None:
            return rounds >= self._sampling.rounds
        half_width = self.half_width_ratio(case)
        return (
            rounds >= self._sampling.min_rounds and half_width is not None and half_width <= self._sampling.target_ratio
        )

    def _has_min_rounds(self, case: Case) -> bool:
        return case.id in self._failed or self.rounds_of(case) >= self._sampling.min_rounds

    def _is_over_share(self, case: Case) -> bool:
        # By its quickest visit, so that one that the machine held up does not count against the case.
        return (len(self._durations[case.id]) + 1) * self.expected_seconds(case) > self._share_seconds

    def _partners(self, case: Case) -> list[Case]:
        """Return *case*, and the whole of its group where it is the reference: ratios are paired by round."""
        alive = [other for other in self._cases if other.id not in self._failed]
        for group in comparable_groups(alive):
            if reference_of(group).id == case.id:
                return group
        return [case]
