"""The batch that a workload returns: does it hold the samples that were asked for?"""

from typing import Any

import pytest
import torch

from bench.measuring.building import _size_note


@pytest.mark.parametrize(
    "batch",
    [
        torch.zeros(6, 3),
        (torch.zeros(3, 2), {"labels": torch.zeros(6)}),
        torch.zeros(35, 6, 2),  # samples in the second dimension, as recurrent networks have them
        torch.zeros(6 * 10, 4),  # packed: ten tokens a sample
        "no tensor at all",
        torch.zeros(()),
    ],
)
def test_a_batch_that_may_hold_the_samples_is_not_doubted(batch: Any) -> None:
    assert _size_note(batch, 6) is None


@pytest.mark.parametrize("batch", [torch.zeros(4, 5), [torch.zeros(7), torch.zeros(5)], torch.zeros(0, 5)])
def test_a_batch_that_cannot_hold_them_is_noted(batch: Any) -> None:
    assert str(_size_note(batch, 6)).startswith("make_batch(6) returned no tensor with a dimension of 6 ")
