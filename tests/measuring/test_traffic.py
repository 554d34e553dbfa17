"""What operators read and write, counted by hand; float32 has four bytes."""

from typing import Any

import pytest
import torch

from bench.measuring.traffic import accessed_bytes

ATEN: Any = torch.ops.aten
FOUR, TEN = torch.ones(4), torch.ones(10, 4)
ROWS = torch.tensor([1, 2])


def _accessed(func: Any, *args: Any, **keywords: Any) -> int:
    return accessed_bytes(func, args, keywords, func(*args, **keywords))


@pytest.mark.parametrize(
    ("func", "args", "expected"),
    [
        (ATEN.add.Tensor, (FOUR, FOUR), 16 + 16 + 16),
        (ATEN.add.Tensor, (FOUR, 1.0), 16 + 16),
        (ATEN.add_.Tensor, (FOUR.clone(), FOUR), 16 + 16 + 16),
        (ATEN.mm.default, (TEN, torch.ones(4, 2)), 160 + 32 + 80),
        (ATEN.sum.default, (TEN,), 160 + 4),
        (ATEN.view.default, (TEN, [40]), 0),
        (ATEN.t.default, (TEN,), 0),
        (ATEN._unsafe_view.default, (TEN, [40]), 0),
        (ATEN.normal_.default, (FOUR.clone(),), 16),
        (ATEN.copy_.default, (FOUR.clone(), FOUR), 16 + 16),
        (ATEN.zero_.default, (FOUR.clone(),), 16),
        (ATEN.empty.memory_format, ([100],), 0),
        (ATEN.zeros.default, ([100],), 400),
        (ATEN.embedding.default, (TEN, ROWS), 32 + 16 + 32),  # two rows of ten
        (ATEN.cat.default, ([FOUR, FOUR, FOUR],), 48 + 48),
        (ATEN._foreach_add_.Scalar, ([FOUR.clone(), TEN.clone()], 1.0), 2 * (16 + 160)),
        (ATEN.max.dim, (TEN, 0), 160 + 16 + 32),  # values, and indices of eight bytes
    ],
)
def test_an_operator_reads_its_arguments_and_writes_what_is_new(func: Any, args: Any, expected: int) -> None:
    assert _accessed(func, *args) == expected


def test_a_result_that_is_handed_in_is_only_written() -> None:
    assert _accessed(ATEN.add.out, FOUR, FOUR, out=torch.empty(4)) == 16 + 16 + 16


def test_fused_adamw_reads_gradient_and_reads_and_writes_parameter_and_both_moments() -> None:
    parameter, gradient, first, second = (torch.ones(100) for _ in range(4))
    numbers = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0, "eps": 1e-8}
    tensors: tuple[list[torch.Tensor], ...] = ([parameter], [gradient], [first], [second], [], [torch.ones(())])
    # In torch's schema the gradient is one of those that may be written, since GradScaler's factor is taken out of it.
    assert _accessed(ATEN._fused_adamw_.default, *tensors, amsgrad=False, maximize=False, **numbers) == 8 * 400 + 4
