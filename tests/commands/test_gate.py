"""The gate's plan with scripted pairs: how many of which length, who gets a second look, and when it stops."""

import dataclasses
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from bench.case import Case
from bench.commands import _gate
from bench.commands._compared_cases import ComparedCase
from bench.commands._gate import MAX_PAIR_SECONDS, MIN_PAIR_SECONDS, PAIR_OVERHEAD_SECONDS, Gate, pace_of
from bench.commands._sides import Setting
from bench.comparing.two_stages import FIRST_PAIRS, FRESH_PAIRS
from bench.pair import Pair, Stage, Turns
from bench.result import CaseResult, Environment, Measurement, Usage, Use
from bench.running.pairs import PairPlan
from bench.running.pool import Place, Pool

MARGIN = 0.02
USE = Use(usage=Usage(cpu_seconds=0.1, involuntary_switches=0), window_seconds=0.1, num_threads=1)
SMALL_BUDGET_SECONDS = 1.0
"""With it a case gets the rule's pairs and no more."""


def test_the_usual_budget_means_the_longest_pairs_and_some_more_of_them() -> None:
    pace = pace_of(100.0, 0.8)
    assert (pace.seconds, pace.overhead_seconds) == (MAX_PAIR_SECONDS, 0.8)
    assert pace.counts == {"first": 14, "fresh": 36, "canary": 14}  # 100 s hold 50 of 2 s
    assert pace.expected_seconds("first") == 28.0


def test_a_smaller_budget_means_shorter_pairs() -> None:
    pace = pace_of(44.0, 1.0)
    assert (pace.seconds, pace.counts["first"], pace.counts["fresh"]) == (1.0, FIRST_PAIRS, FRESH_PAIRS)


@pytest.mark.parametrize(("budget_seconds", "overhead_seconds"), [(SMALL_BUDGET_SECONDS, 1.0), (100.0, 30.0)])
def test_with_too_small_a_budget_or_slow_a_start_there_are_as_many_as_the_rule_says(
    budget_seconds: float, overhead_seconds: float
) -> None:
    pace = pace_of(budget_seconds, overhead_seconds)
    assert pace.seconds == MIN_PAIR_SECONDS
    assert pace.counts == {"first": FIRST_PAIRS, "fresh": FRESH_PAIRS, "canary": FIRST_PAIRS}


def test_a_larger_budget_means_more_pairs_and_not_longer_ones() -> None:
    pace = pace_of(440.0, 0.8)
    assert pace.seconds == MAX_PAIR_SECONDS
    assert pace.counts == {"first": 60, "fresh": 160, "canary": 60}
    assert pace.expected_seconds("first") + pace.expected_seconds("fresh") == 440.0


@dataclasses.dataclass
class Script:
    """What the pairs come to, and those that were asked for."""

    ratios: dict[tuple[str, Stage], float] = dataclasses.field(default_factory=dict)
    """By workload and stage; 1 where nothing is said."""
    broken: dict[tuple[str, Stage], int] = dataclasses.field(default_factory=dict)
    """The number of the pair that breaks."""
    blamed: list[Literal["", "base", "head"]] = dataclasses.field(default_factory=list)
    """Who breaks it at each attempt; later ones are fine. Empty: every attempt breaks, and nobody is to blame."""
    plans: list[PairPlan] = dataclasses.field(default_factory=list)
    heads_first: list[bool] = dataclasses.field(default_factory=list)

    def run_pair(self, plan: PairPlan, index: int, *, head_first: bool) -> Pair:
        self.plans.append(plan)
        self.heads_first.append(head_first)
        key = plan.head.case.workload, plan.stage
        pair = Pair(case=plan.head.case, stage=plan.stage, index=index, server=0, head_first=head_first)
        if self.broken.get(key) == index:
            attempt = sum((one.head.case.workload, one.stage) == key for one in self.plans) - index - 1
            ended = dataclasses.replace(
                pair, status="crashed", reason="a worker was killed by SIGSEGV", log_tail=("last words",)
            )
            if not self.blamed:
                return ended
            if attempt < len(self.blamed):
                return dataclasses.replace(ended, broken=self.blamed[attempt])
        ratio = self.ratios.get(key, 1.0) * (1.001 if index % 2 else 0.999)
        base, head = (Turns(step_seconds=(seconds,) * 2, uses=(USE,) * 2) for seconds in (0.01, 0.01 * ratio))
        return dataclasses.replace(pair, base=base, head=head, steps=10)


class ScriptedPool:
    """Answers visits."""

    def __init__(self, result_of: Callable[[Case], CaseResult]) -> None:
        self.result_of = result_of
        self.environment = Environment()
        self.orders: list[dict[str, Any]] = []

    def visit(self, case: Case, **order: Any) -> CaseResult:
        self.orders.append({"case": case, **order})
        return self.result_of(case)


@dataclasses.dataclass
class ScriptedGate:
    """A gate whose pairs were run by a script."""

    gate: Gate
    cases: Sequence[ComparedCase]
    script: Script
    pairs: list[Pair]
    said: list[str]

    @property
    def counts(self) -> Mapping[tuple[str, Stage], int]:
        """How many pairs of each workload and stage there are."""
        return Counter((pair.case.workload, pair.stage) for pair in self.pairs)


RunPairs = Callable[..., ScriptedGate]


@pytest.fixture(name="result_of")
def _result_of(make_measurement: Callable[..., Measurement]) -> Callable[[Case], CaseResult]:
    return lambda case: CaseResult(case=case, round=0, status="ok", measurement=make_measurement())


@pytest.fixture(name="gate")
def _gate_fixture(result_of: Callable[[Case], CaseResult]) -> Gate:
    return _gate_of(ScriptedPool(result_of))


def _gate_of(pool: ScriptedPool, said: list[str] | None = None) -> Gate:
    base, head = (
        Setting(name=name, place=Place(name=name, working_directory=Path("/", name)), pool=cast("Pool", pool))
        for name in ("base", "head")
    )
    heard: list[str] = [] if said is None else said
    return Gate(
        base=base,
        head=head,
        budget_seconds=SMALL_BUDGET_SECONDS,
        timeout_seconds=30.0,
        say=heard.append,
        chance=random.Random(7),
    )


@pytest.fixture(name="cases")
def _compared_cases(make_case: Callable[..., Case]) -> list[ComparedCase]:
    cases = [make_case(workload=f"w{number}") for number in range(4)]
    return [ComparedCase(base=case, head=case, label=case.slug) for case in cases]


@pytest.fixture(name="run_pairs")
def _run_pairs(
    monkeypatch: pytest.MonkeyPatch, result_of: Callable[[Case], CaseResult], cases: Sequence[ComparedCase]
) -> RunPairs:
    """Return what runs both stages of so many cases by a script."""

    def run_pairs(script: Script, number: int = 3, **options: Any) -> ScriptedGate:
        monkeypatch.setattr(_gate, "run_pair", script.run_pair)
        said: list[str] = []
        done = ScriptedGate(
            gate=_gate_of(ScriptedPool(result_of), said), cases=cases[:number], script=script, pairs=[], said=said
        )
        done.gate.two_stages(done.cases, MARGIN, into=done.pairs, **options)
        return done

    return run_pairs


def test_where_nothing_looks_slower_each_case_is_looked_at_once(run_pairs: RunPairs) -> None:
    done = run_pairs(Script(ratios={("w1", "first"): 0.8}))
    assert done.counts == {(f"w{number}", "first"): FIRST_PAIRS for number in range(3)}
    assert len(done.said) == 1
    assert done.said[0].startswith("the clock: 6 pairs of each case, about ")


def test_only_what_looks_slower_gets_fresh_pairs(run_pairs: RunPairs) -> None:
    done = run_pairs(Script(ratios={("w1", "first"): 1.05, ("w1", "fresh"): 1.05}))
    assert done.counts == {**{(f"w{number}", "first"): FIRST_PAIRS for number in range(3)}, ("w1", "fresh"): 16}
    assert [pair.stage for pair in done.pairs[-FRESH_PAIRS:]] == ["fresh"] * FRESH_PAIRS
    assert done.said[1].startswith("again, 16 pairs of what looked slower, about ")
    assert done.said[1].endswith(f" s: {done.cases[1].label}")


def test_pairs_of_all_cases_are_mixed_and_each_pair_of_a_case_has_the_next_number(run_pairs: RunPairs) -> None:
    pairs = run_pairs(Script()).pairs
    for index in range(FIRST_PAIRS):
        some = pairs[3 * index : 3 * index + 3]
        assert {pair.case.workload for pair in some} == {"w0", "w1", "w2"}
        assert {pair.index for pair in some} == {index}
    assert len({tuple(pair.case.workload for pair in pairs[n : n + 3]) for n in range(0, len(pairs), 3)}) > 1


def test_chance_says_who_is_created_first(run_pairs: RunPairs) -> None:
    assert set(run_pairs(Script()).script.heads_first) == {True, False}


def test_from_four_cases_on_two_also_run_base_against_base(run_pairs: RunPairs) -> None:
    done = run_pairs(Script(), number=4)
    held = [plan for plan in done.script.plans if plan.stage == "canary"]
    assert len(held) == 2 * FIRST_PAIRS
    assert len({plan.base.case.id for plan in held}) == 2
    assert all((plan.base, plan.head.place.name) == (plan.head, "base") for plan in held)
    assert done.said[0].startswith("the clock: 6 pairs of each case, and of 2 of them base against base, about ")


def test_where_the_base_differs_from_itself_there_is_no_second_look(run_pairs: RunPairs) -> None:
    ratios: dict[tuple[str, Stage], float] = {(f"w{number}", "canary"): 1.05 for number in range(4)}
    done = run_pairs(Script(ratios={**ratios, ("w0", "first"): 1.1}), number=4)
    assert {stage for _, stage in done.counts} == {"first", "canary"}
    assert len(done.said) == 1


def test_of_modes_too_the_base_is_held_against_itself(
    gate: Gate, cases: Sequence[ComparedCase], make_case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = [
        dataclasses.replace(compared, base=make_case(workload=f"base{number}")) for number, compared in enumerate(cases)
    ]
    ratios: dict[tuple[str, Stage], float] = {(f"base{number}", "canary"): 1.05 for number in range(4)}
    script = Script(ratios={**ratios, ("w0", "first"): 1.1})
    monkeypatch.setattr(_gate, "run_pair", script.run_pair)
    gate.two_stages(modes, MARGIN, into=[])
    assert {plan.head.case.workload[:4] for plan in script.plans if plan.stage == "canary"} == {"base"}
    assert {plan.stage for plan in script.plans} == {"first", "canary"}


def test_a_pair_that_breaks_is_the_last_of_its_case(run_pairs: RunPairs) -> None:
    done = run_pairs(Script(broken={("w1", "first"): 1}))
    assert done.counts == {("w0", "first"): 6, ("w1", "first"): 2, ("w2", "first"): 6}
    assert f"{done.cases[1].label}: a pair broke: crashed: a worker was killed by SIGSEGV" in done.said


def test_a_pair_that_breaks_once_is_run_again_and_counts(run_pairs: RunPairs) -> None:
    script = Script(broken={("w1", "first"): 1}, blamed=["head"])
    done = run_pairs(script)
    assert done.counts == {(f"w{number}", "first"): FIRST_PAIRS for number in range(3)}
    assert {pair.status for pair in done.pairs} == {"ok"}
    assert len(script.plans) == 3 * FIRST_PAIRS + 1
    (said,) = done.said[1:]
    assert said == f"{done.cases[1].label}: a pair broke: crashed: a worker was killed by SIGSEGV; once more"


@pytest.mark.parametrize(
    ("blamed", "base_breaks", "broken"),
    [
        (["head", "head"], False, "head"),
        (["base", "head"], False, ""),
        (["head", ""], False, ""),
        (["head", "head"], True, ""),
    ],
)
def test_a_head_is_blamed_that_breaks_every_time_beside_a_base_that_stands_beside_itself(
    run_pairs: RunPairs, blamed: list[Literal["", "base", "head"]], base_breaks: bool, broken: str
) -> None:
    """Two GPU contexts in exclusive mode, or two jobs of NCCL in a small /dev/shm, are no fault of the head."""
    stages: list[Stage] = ["first", "canary"] if base_breaks else ["first"]
    script = Script(broken={("w1", stage): 0 for stage in stages}, blamed=blamed)
    done = run_pairs(script)
    (pair,) = [pair for pair in done.pairs if pair.status != "ok"]
    assert (pair.broken, "so do two of the base" in pair.reason) == (broken, base_breaks)
    assert "    last words" in done.said
    assert sum(plan.stage == "canary" for plan in script.plans) == (blamed == ["head", "head"])


def test_files_of_two_workloads_have_a_process_each(
    gate: Gate, make_case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one's `import net` would find the first one's."""
    gate.head = gate.base
    script = Script()
    monkeypatch.setattr(_gate, "run_pair", script.run_pair)
    old, new = (make_case(workload=f"{name}/model.py:small") for name in ("old", "new"))
    amp = make_case(workload="old/model.py:small", precision="amp_bf16")
    for base, head in ((old, new), (old, amp)):
        gate.two_stages([ComparedCase(base=base, head=head, label="x")], MARGIN, into=[])
    assert [plan.is_in_one_process for plan in script.plans] == [False] * FIRST_PAIRS + [True] * FIRST_PAIRS


def test_steps_that_are_longer_than_turns_make_longer_pairs_and_fewer_of_them() -> None:
    pace = pace_of(100.0, 0.8, 8.0)
    assert (pace.seconds, pace.counts["first"], pace.counts["fresh"]) == (8.0, FIRST_PAIRS, FRESH_PAIRS)
    assert pace.expected_seconds("first") == pytest.approx(FIRST_PAIRS * 8.8)
    assert pace.expected_seconds("first", 20.0) == pytest.approx(FIRST_PAIRS * 20.8)


def test_a_case_that_broke_is_not_looked_at_again_however_slow_it_looked(run_pairs: RunPairs) -> None:
    ratios: dict[tuple[str, Stage], float] = {("w0", "first"): 1.5, ("w1", "first"): 1.5}
    script = Script(broken={("w1", "first"): 4}, ratios=ratios)
    done = run_pairs(script)
    assert {key for key in done.counts if key[1] == "fresh"} == {("w0", "fresh")}


def test_more_work_is_the_head_s_alone(run_pairs: RunPairs) -> None:
    plans = run_pairs(Script(), number=4, more_work=0.05).script.plans
    assert {(plan.stage, plan.more_work) for plan in plans} == {("first", 0.05), ("canary", 0.0)}


def test_each_side_runs_where_its_code_lies(run_pairs: RunPairs) -> None:
    (plan, *_) = run_pairs(Script()).script.plans
    assert (plan.base.place.name, plan.head.place.name) == ("base", "head")
    assert (plan.seconds, plan.timeout_seconds) == (MIN_PAIR_SECONDS, 30.0)


def test_every_pair_is_shown_as_soon_as_it_is_there(
    gate: Gate, cases: Sequence[ComparedCase], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_gate, "run_pair", Script().run_pair)
    pairs: list[Pair] = []
    shown: list[tuple[Pair, int]] = []
    gate.keep = lambda pair: shown.append((pair, len(pairs)))
    gate.two_stages(cases[:2], MARGIN, into=pairs)
    assert shown == [(pair, number) for number, pair in enumerate(pairs)]


def test_each_side_runs_once_for_what_is_exact(gate: Gate, cases: Sequence[ComparedCase]) -> None:
    pool = cast("ScriptedPool", gate.base.pool)
    assert gate.figures(cases[0]) == (None, None)
    for _ in range(2):
        gate.run_once(cases[0])
    assert [order["place"].name for order in pool.orders] == ["base", "head"]
    assert all(order["with_extras"] and order["timeout_seconds"] == 30.0 for order in pool.orders)
    assert [side.label for side in gate.figures(cases[0]) if side] == [cases[0].label] * 2


def test_modes_that_share_a_base_run_it_once(gate: Gate, make_case: Callable[..., Case]) -> None:
    base = make_case()
    others = [make_case(precision=precision) for precision in ("amp_bf16", "amp_fp16")]
    for other in others:
        gate.run_once(ComparedCase(base=base, head=other, label="x"))
    assert [order["case"] for order in cast("ScriptedPool", gate.base.pool).orders] == [base, *others]


def test_a_pair_s_overhead_is_what_the_single_runs_took_to_prepare(gate: Gate, cases: Sequence[ComparedCase]) -> None:
    assert gate.pace(cases[0]).overhead_seconds == pytest.approx(PAIR_OVERHEAD_SECONDS + 1.0)
    gate.run_once(cases[0])
    assert gate.pace(cases[0]).overhead_seconds == pytest.approx(PAIR_OVERHEAD_SECONDS + 2 * (0.02 + 0.1 + 0.1))
