"""Batches in any nesting: moved, walked, and searched for tensors on the wrong device."""

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from bench.measuring.placement import map_tensors, misplaced_tensors, tensors_of, to_channels_last

CPU = torch.device("cpu")
META = torch.device("meta")


class Pair(NamedTuple):
    """A batch with names."""

    inputs: Any
    labels: Any


class Container:
    """A batch of an unknown kind."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def _tensor(value: float = 1.0) -> Tensor:
    return torch.tensor(float(value))


def _nested() -> dict[str, Any]:
    return {
        "pair": Pair(_tensor(1), [_tensor(2), (_tensor(3), "text")]),
        "deep": {"deeper": {5: _tensor(4)}},
        "none": None,
        "number": 7,
    }


def test_the_function_reaches_every_tensor_in_any_nesting() -> None:
    doubled = map_tensors(lambda tensor: tensor * 2, _nested())
    assert [tensor.item() for _, tensor in tensors_of(doubled)] == [2, 4, 6, 8]


def test_the_nesting_and_everything_that_is_no_tensor_stay_as_they_were() -> None:
    mapped = map_tensors(lambda tensor: tensor * 2, _nested())
    assert isinstance(mapped["pair"], Pair)
    assert isinstance(mapped["pair"].labels, list)
    assert mapped["pair"].labels[1][1] == "text"
    assert (mapped["none"], mapped["number"]) == (None, 7)


def test_a_batch_survives_the_round_trip_through_another_dtype() -> None:
    batch = _nested()
    there_and_back = map_tensors(lambda tensor: tensor.float(), map_tensors(lambda tensor: tensor.double(), batch))
    assert str(there_and_back) == str(batch)


def test_the_given_batch_is_not_changed() -> None:
    batch = _nested()
    map_tensors(lambda tensor: tensor.to(META), batch)
    assert {tensor.device for _, tensor in tensors_of(batch)} == {CPU}


@pytest.mark.parametrize("batch", [7, "text", None, (), [], {}])
def test_a_batch_without_tensors_comes_back_equal(batch: Any) -> None:
    assert map_tensors(torch.neg, batch) == batch
    assert list(tensors_of(batch)) == []


def test_every_tensor_has_the_path_by_which_a_person_finds_it() -> None:
    names = [name for name, _ in tensors_of(_nested())]
    assert names == [
        "batch['pair'][0]",
        "batch['pair'][1][0]",
        "batch['pair'][1][1][0]",
        "batch['deep']['deeper'][5]",
    ]
    assert [name for name, _ in tensors_of(_tensor())] == ["batch"]


def test_tensors_of_an_unknown_container_are_named_by_their_attribute() -> None:
    names = [name for name, _ in tensors_of((Container(inputs=_tensor(), size=3),))]
    assert names == ["batch[0].inputs"]


def test_only_images_become_channels_last() -> None:
    images, labels = to_channels_last(torch.randn(2, 3, 4, 4)), to_channels_last(torch.randn(2, 3, 4))
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels.is_contiguous()


def test_nothing_is_misplaced_where_all_is_on_the_device() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    assert list(misplaced_tensors(model, _nested(), CPU)) == []


def test_a_parameter_or_buffer_on_another_device_is_named() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False).to(META), nn.BatchNorm1d(2, affine=False))
    model[1].register_buffer("running_mean", torch.zeros(2, device=META))
    assert list(misplaced_tensors(model, (), CPU)) == [
        "tensor model.0.weight is on meta, not on cpu; leave devices to the suite",
        "tensor model.1.running_mean is on meta, not on cpu; leave devices to the suite",
    ]


def test_a_plain_attribute_on_another_device_is_named_with_the_cure() -> None:
    model = nn.Linear(2, 2)
    model.mask = torch.ones(2, device=META)
    (sentence,) = misplaced_tensors(model, (), CPU)
    assert sentence.startswith("tensor model.mask is on meta: a plain attribute")
    assert sentence.endswith("register it with register_buffer")


def test_a_tensor_of_the_batch_on_another_device_is_named_with_the_cure() -> None:
    (sentence,) = misplaced_tensors(nn.Linear(2, 2), [{"mask": torch.ones(2, device=META)}], CPU)
    assert sentence.startswith("tensor batch[0]['mask'] is on meta")
    assert sentence.endswith("return those from make_batch")
