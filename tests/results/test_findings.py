"""Findings claim what their intervals bear out, of pairs that differ in one axis, and say why where they cannot."""

import dataclasses
import math
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bench.case import Case
from bench.result import CaseResult, Counters, DeviceInfo, Environment, SamplingPlan
from bench.results.findings import Finding, findings_of
from bench.results.frame import Run

MIB = 2**20
X = "\N{MULTIPLICATION SIGN}"
STEADY = [0.004, 0.004, 0.004]
TWICE_AS_FAST = [0.002, 0.002, 0.002]
HALF_AS_FAST = [0.008, 0.008, 0.008]
CPU_ONLY = Environment()
GPUS = Environment(devices=tuple(DeviceInfo(type="cuda", index=index, name="NVIDIA H100") for index in range(2)))

MakeCase = Callable[..., Case]
Measured = tuple[Case, Sequence[float], dict[str, Any]]


@pytest.fixture
def run_of(make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]) -> Callable[..., Run]:
    def run(*measured: Measured | CaseResult, environment: Environment = GPUS) -> Run:
        results: list[CaseResult] = []
        for entry in measured:
            results += [entry] if isinstance(entry, CaseResult) else make_rounds(entry[0], entry[1], **entry[2])
        return make_run(results, sampling=SamplingPlan(min_rounds=3), environment=environment)

    return run


@pytest.fixture
def told(run_of: Callable[..., Run]) -> Callable[..., list[Finding]]:
    """Return what a run says of one topic."""

    def topic(name: str, *measured: Measured | CaseResult, environment: Environment = GPUS) -> list[Finding]:
        return [finding for finding in findings_of(run_of(*measured, environment=environment)) if finding.topic == name]

    return topic


def _only(findings: Sequence[Finding]) -> tuple[str, str]:
    (finding,) = findings
    return finding.verdict, finding.sentence


def _of(case: Case, steps: Sequence[float], **fields: Any) -> Measured:
    return case, steps, fields


def test_a_sure_gain_is_said_with_its_interval_and_what_it_needs_in_memory(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    fp32, bf16 = make_case(), make_case(precision="amp_bf16")
    (found,) = told(
        "amp_speed",
        _of(fp32, [0.00562, 0.00562, 0.00562], peak_allocated_bytes=100 * MIB),
        _of(bf16, [0.00197, 0.00200, 0.00203], peak_allocated_bytes=103 * MIB),
    )
    assert found.sentence == (
        f"AMP bf16 trains mlp 2.8{X} faster than fp32 on this CPU (2.71 to 2.92) and needs 3 % more memory"
    )
    assert (found.claim, found.verdict) == ("AMP is faster", "confirmed")
    assert (found.case_id, found.reference_id, found.flags) == (bf16.id, fp32.id, ())
    assert found.ratio is not None
    assert found.ratio.low is not None
    assert found.ratio.low < 2.81 < found.ratio.value + 0.01


def test_a_sure_loss_is_said_as_the_speed_that_is_left(make_case: MakeCase, told: Callable[..., list[Finding]]) -> None:
    found = told("amp_speed", _of(make_case(), STEADY), _of(make_case(precision="amp_fp16"), HALF_AS_FAST))
    assert _only(found) == (
        "refuted",
        f"AMP fp16 trains mlp at 0.5000{X} the speed of fp32 on this CPU (0.5000 to 0.5000) and needs as much memory",
    )


def test_what_lies_within_the_margin_is_no_difference(make_case: MakeCase, told: Callable[..., list[Finding]]) -> None:
    bf16 = make_case(precision="amp_bf16")
    found = told("amp_speed", _of(make_case(), STEADY), _of(bf16, [0.00398, 0.004, 0.00402]))
    verdict, sentence = _only(found)
    assert verdict == "no_difference"
    assert sentence.startswith("AMP bf16 trains mlp as fast as fp32 on this CPU, within 2 % (0.99 to 1.01)")


def test_an_interval_that_holds_1_makes_no_claim_and_says_how_many_rounds_would(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    found = told("amp_speed", _of(make_case(), STEADY), _of(make_case(precision="amp_bf16"), [0.0034, 0.0037, 0.0041]))
    verdict, sentence = _only(found)
    assert verdict == "inconclusive"
    assert re.fullmatch(
        rf"Whether AMP bf16 trains mlp faster than fp32 on this CPU cannot be told from 3 rounds: 1\.1{X} the speed "
        r"\(0\.85 to 1\.36\); about \d\d rounds would tell",
        sentence,
    )


def test_what_lies_at_the_margin_itself_is_not_promised_to_any_number_of_rounds(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    found = told(
        "amp_speed", _of(make_case(), STEADY), _of(make_case(precision="amp_bf16"), [0.00382, 0.00392, 0.00402])
    )
    verdict, sentence = _only(found)
    assert verdict == "inconclusive"
    assert sentence.endswith("; near the margin of 2 %, where more rounds hardly tell")


def test_rounds_that_differ_wildly_promise_nothing(make_case: MakeCase, told: Callable[..., list[Finding]]) -> None:
    found = told("amp_speed", _of(make_case(), STEADY), _of(make_case(precision="amp_bf16"), [0.001, 0.004, 0.1]))
    assert _only(found) == (
        "inconclusive",
        "3 rounds differ too much to tell whether AMP bf16 trains mlp faster than fp32 on this CPU",
    )


def test_one_round_tells_nothing(make_case: MakeCase, told: Callable[..., list[Finding]]) -> None:
    found = told("amp_speed", _of(make_case(), [0.004]), _of(make_case(precision="amp_bf16"), [0.002]))
    verdict, sentence = _only(found)
    assert verdict == "inconclusive"
    assert sentence.startswith(
        "In doubt (few_rounds): one round does not tell whether AMP bf16 trains mlp faster than fp32 on this CPU"
    )


@pytest.mark.parametrize("flagged", [0, 1])
def test_a_row_in_doubt_leaves_no_verdict_and_the_sentence_says_why(
    make_case: MakeCase, make_rounds: Callable[..., list[CaseResult]], told: Callable[..., list[Finding]], flagged: int
) -> None:
    sides = [make_rounds(make_case(), STEADY), make_rounds(make_case(precision="amp_bf16"), TWICE_AS_FAST)]
    sides[flagged] = [dataclasses.replace(result, flags=("contended",)) for result in sides[flagged]]
    (found,) = told("amp_speed", *sides[0], *sides[1])
    assert (found.verdict, found.flags) == ("inconclusive", ("contended",))
    assert found.sentence.startswith("In doubt (contended): AMP bf16 trains mlp 2.000")


def test_only_rounds_that_both_have_count_and_drift_between_rounds_cancels(
    make_case: MakeCase, make_rounds: Callable[..., list[CaseResult]], told: Callable[..., list[Finding]]
) -> None:
    drifting = [0.004, 0.008, 0.016, 0.1]
    halved = [seconds / 2 for seconds in drifting[:3]]
    found = told("amp_speed", _of(make_case(), drifting), _of(make_case(precision="amp_bf16"), halved))
    assert _only(found)[1].startswith(f"AMP bf16 trains mlp 2.000{X} faster than fp32")


def test_each_workload_and_batch_has_a_finding_and_the_plainest_pair_speaks_for_it(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    measured = []
    for axes in (
        {"strategy": "ddp", "num_devices": 2, "batch_size": 32},
        {},
        {"batch_size": 8},
        {"workload": "cnn"},
        {"loop": "item"},
    ):
        measured.append(_of(make_case(**axes), STEADY))
        measured.append(_of(make_case(**axes, precision="amp_bf16"), TWICE_AS_FAST))
        measured.append(_of(make_case(**axes, precision="amp_fp16"), HALF_AS_FAST))
    found = told("amp_speed", *measured)
    ids = {make_case(**axes, precision="amp_bf16").id for axes in ({}, {"batch_size": 8}, {"workload": "cnn"})}
    assert {finding.case_id for finding in found} == ids
    assert any("trains mlp (batch 8) 2.000" in finding.sentence for finding in found)


def test_what_was_measured_on_a_gpu_comes_before_what_was_on_the_cpu(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    measured = [
        _of(make_case(device=device, precision=precision), STEADY)
        for device in ("cpu", "cuda")
        for precision in ("fp32", "amp_bf16")
    ]
    assert [finding.case_id.split("-")[1] for finding in told("amp_speed", *measured)] == ["cuda", "cpu"]


def test_whatever_was_measured_a_claim_has_its_whole_interval_beyond_the_margin(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    chance = random.Random(6)
    seen = set()
    for _ in range(60):
        middle, scatter = chance.choice([0.95, 0.99, 1.0, 1.01, 1.05]), chance.choice([0.002, 0.01, 0.05])
        steps = [0.004 * middle * math.exp(chance.gauss(0, scatter)) for _ in range(5)]
        (found,) = told(
            "amp_speed", _of(make_case(), STEADY + [0.004] * 2), _of(make_case(precision="amp_bf16"), steps)
        )
        seen.add(found.verdict)
        low, high = (found.ratio.low, found.ratio.high) if found.ratio else (None, None)
        assert low is not None
        assert high is not None
        expected = {"confirmed": low > 1.02, "refuted": high < 0.98, "no_difference": low >= 0.98 and high <= 1.02}
        assert [verdict for verdict, holds in expected.items() if holds] in ([found.verdict], [])
        assert (found.verdict == "inconclusive") == (not any(expected.values()))
    assert seen == {"confirmed", "refuted", "no_difference", "inconclusive"}


def test_memory_of_workloads_that_agree_is_one_sentence_and_needs_no_interval(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    needed = {"mlp": 107, "cnn": 70, "lstm": 89, "transformer": 101}
    measured = []
    for workload, mebibytes in needed.items():
        measured.append(_of(make_case(workload=workload), [0.004], peak_allocated_bytes=100 * MIB))
        bf16 = make_case(workload=workload, precision="amp_bf16")
        measured.append(_of(bf16, [0.004], peak_allocated_bytes=mebibytes * MIB))
    found = told("amp_memory", *measured)
    assert [(finding.verdict, finding.sentence) for finding in found] == [
        ("refuted", "AMP bf16 needs more memory than fp32 on this CPU: 7 % for mlp"),
        ("confirmed", "AMP bf16 needs less memory than fp32 on this CPU: 30 % for cnn, 11 % for lstm"),
        ("no_difference", "AMP bf16 needs as much memory as fp32 on this CPU, within 2 %: transformer"),
    ]
    assert [finding.ratio.value for finding in found if finding.ratio] == pytest.approx(
        [1.07, (0.7 * 0.89) ** 0.5, 1.01]
    )
    assert found[1].case_id == ""


def test_memory_is_the_allocators_and_never_the_resident_size(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    resident = {"peak_allocated_bytes": None, "memory_source": None}
    measured = [
        _of(make_case(), STEADY, process_peak_bytes=100 * MIB, **resident),
        _of(make_case(precision="amp_bf16"), TWICE_AS_FAST, process_peak_bytes=50 * MIB, **resident),
    ]
    assert _only(told("amp_memory", *measured))[0] == "not_here"
    assert "memory" not in _only(told("amp_speed", *measured))[1]


def test_a_gradient_that_is_another_one_leaves_memory_in_doubt_and_a_busy_processor_does_not(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    fp32 = _of(make_case(), STEADY, peak_allocated_bytes=100 * MIB)
    bf16 = make_case(precision="amp_bf16")
    other = _of(bf16, STEADY, peak_allocated_bytes=50 * MIB, loss_deviation_ratio=0.5)
    verdict, sentence = _only(told("amp_memory", fp32, other))
    assert verdict == "inconclusive"
    assert sentence == "In doubt (diverged): AMP bf16 needs by its figures on this CPU 50 % less memory for mlp"
    assert _only(told("amp_memory", fp32, _of(bf16, [0.004], peak_allocated_bytes=50 * MIB)))[0] == "confirmed"


def test_a_gpu_is_held_against_the_cpu_with_its_usual_input(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    found = told(
        "gpu_speed",
        _of(make_case(), STEADY),
        _of(make_case(device="cuda", input="resident"), [0.0001, 0.0001, 0.0001]),
        _of(make_case(device="cuda", input="pinned"), TWICE_AS_FAST, drain_seconds=0.0001),
        _of(make_case(device="cuda", strategy="ddp", num_devices=2, batch_size=32), [0.0001, 0.0001, 0.0001]),
    )
    assert _only(found) == (
        "confirmed",
        (
            f"NVIDIA H100 trains mlp 2.000{X} faster than this CPU (2.000 to 2.000); "
            "launch_bound: the device waits for the host"
        ),
    )


def test_amp_of_two_sizes_of_a_model_says_which_gains_more(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    def size(name: str, parameters: int, fast: Sequence[float]) -> list[Measured]:
        axes = {"workload": f"transformer:{name}", "device": "cuda"}
        return [
            _of(make_case(**axes), STEADY, parameters=parameters),
            _of(make_case(**axes, precision="amp_bf16"), fast, parameters=parameters),
        ]

    found = told("amp_large", *size("gpt2", 10**8, TWICE_AS_FAST), *size("small", 10**5, STEADY))
    assert _only(found) == (
        "confirmed",
        (
            f"AMP bf16 trains transformer:gpt2 at 2.00{X} and transformer:small at 1.00{X} the speed of fp32 on "
            f"NVIDIA H100; the larger gains more: 2.000{X} as much (2.000 to 2.000)"
        ),
    )
    found = told("amp_large", *size("gpt2", 10**8, TWICE_AS_FAST), *size("small", 10**5, TWICE_AS_FAST))
    assert _only(found)[0] == "no_difference"
    found = told("amp_large", *size("gpt2", 10**8, [0.0020, 0.0022, 0.0025]), *size("small", 10**5, TWICE_AS_FAST))
    assert _only(found)[0] == "inconclusive"
    assert _only(told("amp_large", *size("gpt2", 10**8, TWICE_AS_FAST)))[0] == "not_here"


def test_data_parallel_is_held_against_ddp_on_as_many_devices(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    shared = {"device": "cuda", "num_devices": 2, "batch_size": 32}
    found = told(
        "data_parallel_speed",
        _of(make_case(**shared, strategy="ddp"), STEADY),
        _of(make_case(**shared, strategy="data_parallel"), HALF_AS_FAST),
        _of(make_case(device="cuda", num_devices=4, batch_size=16, strategy="ddp"), STEADY),
    )
    assert _only(found) == (
        "confirmed",
        f"DataParallel trains mlp at 0.5000{X} the speed of DDP on 2 {X} NVIDIA H100 (0.5000 to 0.5000)",
    )


def test_more_gpus_have_an_efficiency_and_only_on_the_same_global_batch(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    single = _of(make_case(device="cuda"), STEADY)
    strong = make_case(device="cuda", strategy="ddp", num_devices=2, batch_size=32)
    weak = make_case(device="cuda", strategy="ddp", num_devices=2, batch_size=64)
    found = told("more_devices", single, _of(strong, [0.0025, 0.0025, 0.0025]), _of(weak, STEADY))
    assert _only(found) == (
        "confirmed",
        (
            f"DDP on 2 {X} NVIDIA H100 trains mlp (batch 64) 1.600{X} faster than one of them (1.600 to 1.600): "
            "80 % (80 to 80) efficiency"
        ),
    )
    assert _only(told("more_devices", single, _of(weak, STEADY)))[0] == "not_here"


def test_processes_on_a_cpu_are_said_with_their_threads_and_without_an_efficiency(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    found = told(
        "more_processes",
        _of(make_case(), STEADY, num_threads=2),
        _of(make_case(strategy="ddp", num_devices=2, batch_size=32), HALF_AS_FAST, num_threads=1),
    )
    assert _only(found) == (
        "refuted",
        (
            f"Two processes of one thread each train mlp at 0.5000{X} the speed of one process of two threads on this "
            "CPU (0.5000 to 0.5000)"
        ),
    )


@pytest.mark.parametrize(("loop", "habit"), [("item", ".item()"), ("numpy", ".cpu().numpy()")])
def test_reading_the_loss_costs_what_it_costs(
    make_case: MakeCase, told: Callable[..., list[Finding]], loop: str, habit: str
) -> None:
    def cost(steps: Sequence[float], device: str, **fields: Any) -> tuple[str, str]:
        clean, reading = make_case(device=device), make_case(device=device, loop=loop)
        return _only(told(f"{loop}_cost", _of(clean, STEADY), _of(reading, steps, **fields)))

    counted = Counters(source="dispatch", host_syncs=1)
    assert cost(HALF_AS_FAST, "cuda", counters=counted, drain_seconds=0.0) == (  # read, it has nothing left to drain
        "confirmed",
        (
            f"A loop with {habit} in every step trains mlp at 0.5000{X} the speed of one without on NVIDIA H100 "
            "(0.5000 to 0.5000); the host waits for the device once a step"
        ),
    )
    assert cost(STEADY, "cpu") == (
        "no_difference",
        (
            f"No measurable cost of {habit} in every step for mlp on this CPU: 1.000{X} the speed (1.000 to 1.000), "
            "so any loss is excluded"
        ),
    )
    verdict, sentence = cost([0.00388, 0.00392, 0.00396], "cpu")  # a gain of up to 6 % is not asked about
    assert (verdict, "so a loss of more than 0." in sentence) == ("no_difference", True)
    reading = {"forward": (0.002,), "backward": (0.002,), "read": (2.1e-6,), "step": (0.004,)}
    assert cost(STEADY, "cpu", samples_seconds=reading)[1].endswith("; the read itself takes 2.10 µs")
    assert cost([0.00405, 0.00408, 0.0041], "cpu")[1].startswith(
        f"Whether {habit} in every step slows mlp on this CPU "
    )
    assert "measurable" not in cost([0.0037, 0.0040, 0.0043], "cpu")[1]  # an interval as wide as that would miss much
    verdict, sentence = cost([0.0039, 0.0040, 0.0041], "cpu")
    assert verdict == "inconclusive"
    assert sentence.startswith(
        f"No measurable cost of {habit} in every step for mlp on this CPU in 3 rounds, "
        f"but a loss of 6.0 % is not excluded: 1.00{X}"
    )
    assert cost(TWICE_AS_FAST, "cpu")[0] == "refuted"


def test_pinned_memory_is_held_against_pageable_and_a_resident_batch_against_the_best_copy(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    measured = [
        _of(make_case(device="cuda", input="pageable"), HALF_AS_FAST),
        _of(make_case(device="cuda", input="pinned"), STEADY),
        _of(make_case(device="cuda", input="resident"), TWICE_AS_FAST),
        _of(make_case(), STEADY),  # resident by nature
    ]
    assert _only(told("pinned_input", *measured)) == (
        "confirmed",
        (
            f"A batch from pinned memory trains mlp 2.000{X} faster than one from pageable memory on NVIDIA H100 "
            "(2.000 to 2.000)"
        ),
    )
    assert _only(told("resident_input", *measured)) == (
        "confirmed",
        (
            f"A batch that is on the device already trains mlp 2.000{X} faster than one from pinned memory on NVIDIA "
            "H100 (2.000 to 2.000)"
        ),
    )
    assert "pageable" in _only(told("resident_input", measured[0], measured[2]))[1]


@pytest.mark.parametrize(
    ("steps", "verdict", "ending"),
    [
        (TWICE_AS_FAST, "confirmed", "; it takes 17.4 s to compile, which pays after 8,700 steps"),
        (HALF_AS_FAST, "refuted", "; it takes 17.4 s to compile, which never pays"),
        (STEADY, "no_difference", "; it takes 17.4 s to compile, which never pays"),
        ([0.00396] * 3, "no_difference", "; it takes 17.4 s to compile, which pays after 435,000 steps"),
        ([0.0034, 0.0037, 0.0041], "inconclusive", "; it takes 17.4 s to compile"),
    ],
)
def test_compiling_says_when_it_pays(
    make_case: MakeCase, told: Callable[..., list[Finding]], steps: Sequence[float], verdict: str, ending: str
) -> None:
    compiled = _of(make_case(compile="default"), steps, compile_seconds=17.4, compiles_from_nothing=True)
    found = _only(told("compile_pays", _of(make_case(), STEADY), compiled))
    assert found[0] == verdict
    assert "torch.compile trains mlp" in found[1]
    assert found[1].endswith(ending)


def test_each_mode_of_compiling_has_its_own_finding(make_case: MakeCase, told: Callable[..., list[Finding]]) -> None:
    modes = ("eager", "default", "reduce_overhead")
    found = told("compile_pays", *(_of(make_case(device="cuda", compile=mode), STEADY) for mode in modes))
    assert [finding.sentence.split(" trains")[0] for finding in found] == [
        "torch.compile", "torch.compile (reduce_overhead)"
    ]  # fmt: skip


def test_what_needs_a_gpu_or_two_or_another_suite_says_so_in_words_that_topics_share(
    make_case: MakeCase, run_of: Callable[..., Run]
) -> None:
    reasons: dict[str, list[str]] = {}
    for finding in findings_of(run_of(_of(make_case(), STEADY), environment=CPU_ONLY)):
        assert finding.verdict == "not_here"
        reasons.setdefault(finding.sentence, []).append(finding.topic)
    assert reasons == {
        "needs a GPU, found 0": ["gpu_speed", "amp_large", "pinned_input", "resident_input"],
        "not in this run; --suite default has it": ["amp_speed", "amp_memory", "more_processes"],
        "not in this run; --suite compile has it": ["compile_pays"],
        "needs two GPUs, found 0": ["data_parallel_speed", "more_devices"],
        "not in this run; --suite habits has it": ["item_cost", "numpy_cost"],
    }


def test_a_case_that_failed_or_was_skipped_says_why_there_is_no_finding(
    make_case: MakeCase, told: Callable[..., list[Finding]]
) -> None:
    fp32 = _of(make_case(), STEADY)
    bf16 = make_case(precision="amp_bf16")
    failed = CaseResult(case=bf16, round=0, status="oom", reason="CUDA out of\nmemory")
    assert _only(told("amp_speed", fp32, failed)) == ("not_here", "oom: CUDA out of memory")
    skipped = CaseResult(case=make_case(compile="default"), round=0, status="skipped", reason="needs a C++ compiler")
    assert _only(told("compile_pays", fp32, skipped)) == ("not_here", "skipped: needs a C++ compiler")


def test_a_run_of_nothing_has_findings_that_say_so(make_case: MakeCase, run_of: Callable[..., Run]) -> None:
    result = CaseResult(case=make_case(), round=0, status="unsupported", reason="not here")
    assert {finding.verdict for finding in findings_of(run_of(result))} == {"not_here"}
