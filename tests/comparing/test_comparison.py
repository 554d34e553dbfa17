"""What two runs come to: the verdict, what changed exactly, and what may not be said."""

import dataclasses
from typing import Any

import pytest

from bench.comparing.comparison import Change, Comparison, Row, compare, failures
from bench.result import Environment
from tests.comparing.conftest import ELSEWHERE, HERE, MakeSide

MIB = 2**20


def _only(comparison: Comparison) -> Row:
    (row,) = comparison.rows
    return row


@pytest.mark.parametrize(
    ("now", "verdict"), [(0.0105, "slower"), (0.0095, "faster"), (0.01001, "same"), (0.0102, "inconclusive")]
)
def test_the_verdict_is_the_interval_against_the_margin(make_side: MakeSide, now: float, verdict: str) -> None:
    row = _only(compare(make_side({"mlp": 0.01}), make_side({"mlp": now})))
    assert row.verdict == verdict
    assert row.ratio is not None
    assert row.ratio.value == pytest.approx(now / 0.01)
    assert row.base_seconds == pytest.approx(0.01, rel=1e-4)
    assert row.current_seconds == pytest.approx(now, rel=1e-4)


def test_another_margin_is_another_verdict(make_side: MakeSide) -> None:
    sides = make_side({"mlp": 0.01}), make_side({"mlp": 0.0105})
    assert _only(compare(*sides, margin_ratio=0.1)).verdict == "same"


def test_what_is_inconclusive_says_how_many_rounds_would_tell(make_side: MakeSide) -> None:
    row = _only(compare(make_side({"mlp": {"noise": 20}}), make_side({"mlp": {"seconds": 0.0104, "noise": 20}})))
    assert row.verdict == "inconclusive"
    assert row.why.startswith("about ")
    assert row.why.endswith(" rounds a side would tell")


@pytest.mark.parametrize("flag", ["teardown_abort", "implausible"])
def test_a_doubtful_time_is_no_verdict_and_a_harmless_flag_is(make_side: MakeSide, flag: str) -> None:
    row = _only(compare(make_side({"mlp": 0.01}), make_side({"mlp": {"seconds": 0.02, "flags": (flag,)}})))
    assert flag in row.flags
    assert row.verdict == ("slower" if flag == "teardown_abort" else "inconclusive")
    assert row.why == ("" if flag == "teardown_abort" else "flagged implausible")


def test_counters_and_memory_are_held_against_each_other_exactly(make_side: MakeSide) -> None:
    base = make_side({"mlp": {"operators": 61, "peak_allocated_bytes": 10 * MIB}})
    now = make_side({"mlp": {"operators": 62, "peak_allocated_bytes": 11 * MIB}})
    row = _only(compare(base, now))
    assert row.changes == (
        Change(name="peak_allocated_bytes", before=10 * MIB, now=11 * MIB),
        Change(name="operators", before=61, now=62),
    )
    assert [change.kind for change in row.changes] == ["memory", "counters"]
    assert not any(change.is_worse for change in _only(compare(now, base)).changes)


def test_some_bytes_of_a_thread_that_frees_late_are_no_change(make_side: MakeSide) -> None:
    for strategy, changes in (("ddp", 0), ("single", 1)):
        axes = {"strategy": strategy, "num_devices": 2 if strategy == "ddp" else 1}
        before, now = (make_side({"mlp": {"axes": axes, "peak_allocated_bytes": 791_596 + more}}) for more in (0, 72))
        assert len(_only(compare(before, now)).changes) == changes


def test_between_machines_only_ratios_of_each_runs_own_reference_are_compared(make_side: MakeSide) -> None:
    bf16 = {"axes": {"precision": "amp_bf16"}}
    base = make_side({"mlp": 0.01, "mlp/2": {**bf16, "seconds": 0.005}}, HERE)
    now = make_side({"mlp": 0.002, "mlp/2": {**bf16, "seconds": 0.0011}}, ELSEWHERE)  # 2 times as fast, then 1.82
    rows = {row.label.split("-")[3]: row for row in compare(base, now).rows}
    assert (rows["amp_bf16"].verdict, rows["amp_bf16"].is_relative) == ("slower", True)
    assert rows["amp_bf16"].ratio is not None
    assert rows["amp_bf16"].ratio.value == pytest.approx(1.1)
    assert rows["amp_bf16"].base_seconds is None
    assert (rows["fp32"].verdict, rows["fp32"].ratio) == (None, None)
    assert "the machines differ" in rows["fp32"].why


@pytest.mark.parametrize(("torch", "names"), [("2.13.0", ["operators"]), ("2.14.0", [])])
def test_between_machines_counts_are_compared_where_the_libraries_are_the_same_and_bytes_never(
    make_side: MakeSide, torch: str, names: list[str]
) -> None:
    other = dataclasses.replace(ELSEWHERE, hard={"torch": torch, "cores": "64"})
    base = make_side({"mlp": {"operators": 61, "peak_allocated_bytes": 10 * MIB}})
    now = make_side({"mlp": {"operators": 70, "peak_allocated_bytes": 20 * MIB}}, other)
    assert [change.name for change in _only(compare(base, now)).changes] == names


def test_a_case_that_does_other_work_is_another_case(make_side: MakeSide) -> None:
    row = _only(compare(make_side({"mlp": {"parameters": 1000}}), make_side({"mlp": {"parameters": 2000}})))
    assert (row.verdict, row.ratio) == (None, None)
    assert row.gap == "another model under the same name: parameters was 1,000 and is now 2,000; `ab` compares them"


def test_a_case_that_breaks_never_passes_and_one_that_cannot_run_here_is_no_failure(make_side: MakeSide) -> None:
    base = make_side({"mlp": 0.01, "cnn": 0.01})
    now = make_side(
        {
            "mlp": {"status": "oom", "reason": "CUDA out of memory"},
            "cnn": {"status": "skipped", "reason": "needs a GPU"},
        }
    )
    broken, skipped = compare(base, now).rows
    assert (broken.failure, skipped.failure) == ("oom: CUDA out of memory", "")
    assert skipped.gap == "ran before, skipped now: needs a GPU"
    assert [sentence for _, sentence in failures(compare(base, now), frozenset())] == [
        "ran before and does not now: oom: CUDA out of memory"
    ]


def test_a_case_that_vanished_fails_only_where_anything_does(make_side: MakeSide) -> None:
    found = compare(make_side({"mlp": 0.01, "cnn": 0.01}), make_side({"mlp": 0.01}))
    ((row, sentence),) = failures(found, {"any"})
    assert (row.label.split("-")[0], sentence) == ("cnn", "ran before, and is not in the current run")
    assert failures(found, {"slower", "memory", "counters", "inconclusive"}) == []


def test_new_and_vanished_cases_are_named(make_side: MakeSide) -> None:
    found = compare(make_side({"mlp": 0.01, "cnn": 0.01}), make_side({"mlp": 0.01, "lstm": 0.01}))
    assert [name.split("-")[0] for name in (*found.new, *found.vanished)] == ["lstm", "cnn"]


def test_the_worst_row_comes_first(make_side: MakeSide) -> None:
    base = make_side(dict.fromkeys(("a", "b", "c", "d"), 0.01))
    now = make_side(
        {"a": 0.01, "b": 0.0105, "c": {"seconds": 0.009, "operators": 99}, "d": {"status": "crashed", "reason": "x"}}
    )
    assert [row.label[0] for row in compare(base, now).rows] == ["d", "c", "b", "a"]


@pytest.mark.parametrize(
    ("fail_on", "sentences"),
    [
        ({"slower"}, {"slower by 5.0%"}),
        ({"counters"}, {"operators grew from 61 to 62"}),
        ({"operators", "host_syncs"}, {"operators grew from 61 to 62"}),
        ({"host_syncs"}, set()),
        ({"memory"}, {"peak_allocated_bytes grew from 10,485,760 to 11,534,336"}),
        ({"inconclusive"}, set()),
        (set(), set()),
        (
            {"any"},
            {
                "slower by 5.0%",
                "operators grew from 61 to 62",
                "peak_allocated_bytes grew from 10,485,760 to 11,534,336",
            },
        ),
    ],
)
def test_only_what_was_asked_for_fails(make_side: MakeSide, fail_on: set[str], sentences: set[str]) -> None:
    base = make_side({"mlp": {"operators": 61, "peak_allocated_bytes": 10 * MIB}})
    now = make_side({"mlp": {"seconds": 0.0105, "operators": 62, "peak_allocated_bytes": 11 * MIB}})
    assert {sentence for _, sentence in failures(compare(base, now), fail_on)} == sentences
    assert failures(compare(now, base), fail_on) == []


@pytest.mark.parametrize(
    ("current", "is_comparable"),
    [
        ({"mlp": 0.01}, True),
        ({"cnn": 0.01}, False),
        ({"mlp": {"parameters": 7}}, False),
        ({"mlp": {"status": "error", "reason": "x"}}, True),
        ({"mlp": {"status": "skipped", "reason": "x"}}, False),
        ({"mlp": {"unmeasured": True}}, False),
    ],
)
def test_whether_anything_can_be_said_at_all(make_side: MakeSide, current: dict[str, Any], is_comparable: bool) -> None:
    assert compare(make_side({"mlp": 0.01}), make_side(current)).is_comparable is is_comparable


def test_a_soft_difference_is_named_and_forbids_nothing(make_side: MakeSide) -> None:
    there = Environment(hard=HERE.hard, soft={"hostname": "there"})
    found = compare(make_side({"mlp": 0.01}), make_side({"mlp": 0.01}, there))
    assert [difference.key for difference in found.differences] == ["hostname"]
    assert _only(found).verdict == "same"


def test_one_worker_a_side_says_nothing_of_the_spread(make_side: MakeSide) -> None:
    one = make_side({"mlp": 0.01})
    (case_id,) = one.cases
    few = dataclasses.replace(one, cases={case_id: dataclasses.replace(one.cases[case_id], step_seconds=[0.02])})
    row = _only(compare(one, few))
    assert (row.verdict, row.why) == ("inconclusive", "one worker a side")


BF16, FP16 = {"precision": "amp_bf16"}, {"precision": "amp_fp16"}


def test_speed_ups_over_different_references_are_not_compared(make_side: MakeSide) -> None:
    base = make_side({"mlp": 0.01, "mlp/2": {"axes": BF16, "seconds": 0.005}, "mlp/3": {"axes": FP16}}, HERE)
    now = make_side({"mlp/2": {"axes": BF16, "seconds": 0.005}, "mlp/3": {"axes": FP16}}, ELSEWHERE)
    rows = compare(base, now).rows
    assert len(rows) == 2
    assert all(row.ratio is None and "no reference that ran on both" in row.why for row in rows)


def test_a_reference_in_doubt_puts_its_ratios_in_doubt(make_side: MakeSide) -> None:
    base = make_side({"mlp": 0.01, "mlp/2": {"axes": BF16, "seconds": 0.005}}, HERE)
    now = make_side(
        {"mlp": {"seconds": 0.005, "flags": ("contended",)}, "mlp/2": {"axes": BF16, "seconds": 0.005}}, ELSEWHERE
    )
    row = next(row for row in compare(base, now).rows if "bf16" in row.label)
    assert (row.verdict, row.why) == ("inconclusive", "flagged contended")


def test_a_run_that_was_cut_short_does_not_pass_unsaid(make_side: MakeSide) -> None:
    found = compare(make_side({"mlp": 0.01, "cnn": 0.01}), make_side({"mlp": 0.01, "cnn": {"unmeasured": True}}))
    row = next(row for row in found.rows if row.label.startswith("cnn"))
    assert row.gap == "ran before, unmeasured now: not reached before the run ended"
    assert found.vanished == ()
    assert [sentence for _, sentence in failures(found, {"any"})] == [row.gap]
    assert failures(found, {"slower", "memory", "counters"}) == []


def test_counters_that_are_gone_do_not_pass_unsaid(make_side: MakeSide) -> None:
    row = _only(compare(make_side({"mlp": {}}), make_side({"mlp": {"operators": None}})))
    assert row.gap == "not known now, and so not compared: operators, host_syncs"
    assert row.verdict == "same"
    assert _only(compare(make_side({"mlp": {"operators": None}}), make_side({"mlp": {}}))).gap == ""


def test_equal_counters_of_another_machine_are_an_answer(make_side: MakeSide) -> None:
    found = compare(make_side({"mlp": 0.01}, HERE), make_side({"mlp": 0.01}, ELSEWHERE))
    assert found.is_comparable
    assert (_only(found).compared, _only(found).changes) == (("operators", "host_syncs"), ())


def test_work_that_one_side_did_not_count_is_no_other_case(make_side: MakeSide) -> None:
    row = _only(compare(make_side({"mlp": {"step_flops": 10}}), make_side({"mlp": {"step_flops": None}})))
    assert (row.verdict, row.gap) == ("same", "")


def test_what_failed_before_is_named_whatever_it_does_now(make_side: MakeSide) -> None:
    failed = {"status": "error", "reason": "x"}
    found = compare(
        make_side({"a": failed, "b": failed, "c": failed, "d": 0.01}),
        make_side({"a": 0.01, "b": failed, "c": {"status": "skipped", "reason": "y"}, "d": 0.01}),
    )
    assert [label[0] for label in found.fixed] == ["a"]
    assert [label[0] for label in found.still_failing] == ["b"]


@pytest.mark.parametrize("flag", ["skipped_steps", "diverged", "recompiled", "allocator_retry", "few_rounds"])
def test_a_flag_that_voids_the_time_voids_the_verdict(make_side: MakeSide, flag: str) -> None:
    row = _only(compare(make_side({"mlp": 0.01}), make_side({"mlp": {"seconds": 0.02, "flags": (flag,)}})))
    assert (row.verdict, row.why) == ("inconclusive", f"flagged {flag}")
