"""A case's name and identity."""

import dataclasses

import pytest

from bench.case import Case

PLAIN = Case(workload="mlp:small", device="cpu", strategy="single", precision="fp32", batch_size=64)
FULL = Case(
    workload="models/net.py:wide",
    device="cuda:1",
    strategy="ddp",
    precision="amp_bf16",
    compile="max_autotune",
    input="pinned",
    loop="item",
    batch_size=16,
    num_devices=4,
    num_nodes=2,
)


def test_the_slug_leaves_usual_values_out() -> None:
    assert PLAIN.slug == "mlp_small-cpu-single-fp32-b64-d1"


def test_the_slug_names_every_unusual_value_and_can_be_a_file() -> None:
    assert FULL.slug == "models_net.py_wide-cuda_1-ddp-amp_bf16-max_autotune-pinned-item-b16-d4-n2"


def test_the_slug_of_a_long_path_is_short_enough_for_a_file_and_keeps_the_function() -> None:
    slug = dataclasses.replace(PLAIN, workload=f"{'long/' * 100}net.py:wide").slug
    assert len(slug) < 200
    assert "net.py_wide-cpu" in slug


def test_the_id_of_a_case_is_the_same_in_every_run_and_version() -> None:
    assert PLAIN.id == "mlp_small-cpu-single-fp32-b64-d1-dc9947"
    assert FULL.id == "models_net.py_wide-cuda_1-ddp-amp_bf16-max_autotune-pinned-item-b16-d4-n2-f4c426"


def test_the_seed_is_not_in_the_id() -> None:
    assert dataclasses.replace(PLAIN, seed=7).id == PLAIN.id


@pytest.mark.parametrize(
    "change",
    [
        {"workload": "mlp/small"},
        {"device": "cuda"},
        {"strategy": "ddp"},
        {"precision": "tf32"},
        {"compile": "default"},
        {"input": "pinned"},
        {"loop": "item"},
        {"batch_size": 65},
        {"num_devices": 2},
        {"num_nodes": 2},
    ],
)
def test_every_axis_is_in_the_id(change: dict[str, str | int]) -> None:
    assert dataclasses.replace(PLAIN, **change).id != PLAIN.id  # type: ignore[arg-type]  # the fields differ in type


def test_two_workloads_with_one_slug_have_two_ids() -> None:
    other = dataclasses.replace(PLAIN, workload="mlp/small")
    assert other.slug == PLAIN.slug
    assert other.id != PLAIN.id


def test_the_global_batch_is_over_all_devices() -> None:
    assert FULL.global_batch_size == 64


def test_the_device_type_has_no_index() -> None:
    assert FULL.device_type == "cuda"
    assert PLAIN.device_type == "cpu"


def test_a_case_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PLAIN.seed = 1  # type: ignore[misc]  # the point of the test
