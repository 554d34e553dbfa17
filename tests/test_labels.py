"""What cases are called."""

from collections.abc import Callable

import pytest

from bench.case import Case
from bench.labels import cut_middle, difference, variant, varied_batches

MakeCase = Callable[..., Case]
X2 = "\N{MULTIPLICATION SIGN}2"


@pytest.mark.parametrize(
    ("text", "length", "cut"),
    [("mlp", 8, "mlp"), ("exactly8", 8, "exactly8"), ("path/to/my_model.py:small", 15, "path...py:small")],
)
def test_a_long_name_is_cut_in_the_middle_to_the_length_asked_for(text: str, length: int, cut: str) -> None:
    assert cut_middle(text, length) == cut
    assert len(cut) <= length


def test_a_usual_case_is_device_strategy_and_precision(make_case: MakeCase) -> None:
    assert variant(make_case()) == "cpu single fp32"


def test_unusual_axes_are_named(make_case: MakeCase) -> None:
    case = make_case(
        device="cuda:1", strategy="ddp", num_devices=2, num_nodes=3, compile="default", input="pinned", loop="item"
    )
    assert variant(case, with_batch=True) == (
        f"cuda:1 ddp{X2} on 3 machines fp32, compile default, pinned input, item loop, batch 128"
    )


def test_only_what_sets_two_cases_apart_is_named(make_case: MakeCase) -> None:
    assert difference(make_case(precision="amp_bf16"), make_case()) == ("amp_bf16", "fp32")
    case = make_case(strategy="ddp", num_devices=2, compile="default")
    assert difference(case, make_case()) == (f"ddp{X2} compile default", "single eager")


def test_a_workload_with_two_global_batches_needs_them_in_its_names(make_case: MakeCase) -> None:
    split = make_case(strategy="ddp", num_devices=2, batch_size=32)
    assert varied_batches([make_case(), split]) == set()
    assert varied_batches([make_case(), make_case(batch_size=8), make_case(workload="cnn")]) == {"mlp"}
