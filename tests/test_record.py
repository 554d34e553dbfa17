"""Records survive the way to JSON and back."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.case import Case
from bench.record import from_plain, to_plain
from bench.result import (
    STATUSES,
    CaseResult,
    DeviceInfo,
    Environment,
    Failure,
    Measurement,
    Plan,
    SamplingPlan,
)

CASE = Case(workload="mlp:small", device="cpu", strategy="single", precision="fp32", batch_size=8)

UNHURRIED = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure, and a test leaves no folder behind."""

WORDS = st.text(max_size=8)
COUNTS = st.integers(min_value=0, max_value=2**62)
SECONDS = st.floats()  # NaN and infinity too: a loss may be either
TEXTS = st.dictionaries(WORDS, WORDS, max_size=3)
SAMPLES = st.dictionaries(WORDS, st.lists(SECONDS, max_size=4).map(tuple), max_size=3)


def _tuples(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, max_size=3).map(tuple)


CASES = st.builds(Case, workload=WORDS, device=WORDS, batch_size=COUNTS, num_devices=COUNTS, seed=COUNTS)
MEASUREMENTS = st.builds(
    Measurement,
    window_seconds=SECONDS,
    samples_seconds=SAMPLES,
    warmup_seconds=SAMPLES,
    rank_window_seconds=_tuples(SECONDS),
    final_loss=SECONDS,
    peak_allocated_bytes=st.none() | COUNTS,
    memory_source=st.none() | WORDS,
    notes=_tuples(WORDS),
)
FAILURES = st.builds(
    Failure,
    message=WORDS,
    log_tail=st.dictionaries(WORDS, _tuples(WORDS), max_size=3),
    exit_code=st.none() | st.integers(),
)
RESULTS = st.builds(
    CaseResult,
    case=CASES,
    status=st.sampled_from(STATUSES),
    reason=st.none() | WORDS,
    measurement=st.none() | MEASUREMENTS,
    failure=st.none() | FAILURES,
    flags=_tuples(WORDS),
)
ENVIRONMENTS = st.builds(
    Environment,
    devices=_tuples(st.builds(DeviceInfo, capability=st.none() | _tuples(COUNTS))),
    hard=TEXTS,
    soft=TEXTS,
)
PLANS = st.builds(
    Plan,
    cases=_tuples(CASES),
    sampling=st.builds(SamplingPlan, rounds=st.none() | COUNTS),
    environment=ENVIRONMENTS,
    command=_tuples(WORDS),
)


def _through_json(record: Any) -> Any:
    return from_plain(type(record), json.loads(json.dumps(to_plain(record))))


# repr tells tuples from lists and 1 from 1.0, and NaN is itself in it.
@UNHURRIED
@given(MEASUREMENTS)
def test_a_measurement_comes_back_as_it_was(measurement: Measurement) -> None:
    assert repr(_through_json(measurement)) == repr(measurement)


@UNHURRIED
@given(RESULTS)
def test_a_result_comes_back_as_it_was(result: CaseResult) -> None:
    assert repr(_through_json(result)) == repr(result)


@UNHURRIED
@given(PLANS)
def test_a_plan_comes_back_as_it_was(plan: Plan) -> None:
    assert repr(_through_json(plan)) == repr(plan)


def test_a_field_that_this_version_does_not_know_is_dropped() -> None:
    assert from_plain(Case, {**to_plain(CASE), "colour": "red"}) == CASE


def test_a_field_with_a_default_may_be_missing() -> None:
    plain = {key: value for key, value in to_plain(CASE).items() if key not in ("seed", "loop")}
    assert from_plain(Case, plain) == CASE


def test_a_missing_field_without_a_default_is_named() -> None:
    plain = {key: value for key, value in to_plain(CASE).items() if key != "precision"}
    with pytest.raises(KeyError, match="Case has no 'precision'"):
        from_plain(Case, plain)


@pytest.mark.parametrize(
    ("kind", "plain", "message"),
    [
        (Case, 3, "expected an object for Case, found 3"),
        (Case, None, "expected an object for Case, found null"),
        (tuple[int, ...], "123", 'expected a list, found "123"'),
        (tuple[int, ...], {"a": 1}, 'expected a list, found {"a": 1}'),
        (Mapping[str, int], [1, 2], r"expected an object, found \[1, 2\]"),
    ],
)
def test_json_of_another_shape_is_a_type_error_that_shows_it(kind: Any, plain: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        from_plain(kind, plain)


@pytest.mark.parametrize(
    ("kind", "plain", "message"),
    [
        (int, "x", 'expected a whole number, found "x"'),
        (int, True, "expected a whole number, found true"),
        (int, 1.5, "expected a whole number, found 1.5"),
        (float, "1", 'expected a number, found "1"'),
        (str, None, "expected a text, found null"),
        (bool, 1, "expected true or false, found 1"),
    ],
)
def test_a_value_of_another_kind_is_a_type_error(kind: Any, plain: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        from_plain(kind, plain)
    assert str(caught.value) == message
    assert from_plain(float, 1) == 1


def test_records_in_lists_and_mappings_are_plain_too() -> None:
    plain = to_plain({"cases": [CASE], "count": 1})
    assert plain == {"cases": [dataclasses.asdict(CASE)], "count": 1}
