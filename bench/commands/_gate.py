"""Measures for `ab`: one run of each side for what is exact, and pairs for the clock."""

import dataclasses
import math
import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.case import Case
from bench.commands._contests import Contest
from bench.commands._sides import Setting
from bench.comparing.sides import Figures, figures_of
from bench.comparing.two_stages import FIRST_PAIRS, FRESH_PAIRS, PAIRS, canaries, is_dead, is_suspect
from bench.pair import Pair, Stage
from bench.result import CaseResult, Plan, SamplingPlan
from bench.running.matrix import num_processes
from bench.running.pairs import Match, Side, play_pair

ONE_RUN = SamplingPlan(rounds=1, min_rounds=1)
MIN_PAIR_SECONDS, MAX_PAIR_SECONDS = 0.5, 1.2
"""Of taking turns. Workers differ by 2 to 4 %, turns of one pair by 5 to 9 %: with half a second to start two workers,
pairs of about a second tell most in a given time (docs/method.md)."""
PAIR_OVERHEAD_SECONDS = 0.4
"""Of a pair besides what its workers say: the end of its processes, and of its last turn (measured on two cores)."""
USUAL_OVERHEAD_SECONDS = 1.0
"""Of a pair of small models on two cores; also of one that was not seen yet."""
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

    def expected_seconds(self, stage: Stage) -> float:
        """Return what the pairs of *stage* take."""
        return self.counts[stage] * (self.seconds + self.overhead_seconds)


def pace_of(budget_seconds: float, overhead_seconds: float) -> Pace:
    """
    Return the pace at which both stages of a case take *budget_seconds*.

    More of it means longer pairs, up to where more of them tell more in the same time, which is later the more it
    costs to start one. Less means shorter ones, and never fewer than the rule's, so that a case that is very slow to
    start takes more than its budget.
    """
    longest = MAX_PAIR_SECONDS * math.sqrt(max(1.0, overhead_seconds / USUAL_OVERHEAD_SECONDS))
    room = budget_seconds / PAIRS - overhead_seconds
    seconds = min(max(room, MIN_PAIR_SECONDS), longest)
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

    def run_once(self, contest: Contest) -> None:
        """Run each side of *contest* once, for memory and counters; one that does not run is said, with the reason."""
        for side, setting, case in self._sides(contest):
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
                    print(f"{contest.label}: {side}: {found.status}: {found.why}", file=sys.stderr)

    def figures(self, contest: Contest) -> tuple[Figures | None, Figures | None]:
        """Return what the single run of each side says; None: it has not come to it."""
        base, head = (self._figures(contest, *one) for one in self._sides(contest))
        return base, head

    def _figures(self, contest: Contest, side: str, setting: Setting, case: Case) -> Figures | None:
        if (side, case.id) not in self.results:
            return None
        plan = Plan(cases=(case,), sampling=ONE_RUN, environment=setting.pool.environment)
        (found,) = figures_of(plan, [self.results[side, case.id]]).values()
        return dataclasses.replace(found, label=contest.label)

    def two_stages(
        self, contests: Sequence[Contest], margin_ratio: float, *, into: list[Pair], more_work: float = 0.0
    ) -> None:
        """
        Play the pairs of *contests*: a first look, and fresh pairs of what looked slower.

        Args:
            contests: Whose both sides ran.
            margin_ratio: The smallest change that matters.
            into: Takes each pair as soon as it is there.
            more_work: Share of its steps that the head trains besides, as if it were that much slower.
        """
        held = self.chance.sample(list(contests), canaries(len(contests)))
        looks: list[tuple[Contest, Stage]] = [(contest, "first") for contest in contests]
        looks += [(contest, "canary") for contest in held]
        self.say(
            f"the clock: {self._plural(contests, 'first')} of each case{_canary_words(held)}, {self._ahead(looks)}"
        )
        self._play(looks, more_work, into)
        if any(is_dead(_of(into, contest, "canary"), margin_ratio) for contest in held):
            return
        suspects = [
            contest
            for contest in contests
            if is_suspect(seen := _of(into, contest, "first"), margin_ratio) and not any(map(_is_broken, seen))
        ]
        if suspects:
            again: list[tuple[Contest, Stage]] = [(contest, "fresh") for contest in suspects]
            names = ", ".join(contest.label for contest in suspects)
            self.say(f"again, {self._plural(suspects, 'fresh')} of what looked slower, {self._ahead(again)}: {names}")
            self._play(again, more_work, into)

    def _play(self, looks: Sequence[tuple[Contest, Stage]], more_work: float, into: list[Pair]) -> None:
        """Play the pairs of *looks*, pair by pair in random order, so that all see the same weather."""
        paces = {contest.key: self.pace(contest) for contest, _ in looks}
        broken: set[tuple[str, Stage]] = set()
        for index in range(max(max(pace.counts.values()) for pace in paces.values())):
            for contest, stage in self.chance.sample(list(looks), len(looks)):
                pace = paces[contest.key]
                if index >= pace.counts[stage] or (contest.key, stage) in broken:
                    continue
                pair = self._play_one(self._match(contest, stage, pace, more_work), index, contest.label)
                if _is_broken(pair):
                    broken.add((contest.key, stage))
                into.append(pair)

    def _play_one(self, match: Match, index: int, label: str) -> Pair:
        """Play *match*, again where it breaks, and return the last of it."""
        for attempt in range(1 + RETRIES):
            pair = play_pair(match, index, head_first=self.chance.random() < 0.5)  # noqa: PLR2004 (a coin)
            self.keep(pair)
            if not _is_broken(pair):
                break
            again = "; once more" if attempt < RETRIES else ""
            self.say(f"{label}: a pair broke: {pair.status}: {pair.reason}{again}")
        return pair

    def _match(self, contest: Contest, stage: Stage, pace: Pace, more_work: float) -> Match:
        base = Side(pool=self.base.pool, place=self.base.place, case=contest.base)
        head = Side(pool=self.head.pool, place=self.head.place, case=contest.head)
        return Match(
            base=base,
            head=dataclasses.replace(base) if stage == "canary" else head,
            stage=stage,
            seconds=pace.seconds,
            timeout_seconds=self.timeout_seconds,
            compile_timeout_seconds=self.compile_timeout_seconds,
            step_seconds=self.step_seconds(contest),
            more_work=0.0 if stage == "canary" else more_work,
            is_in_one_process=self._share_a_process(contest),
        )

    def _share_a_process(self, contest: Contest) -> bool:
        """Whether one worker can hold both sides: modes of one revision, each of one process, on the same device."""
        cases = (contest.base, contest.head)
        are_modes = self.base == self.head and contest.base != contest.head
        return (
            are_modes and contest.base.device == contest.head.device and all(num_processes(one) == 1 for one in cases)
        )

    def pace(self, contest: Contest) -> Pace:
        """Return the pace of *contest*, from what its single runs took to prepare."""
        overhead_seconds = PAIR_OVERHEAD_SECONDS
        for side, _, case in self._sides(contest):
            result = self.results.get((side, case.id))
            found = result.figures if result else None
            overhead_seconds += (
                found.start_seconds + found.build_seconds + found.warmup_total_seconds - (found.compile_seconds or 0.0)
                if found
                else USUAL_OVERHEAD_SECONDS / 2
            )
        return pace_of(self.budget_seconds, overhead_seconds)

    def _plural(self, contests: Sequence[Contest], stage: Stage) -> str:
        counts = [self.pace(contest).counts[stage] for contest in contests]
        return f"{min(counts)} pairs" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)} pairs"

    def _ahead(self, looks: Iterable[tuple[Contest, Stage]]) -> str:
        return f"about {sum(self.pace(contest).expected_seconds(stage) for contest, stage in looks):.0f} s"

    def longest_seconds(self, contests: Sequence[Contest]) -> float:
        """Return what both stages and the canaries of *contests* take, if all of them look slower."""
        paces = [self.pace(contest) for contest in contests]
        both = sum(pace.expected_seconds("first") + pace.expected_seconds("fresh") for pace in paces)
        longest = max((pace.expected_seconds("canary") for pace in paces), default=0.0)
        return both + canaries(len(contests)) * longest

    def step_seconds(self, contest: Contest) -> float:
        """Return the longer step of the two single runs; 0 where there are none."""
        steps = (seconds for side in self.figures(contest) if side for seconds in side.step_seconds)
        return max(steps, default=0.0)

    def _sides(self, contest: Contest) -> tuple[tuple[str, Setting, Case], tuple[str, Setting, Case]]:
        return ("base", self.base, contest.base), ("head", self.head, contest.head)


def _of(pairs: Iterable[Pair], contest: Contest, stage: Stage) -> list[Pair]:
    case = contest.base if stage == "canary" else contest.head
    return [pair for pair in pairs if (pair.case.id, pair.stage) == (case.id, stage)]


def _is_broken(pair: Pair) -> bool:
    return pair.status != "ok"


def _canary_words(held: Sequence[Contest]) -> str:
    return f", and of {len(held)} of them base against base" if held else ""
