"""Synthetic runs for the tests of results and reports."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bench.case import Case
from bench.result import CaseResult, Environment, Measurement, Plan, SamplingPlan
from bench.results.frame import Run

MIB = 2**20


def _case(**axes: Any) -> Case:
    usual: dict[str, Any] = {"workload": "mlp", "device": "cpu", "strategy": "single", "precision": "fp32"}
    return Case(**{**usual, "batch_size": 64, **axes})


def _measurement(step_seconds: float = 0.005, **fields: Any) -> Measurement:
    """Return ten steps of *step_seconds*: 30 % forward, 50 % backward, 20 % optimizer, after a warm-up of two."""
    shares = {"forward": 0.3, "backward": 0.5, "optimizer": 0.2, "step": 1.0}
    defaults: dict[str, Any] = {
        "clock": "host",
        "window_seconds": step_seconds * 10,
        "window_steps": 10,
        "samples_seconds": {phase: (step_seconds * share,) * 10 for phase, share in shares.items()},
        "warmup_seconds": {phase: (step_seconds * share * 2,) * 2 for phase, share in shares.items()},
        "warmup_steps": 2,
        "first_step_seconds": step_seconds * 4,
        "rank_window_seconds": (step_seconds * 10,),
        "parameters": 1000,
        "first_loss": 2.5,
        "final_loss": 2.0,
        "peak_allocated_bytes": 12 * MIB,
        "memory_source": "allocator",
        "start_seconds": 0.02,
        "build_seconds": 0.1,
        "warmup_total_seconds": 0.1,
        "num_threads": 2,
    }
    return Measurement(**{**defaults, **fields})


def _rounds(case: Case, step_seconds: Sequence[float], **fields: Any) -> list[CaseResult]:
    """Return one ok result a round."""
    return [
        CaseResult(case=case, round=number, status="ok", measurement=_measurement(seconds, **fields))
        for number, seconds in enumerate(step_seconds)
    ]


def _run(results: Sequence[CaseResult], cases: Sequence[Case] = (), **plan_fields: Any) -> Run:
    """Return a run of *results*; the plan holds *cases*, by default those that the results are of."""
    planned = tuple(cases) or tuple({result.case.id: result.case for result in results}.values())
    fields: dict[str, Any] = {"sampling": SamplingPlan(), "environment": Environment(), **plan_fields}
    return Run(directory=None, plan=Plan(cases=planned, **fields), results=tuple(results))


@pytest.fixture
def make_case() -> Callable[..., Case]:
    return _case


@pytest.fixture
def make_measurement() -> Callable[..., Measurement]:
    return _measurement


@pytest.fixture
def make_rounds() -> Callable[..., list[CaseResult]]:
    return _rounds


@pytest.fixture
def make_run() -> Callable[..., Run]:
    return _run
