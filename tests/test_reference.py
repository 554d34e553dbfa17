"""The reference: what the others of one workload and global batch are measured against."""

from collections.abc import Callable

from bench.case import Case
from bench.reference import comparable_groups, reference_of


def test_cases_of_one_workload_and_one_global_batch_are_comparable(make_case: Callable[..., Case]) -> None:
    single, ranks = make_case(), make_case(strategy="ddp", batch_size=32, num_devices=2)
    larger, other = make_case(batch_size=128), make_case(workload="cnn")
    assert comparable_groups([single, larger, ranks, other]) == [[single, ranks], [larger], [other]]


def test_one_process_in_fp32_on_the_cpu_is_the_reference_wherever_it_stands(make_case: Callable[..., Case]) -> None:
    bf16, gpu, usual = make_case(precision="amp_bf16"), make_case(device="cuda"), make_case()
    assert reference_of([bf16, gpu, usual]) is usual


def test_without_it_the_first_case_is_the_reference(make_case: Callable[..., Case]) -> None:
    compiled, gpu = make_case(compile="default"), make_case(device="cuda")
    assert reference_of([gpu, compiled]) is gpu
    assert reference_of([compiled, gpu]) is compiled


def test_a_loop_that_reads_the_loss_is_no_reference_where_there_is_another(make_case: Callable[..., Case]) -> None:
    item, clean = make_case(loop="item"), make_case()
    assert reference_of([item, clean]) is clean
    on_gpu = [make_case(device="cuda", loop=loop) for loop in ("item", "numpy", "clean")]
    assert reference_of(on_gpu) is on_gpu[2]
    assert reference_of(on_gpu[:2]) is on_gpu[0]


def test_a_group_of_one_is_its_own_reference(make_case: Callable[..., Case]) -> None:
    case = make_case(precision="amp_bf16")
    assert reference_of([case]) is case
