"""The matrix: what a suite comes to on a machine, and in one sentence why a case cannot run there."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest

from bench import suite
from bench.result import DeviceInfo
from bench.running.matrix import PlannedCase, expand, num_processes
from bench.suite import AxisValues, Suite

NOTHING: tuple[DeviceInfo, ...] = ()
WORKLOADS = ("mlp:small", "cnn:small", "transformer:small", "lstm:small")


def _gpus(
    number: int, name: str = "NVIDIA H100 80GB HBM3", capability: tuple[int, int] = (9, 0)
) -> Sequence[DeviceInfo]:
    return [DeviceInfo(type="cuda", index=index, name=name, capability=capability) for index in range(number)]


def _default(devices: Sequence[DeviceInfo], **options: Any) -> list[PlannedCase]:
    return expand(suite.load("default"), AxisValues(**options), devices, seed=0)


def _table(devices: Sequence[DeviceInfo] = NOTHING, **axes: Any) -> list[PlannedCase]:
    """Return the matrix of a suite of one table."""
    table = AxisValues(**{"workload": ("mlp",), "device": ("cpu",), **axes})
    return expand(Suite(name="one", summary="", tables=(table,)), AxisValues(), devices, seed=0)


def _only(planned: Sequence[PlannedCase]) -> PlannedCase:
    assert len(planned) == 1
    return planned[0]


def _runnable(planned: Sequence[PlannedCase]) -> list[tuple[str, ...]]:
    cases = [entry.case for entry in planned if entry.status is None]
    return [(case.workload, case.device, case.strategy, case.precision) for case in cases]


def test_without_an_accelerator_each_workload_runs_in_two_precisions_and_under_ddp() -> None:
    assert sorted(_runnable(_default(NOTHING))) == sorted(
        (workload, "cpu", strategy, precision)
        for workload in WORKLOADS
        for strategy, precision in (("single", "fp32"), ("single", "amp_bf16"), ("ddp", "fp32"))
    )


def test_ddp_on_the_cpu_has_two_processes_with_half_of_the_batch_each() -> None:
    cases = [entry.case for entry in _default(NOTHING) if entry.status is None]
    singles = {case.workload: case for case in cases if case.strategy == "single"}
    ranks = [case for case in cases if case.strategy == "ddp"]
    assert len(ranks) == 4
    for case in ranks:
        assert (case.num_devices, num_processes(case)) == (2, 2)
        assert case.batch_size * 2 == singles[case.workload].batch_size


def test_without_an_accelerator_every_cuda_case_is_skipped_with_what_it_needs() -> None:
    rows = [entry for entry in _default(NOTHING) if entry.case.device == "cuda"]
    assert {entry.status for entry in rows} == {"skipped"}
    seen = Counter((entry.case.strategy, entry.case.precision, entry.reason) for entry in rows)
    one, two = "needs 1 CUDA device, found 0", "needs 2 CUDA devices, found 0"
    assert seen == {
        **{("single", precision, one): 4 for precision in ("fp32", "tf32", "amp_bf16", "amp_fp16")},
        **{("data_parallel", precision, two): 4 for precision in ("fp32", "amp_bf16")},
        **{("ddp", precision, two): 4 for precision in ("fp32", "amp_bf16")},
    }


def test_without_an_accelerator_the_sizes_that_fill_one_are_left_out() -> None:
    assert {entry.case.workload for entry in _default(NOTHING)} == set(WORKLOADS)
    large = {"mlp:large", "cnn:resnet50", "transformer:gpt2", "lstm:large"}
    assert {entry.case.workload for entry in _default(_gpus(1))} == {*WORKLOADS, *large}


def test_with_one_gpu_all_that_need_one_run_and_the_others_say_what_they_need() -> None:
    rows = [entry for entry in _default(_gpus(1)) if entry.case.device == "cuda"]
    assert {entry.status for entry in rows if entry.case.strategy == "single"} == {None}
    others = {(entry.status, entry.reason) for entry in rows if entry.case.strategy != "single"}
    assert others == {("skipped", "needs 2 CUDA devices, found 1")}


def test_with_two_gpus_everything_runs() -> None:
    planned = _default(_gpus(2))
    assert [entry.reason for entry in planned if entry.status is not None] == []
    shares = {entry.case.num_devices for entry in planned if entry.case.strategy in ("ddp", "data_parallel")}
    assert shares == {2}


@pytest.mark.parametrize("devices", [NOTHING, _gpus(1), _gpus(2), _gpus(4)])
def test_every_row_of_one_workload_and_size_has_one_global_batch(devices: Sequence[DeviceInfo]) -> None:
    batches = defaultdict(set)
    for entry in _default(devices):
        batches[entry.case.workload].add(entry.case.global_batch_size)
    assert {workload: len(sizes) for workload, sizes in batches.items()} == dict.fromkeys(batches, 1)


@pytest.mark.parametrize("devices", [NOTHING, _gpus(1), _gpus(3)])
@pytest.mark.parametrize("name", ["compile", "default", "gpu", "habits", "quick"])
def test_ids_are_unique(name: str, devices: Sequence[DeviceInfo]) -> None:
    ids = [entry.case.id for entry in expand(suite.load(name), AxisValues(), devices, seed=0)]
    assert len(set(ids)) == len(ids) > 0


def test_a_case_of_two_tables_is_one_row() -> None:
    table = AxisValues(workload=("mlp", "mlp:small"), device=("cpu",))
    planned = expand(Suite(name="two", summary="", tables=(table, table)), AxisValues(), NOTHING, seed=0)
    assert _only(planned).case.workload == "mlp:small"


def test_a_case_that_one_table_divides_and_another_does_not_runs() -> None:
    uneven = AxisValues(workload=("mlp",), device=("cpu",), strategy=("ddp",), num_devices=(3,), global_batch_size=(8,))
    even = AxisValues(workload=("mlp",), device=("cpu",), strategy=("ddp",), num_devices=(3,), batch_size=(2,))
    for tables in ((uneven, even), (even, uneven)):
        planned = expand(Suite(name="two", summary="", tables=tables), AxisValues(), NOTHING, seed=0)
        assert _only(planned).status is None


def test_the_order_is_that_of_the_tables_and_the_seed_is_in_every_case() -> None:
    planned = expand(suite.load("default"), AxisValues(), NOTHING, seed=7)
    assert {entry.case.seed for entry in planned} == {7}
    devices = [entry.case.device for entry in planned]
    assert devices == sorted(devices)  # the tables of the cpu come first


def test_tf32_needs_a_gpu_that_has_it() -> None:
    old = _gpus(1, "NVIDIA T4", (7, 5))
    rows = {entry.case.precision: entry for entry in _default(old, workload=("mlp",), strategy=("single",))}
    assert rows["tf32"].status == "skipped"
    assert rows["tf32"].reason == "tf32 needs compute capability 8.0, NVIDIA T4 has 7.5"
    assert rows["amp_fp16"].status is None


def test_one_gpu_of_several_can_be_picked() -> None:
    rows = _default(_gpus(2), device=("cuda:1",), workload=("mlp",))
    assert {entry.case.device for entry in rows} == {"cuda:1"}
    assert {entry.case.num_devices for entry in rows} == {1}
    assert {entry.status for entry in rows if entry.case.strategy == "single"} == {None}


def test_a_gpu_that_is_not_there_is_named() -> None:
    rows = _default(_gpus(1), device=("cuda:1",), strategy=("single",), precision=("fp32",), workload=("mlp",))
    assert _only(rows).reason == "needs cuda:1, found 1 CUDA device"


def test_several_gpus_from_one_on_are_named_from_first_to_last() -> None:
    row = _only(_table(_gpus(2), device=("cuda:1",), strategy=("ddp",), num_devices=(2,)))
    assert row.reason == "needs cuda:1 to cuda:2, found 2 CUDA devices"


def test_the_capability_that_counts_is_that_of_the_gpu_that_is_picked() -> None:
    mixed = [*_gpus(1), *_gpus(1, "NVIDIA T4", (7, 5))]
    assert _only(_table(mixed, device=("cuda",), precision=("tf32",))).status is None
    row = _only(_table(mixed, device=("cuda:1",), precision=("tf32",)))
    assert row.reason == "tf32 needs compute capability 8.0, NVIDIA T4 has 7.5"


def test_an_option_replaces_its_axis_in_every_table() -> None:
    rows = _default(NOTHING, workload=("lstm",), precision=("amp_bf16",))
    assert {entry.case.workload for entry in rows} == {"lstm:small"}
    assert {entry.case.precision for entry in rows} == {"amp_bf16"}
    assert sorted({(entry.case.device, entry.case.strategy) for entry in rows}) == [
        *(("cpu", "ddp"), ("cpu", "single")),
        *(("cuda", "data_parallel"), ("cuda", "ddp"), ("cuda", "single")),
    ]


def test_a_device_keeps_the_tables_of_its_type() -> None:
    assert _runnable(_default(NOTHING, device=("cpu",))) == _runnable(_default(NOTHING))
    cuda = _default(NOTHING, device=("cuda",))
    assert len(cuda) == 32
    assert {entry.case.device for entry in cuda} == {"cuda"}


def test_a_device_that_no_table_speaks_of_takes_the_cases_of_all() -> None:
    rows = _default(NOTHING, device=("xpu",), workload=("mlp",))
    assert {entry.case.device for entry in rows} == {"xpu"}
    assert {entry.case.strategy for entry in rows} == {"single", "ddp", "data_parallel"}


def test_the_accelerator_is_the_one_that_is_there() -> None:
    xpu = [DeviceInfo(type="xpu", index=0, name="Intel Data Center GPU Max 1550")]
    rows = {
        (entry.case.strategy, entry.case.precision): entry
        for entry in _default(xpu, workload=("mlp",))
        if entry.case.device != "cpu"
    }
    assert {entry.case.device for entry in rows.values()} == {"xpu"}
    assert rows["single", "amp_bf16"].status is None
    assert rows["single", "amp_bf16"].case.input == "pageable"
    assert rows["single", "tf32"].status == "unsupported"
    assert rows["single", "tf32"].reason == "TF32 is a number format of NVIDIA GPUs; this device has none"
    assert rows["ddp", "fp32"].reason == "needs 2 XPU devices, found 1"
    assert rows["data_parallel", "fp32"].status == "unsupported"


@pytest.mark.parametrize(("device", "usual"), [("cpu", "resident"), ("cuda", "pinned"), ("xpu", "pageable")])
def test_a_device_has_its_usual_input(device: str, usual: str) -> None:
    assert _only(_table(device=(device,))).case.input == usual


def test_each_way_to_read_the_loss_is_a_case_on_every_device_and_under_every_strategy() -> None:
    planned = _table(_gpus(2), device=("cpu", "cuda"), strategy=("single", "ddp"), loop=("clean", "item", "numpy"))
    assert len(planned) == 2 * 2 * 3
    assert {entry.status for entry in planned} == {None}


def test_without_an_accelerator_the_habits_of_the_loop_run_and_those_of_the_input_are_skipped() -> None:
    planned = expand(suite.load("habits"), AxisValues(), NOTHING, seed=0)
    runnable = {(entry.case.workload, entry.case.loop) for entry in planned if entry.status is None}
    assert runnable == {
        (name, loop) for name in ("mlp:small", "transformer:small") for loop in ("clean", "item", "numpy")
    }
    skipped = {(entry.case.device, entry.case.input, entry.status) for entry in planned if entry.status}
    assert skipped == {("cuda", source, "skipped") for source in ("resident", "pinned", "pageable")}


def test_a_batch_size_is_of_each_device() -> None:
    planned = _table(strategy=("single", "ddp"), batch_size=(8,))
    assert [(entry.case.batch_size, entry.case.global_batch_size) for entry in planned] == [(8, 8), (8, 16)]


def test_a_global_batch_size_is_split_over_the_devices() -> None:
    planned = _table(strategy=("single", "ddp"), global_batch_size=(8,))
    assert [(entry.case.batch_size, entry.case.global_batch_size) for entry in planned] == [(8, 8), (4, 8)]


@pytest.mark.parametrize("own", [{"batch_size": (8,)}, {"global_batch_size": (8,)}])
@pytest.mark.parametrize(("option", "expected"), [("batch_size", [12, 24]), ("global_batch_size", [12, 12])])
def test_either_batch_option_replaces_both_keys_of_a_table(
    own: dict[str, Any], option: str, expected: list[int]
) -> None:
    table = AxisValues(workload=("mlp",), device=("cpu",), strategy=("single", "ddp"), **own)
    given: dict[str, Any] = {option: (12,)}
    planned = expand(Suite(name="one", summary="", tables=(table,)), AxisValues(**given), NOTHING, seed=0)
    assert [entry.case.global_batch_size for entry in planned] == expected


def test_a_global_batch_that_does_not_divide_is_unsupported() -> None:
    row = _only(_table(strategy=("ddp",), num_devices=(3,), global_batch_size=(8,)))
    assert row.status == "unsupported"
    assert row.reason == "a global batch of 8 does not divide by 3; give --batch-size"


def test_a_global_batch_smaller_than_the_number_of_devices_is_unsupported() -> None:
    row = _only(_table(strategy=("ddp",), num_devices=(4,), global_batch_size=(2,)))
    assert row.status == "unsupported"
    assert row.case.batch_size == 1


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        (
            {"strategy": ("data_parallel",)},
            "DataParallel on cpu is the plain module; it copies models between GPUs only",
        ),
        ({"precision": ("tf32",)}, "TF32 is a number format of NVIDIA GPUs; this device has none"),
        ({"input": ("pinned",)}, "pinned input is a copy to an accelerator; the CPU reads the batch where it is"),
        ({"input": ("pageable",)}, "pageable input is a copy to an accelerator; the CPU reads the batch where it is"),
        ({"num_devices": (2,)}, "single uses one device; take data_parallel or ddp for 2"),
        ({"device": ("mps",), "input": ("pinned",)}, "mps shares the host's memory, so there is nothing to pin"),
        ({"device": ("mps",), "strategy": ("ddp",)}, "torch.distributed has no backend for mps"),
    ],
)
def test_what_makes_no_sense_on_any_machine_is_unsupported(axes: dict[str, Any], reason: str) -> None:
    row = _only(_table(**axes))
    assert (row.status, row.reason) == ("unsupported", reason)


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ({"compile": ("reduce_overhead",)}, "reduce_overhead is CUDA graphs; on cpu it is the same as default"),
        (
            {"compile": ("default",), "strategy": ("data_parallel",), "device": ("cuda",)},
            "torch.compile does not reach the copies that DataParallel makes at every step; take ddp",
        ),
    ],
)
def test_what_torch_compile_has_no_meaning_for(axes: Any, reason: str) -> None:
    entry = _only(_table(_gpus(2), **axes))
    assert (entry.status, entry.reason) == ("unsupported", reason)


def test_without_a_compiler_only_what_is_compiled_for_the_cpu_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/nowhere/c++")
    table = _table(_gpus(1), device=("cpu", "cuda"), compile=("eager", "default"))
    reasons = {(entry.case.device, entry.case.compile): entry.reason for entry in table}
    lacks = "torch.compile needs a C++ compiler and /nowhere/c++ is not found; install it, or name one in CXX"
    assert reasons == {
        ("cpu", "eager"): None,
        ("cpu", "default"): lacks,
        ("cuda", "eager"): None,
        ("cuda", "default"): None,
    }
