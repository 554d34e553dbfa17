"""Measures for `ab`: one run of each side for what is exact, and pairs for the clock."""

import dataclasses
import math
import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.case import Case
from bench.commands._compared_cases import ComparedCase
from bench.commands._sides import Setting
from bench.comparing.sides import Figures, figures_of
from bench.comparing.two_stages import FIRST_PAIRS, FRESH_PAIRS, PAIRS, canaries, is_dead, is_suspect
from bench.pair import Pair, Stage
from bench.result import CaseResult, Plan, SamplingPlan
from bench.running.matrix import num_processes
from bench.running.pairs import PairPlan, PairSide, least_turns_seconds, run_pair

ONE_RUN = SamplingPlan(rounds=1, min_rounds=1)
MIN_PAIR_SECONDS, MAX_PAIR_SECONDS = 0.5, 1.2
"""Of taking turns. Workers differ by 2 to 4 %, turns of one pair by 5 to 9 %: with half a second to start two workers,
pairs of about a second tell most in a given time (docs/method.md)."""
PAIR_OVERHEAD_SECONDS = 0.4
"""Of a pair besides what its workers say: the end of its processes, and of its last turn (measured on two cores)."""
LOADING_SECONDS = 2.0
"""Of what torch.compile has compiled before, in each worker (docs/performance.md)."""
USUAL_OVERHEAD_SECONDS = 1.0
"""Of a pair of small models on two cores; also of one that was not seen yet."""
POINTING_TO_LOG = {"crashed", "timeout"}
"""Endings of which only the last lines that a worker wrote tell more; an error has its message and its place."""
RETRIES = 1
"""Of a pair that broke: one that does so twice is no accident."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pace:
    """How many pairs of which length a case gets, fixed before the first of them."""

    seconds: float
    """Of taking turns, in a pair."""
    overhead_seconds: float
    """Of a pair, besides."""
    counts: Mapping[Stage, int]

    def expected_seconds(self, stage: Stage, least_seconds: float = 0.0) -> float:
        """Return what the pairs of *stage* take, whose turns take *least_seconds* or more."""
        return self.counts[stage] * (max(self.seconds, least_seconds) + self.overhead_seconds)


def pace_of(budget_seconds: float, overhead_seconds: float, least_seconds: float = 0.0) -> Pace:
    """
    Return the pace at which both stages of a case take *budget_seconds*.

    More of it means longer pairs, up to where more of them tell more in the same time, which is later the more it
    costs to start one. Less means shorter ones, and never fewer than the rule's, so that a case that is very slow to
    start takes more than its budget.
    """
    longest = max(MAX_PAIR_SECONDS * math.sqrt(max(1.0, overhead_seconds / USUAL_OVERHEAD_SECONDS)), least_seconds)
    room = budget_seconds / PAIRS - overhead_seconds
    seconds = min(max(room, MIN_PAIR_SECONDS, least_seconds), longest)
    times = max(1.0, budget_seconds / (PAIRS * (longest + overhead_seconds)))
    first, fresh = round(FIRST_PAIRS * times), round(FRESH_PAIRS * times)
    return Pace(
        seconds=seconds,
        overhead_seconds=overhead_seconds,
        counts={"first": first, "fresh": fresh, "canary": first},
    )


@dataclasses.dataclass(kw_only=True)
class Gate:
    """Two sides, and how they are measured."""

    base: Setting
    head: Setting
    budget_seconds: float
    timeout_seconds: float
    say: Callable[[str], None]
    compile_timeout_seconds: float = SamplingPlan.compile_timeout_seconds
    chance: random.Random = dataclasses.field(default_factory=random.Random)
    results: dict[tuple[str, str], CaseResult] = dataclasses.field(default_factory=dict)
    """Of the single runs, by side and case."""
    keep: Callable[[Pair], None] = lambda _: None
    """Is shown every pair as soon as it is there."""

    def run_once(self, compared: ComparedCase) -> None:
        """Run each side of *compared* once, for memory and counters; one that does not run is said, with the reason."""
        for side, setting, case in self._sides(compared):
            if (side, case.id) not in self.results:
                self.results[side, case.id] = found = setting.pool.visit(
                    case,
                    num_processes=num_processes(case),
                    round_index=len(self.results),
                    timeout_seconds=self.timeout_seconds,
                    compile_timeout_seconds=self.compile_timeout_seconds,
                    with_extras=True,
                    place=setting.place,
                )
                if found.status != "ok":  # also where progress is not wanted
                    print(f"{compared.label}: {side}: {found.status}: {found.why}", file=sys.stderr)
                    for line in found.failure.last_lines if found.failure and found.status in POINTING_TO_LOG else ():
                        print(f"    {line}", file=sys.stderr)

    def figures(self, compared: ComparedCase) -> tuple[Figures | None, Figures | None]:
        """Return what the single run of each side says; None: it has not come to it."""
        base, head = (self._figures(compared, *one) for one in self._sides(compared))
        return base, head

    def _figures(self, compared: ComparedCase, side: str, setting: Setting, case: Case) -> Figures | None:
        if (side, case.id) not in self.results:
            return None
        plan = Plan(cases=(case,), sampling=ONE_RUN, environment=setting.pool.environment)
        (found,) = figures_of(plan, [self.results[side, case.id]]).values()
        return dataclasses.replace(found, label=compared.label)

    def two_stages(
        self, cases: Sequence[ComparedCase], margin_ratio: float, *, into: list[Pair], more_work: float = 0.0
    ) -> None:
        """
        Run the pairs of *cases*: a first look, and fresh pairs of what looked slower.

        Args:
            cases: Whose both sides ran.
            margin_ratio: The smallest change that matters.
            into: Takes each pair as soon as it is there.
            more_work: Share of its steps that the head trains besides, as if it were that much slower.
        """
        held = self.chance.sample(list(cases), canaries(len(cases)))
        looks: list[tuple[ComparedCase, Stage]] = [(compared, "first") for compared in cases]
        looks += [(compared, "canary") for compared in held]
        self.say(f"the clock: {self._plural(cases, 'first')} of each case{_canary_words(held)}, {self._ahead(looks)}")
        self._run_pairs(looks, more_work, into)
        if any(is_dead(_of(into, compared, "canary"), margin_ratio) for compared in held):
            return
        suspects = [
            compared
            for compared in cases
            if is_suspect(seen := _of(into, compared, "first"), margin_ratio) and not any(map(_is_broken, seen))
        ]
        if suspects:
            again: list[tuple[ComparedCase, Stage]] = [(compared, "fresh") for compared in suspects]
            names = ", ".join(compared.label for compared in suspects)
            self.say(f"again, {self._plural(suspects, 'fresh')} of what looked slower, {self._ahead(again)}: {names}")
            self._run_pairs(again, more_work, into)

    def _run_pairs(self, looks: Sequence[tuple[ComparedCase, Stage]], more_work: float, into: list[Pair]) -> None:
        """Run the pairs of *looks*, pair by pair in random order, so that all see the same weather."""
        paces = {compared.key: self.pace(compared) for compared, _ in looks}
        broken: set[tuple[str, Stage]] = set()
        for index in range(max(max(pace.counts.values()) for pace in paces.values())):
            for compared, stage in self.chance.sample(list(looks), len(looks)):
                pace = paces[compared.key]
                if index >= pace.counts[stage] or (compared.key, stage) in broken:
                    continue
                pair = self._run_one(self._plan(compared, stage, pace, more_work), index, compared.label)
                if _is_broken(pair):
                    broken.add((compared.key, stage))
                into.append(pair)

    def _run_one(self, plan: PairPlan, index: int, label: str) -> Pair:
        """Run *plan*, again where it breaks, and return the last of it."""
        blamed = set()
        for attempt in range(1 + RETRIES):
            pair = self._run_kept(plan, index)
            if not _is_broken(pair):
                return pair
            blamed.add(pair.broken)
            again = "; once more" if attempt < RETRIES else ""
            self.say(f"{label}: a pair broke: {pair.status}: {pair.reason}{again}")
        for line in pair.log_tail if pair.status in POINTING_TO_LOG else ():
            self.say(f"    {line}")
        return self._judged(pair, plan) if blamed == {"head"} else dataclasses.replace(pair, broken="")

    def _judged(self, pair: Pair, plan: PairPlan) -> Pair:
        """Return *pair*, whose head broke every time, without blame where two of the base cannot stand together."""
        if plan.stage == "canary":
            return pair
        alone = self._run_kept(_of_base(plan), pair.index)
        if not _is_broken(alone):
            return pair
        return dataclasses.replace(pair, broken="", reason=f"{pair.reason}; so do two of the base: {alone.reason}")

    def _run_kept(self, plan: PairPlan, index: int) -> Pair:
        pair = run_pair(plan, index, head_first=self.chance.random() < 0.5)  # noqa: PLR2004 (a coin)
        self.keep(pair)
        return pair

    def _plan(self, compared: ComparedCase, stage: Stage, pace: Pace, more_work: float) -> PairPlan:
        plan = PairPlan(
            base=PairSide(pool=self.base.pool, place=self.base.place, case=compared.base),
            head=PairSide(pool=self.head.pool, place=self.head.place, case=compared.head),
            stage=stage,
            seconds=pace.seconds,
            timeout_seconds=self.timeout_seconds,
            compile_timeout_seconds=self.compile_timeout_seconds,
            step_seconds=self.step_seconds(compared),
            more_work=more_work,
            is_in_one_process=self._share_a_process(compared),
        )
        return _of_base(plan) if stage == "canary" else plan

    def _share_a_process(self, compared: ComparedCase) -> bool:
        """
        Whether one worker can hold both sides: modes of one revision, each of one process, on the same device.

        Of two workloads the second one's file would find the modules that the first one's has imported.
        """
        base, head = compared.base, compared.head
        are_modes = self.base == self.head and base != head
        is_one_place = (base.workload, base.device) == (head.workload, head.device)
        return are_modes and is_one_place and num_processes(base) == num_processes(head) == 1

    def pace(self, compared: ComparedCase) -> Pace:
        """Return the pace of *compared*, from what its single runs took to prepare."""
        overhead_seconds = PAIR_OVERHEAD_SECONDS
        for side, _, case in self._sides(compared):
            result = self.results.get((side, case.id))
            found = result.figures if result else None
            overhead_seconds += (
                found.start_seconds
                + found.build_seconds
                + found.warmup_total_seconds
                + (LOADING_SECONDS - found.compile_seconds if found.compile_seconds else 0.0)
                if found
                else USUAL_OVERHEAD_SECONDS / 2
            )
        return pace_of(self.budget_seconds, overhead_seconds, least_turns_seconds(self.step_seconds(compared)))

    def _plural(self, cases: Sequence[ComparedCase], stage: Stage) -> str:
        counts = [self.pace(compared).counts[stage] for compared in cases]
        return f"{min(counts)} pairs" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)} pairs"

    def _ahead(self, looks: Iterable[tuple[ComparedCase, Stage]]) -> str:
        return f"about {sum(self.pace(compared).expected_seconds(stage) for compared, stage in looks):.0f} s"

    def shortest_seconds(self, cases: Sequence[ComparedCase], more_work: float = 0.0) -> float:
        """Return what the first stage and the canaries of *cases* take, which is all if none of them looks slower."""
        first = sum(self._expected_seconds(compared, "first", more_work) for compared in cases)
        longest = max((self._expected_seconds(compared, "canary", more_work) for compared in cases), default=0.0)
        return first + canaries(len(cases)) * longest

    def longest_seconds(self, cases: Sequence[ComparedCase], more_work: float = 0.0) -> float:
        """Return what both stages and the canaries of *cases* take, if all of them look slower."""
        fresh = sum(self._expected_seconds(compared, "fresh", more_work) for compared in cases)
        return self.shortest_seconds(cases, more_work) + fresh

    def _expected_seconds(self, compared: ComparedCase, stage: Stage, more_work: float) -> float:
        least_seconds = least_turns_seconds(self.step_seconds(compared), 0.0 if stage == "canary" else more_work)
        return self.pace(compared).expected_seconds(stage, least_seconds)

    def step_seconds(self, compared: ComparedCase) -> float:
        """Return the longer step of the two single runs; 0 where there are none."""
        steps = (seconds for side in self.figures(compared) if side for seconds in side.step_seconds)
        return max(steps, default=0.0)

    def _sides(self, compared: ComparedCase) -> tuple[tuple[str, Setting, Case], tuple[str, Setting, Case]]:
        return ("base", self.base, compared.base), ("head", self.head, compared.head)


def both_ran(figures: Sequence[Figures | None]) -> bool:
    """Whether the single run of each side is there and ended well."""
    return all(side and side.status == "ok" for side in figures)


def _of(pairs: Iterable[Pair], compared: ComparedCase, stage: Stage) -> list[Pair]:
    case = compared.base if stage == "canary" else compared.head
    return [pair for pair in pairs if (pair.case.id, pair.stage) == (case.id, stage)]


def _is_broken(pair: Pair) -> bool:
    return pair.status != "ok"


def _of_base(plan: PairPlan) -> PairPlan:
    """Return *plan* with the base on both sides: whether two workers of one machine can stand beside each other."""
    return dataclasses.replace(plan, head=dataclasses.replace(plan.base), stage="canary", more_work=0.0)


def _canary_words(held: Sequence[ComparedCase]) -> str:
    return f", and of {len(held)} of them base against base" if held else ""
