"""Two runs to hold against each other."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bench.case import Case
from bench.comparing.sides import Side, figures_of
from bench.result import CaseResult, Counters, Environment, Plan, SamplingPlan

HERE = Environment(hard={"torch": "2.13.0", "cores": "2"})
ELSEWHERE = Environment(hard={"torch": "2.13.0", "cores": "64"})
STEADY = (1.00, 1.002, 0.998, 1.001, 0.999, 1.0, 1.002, 0.998)
"""Eight workers that differ by some tenths of a per cent."""

MakeSide = Callable[..., Side]


def rounds_of(seconds: float, noise: float = 1.0) -> list[float]:
    """Return the steps of eight workers around *seconds*; *noise* multiplies how far they differ."""
    return [seconds * (1 + noise * (ratio - 1)) for ratio in STEADY]


@pytest.fixture
def make_side(make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]]) -> MakeSide:
    """Return the maker of a side from workload to step and fields of its measurements."""

    def make(cases: dict[str, Any], environment: Environment = HERE, name: str = "run") -> Side:
        results: list[CaseResult] = []
        planned: list[Case] = []
        for workload, given in cases.items():
            fields = dict(given) if isinstance(given, dict) else {"seconds": given}
            axes = fields.pop("axes", {})
            if fields.pop("unmeasured", False):
                planned.append(make_case(workload=workload.partition("/")[0], **axes))
                continue
            case = make_case(workload=workload.partition("/")[0], **axes)
            status = fields.pop("status", "ok")
            if status != "ok":
                results.append(CaseResult(case=case, round=0, status=status, reason=fields.get("reason")))
                continue
            operators = fields.pop("operators", 61)
            counters = Counters(source="dispatch", operators=operators, host_syncs=0) if operators else None
            steps: Sequence[float] = rounds_of(fields.pop("seconds", 0.01), fields.pop("noise", 1.0))
            flags = fields.pop("flags", ())
            made = make_rounds(case, steps, **{"counters": counters, "step_flops": 10**6, **fields})
            results += [dataclasses.replace(result, flags=flags) for result in made]
        planned += {result.case.id: result.case for result in results}.values()
        plan = Plan(cases=tuple(planned), sampling=SamplingPlan(), environment=environment)
        return Side(name=name, environment=environment, cases=figures_of(plan, results))

    return make
