"""Memory, to the byte."""

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.measuring import memory, trace

MIB = 2**20
FLOAT_BYTES = 4


class KeepsActivations(torch.autograd.Function):
    """The identity, which keeps so many bytes more from forward to backward."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, num_bytes: int) -> Tensor:
        ctx.save_for_backward(torch.empty(num_bytes, dtype=torch.uint8))
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        return grad_outputs[0], None


def _peak_of(step: Callable[[], None]) -> int:
    """Return the peak of *step*, from the profiler's own account of it."""
    return memory.peak_of_step_bytes(trace.cpu_allocations_bytes(trace.trace_of(step)))


def _peak_with_activations(num_bytes: int) -> int:
    """Return the peak of a whole training step whose model keeps *num_bytes* more."""
    model = nn.Linear(64, 64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs = torch.randn(32, 64)

    def step() -> None:
        torch.autograd.backward(KeepsActivations.apply(model(inputs), num_bytes).sum())  # type: ignore[no-untyped-call]  # torch gives it no types
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step()
    return _peak_of(step)


def test_one_mebibyte_of_activations_shows_as_exactly_1048576_bytes() -> None:
    assert _peak_with_activations(3 * MIB) - _peak_with_activations(2 * MIB) == 1_048_576


def test_the_peak_is_the_same_every_time() -> None:
    assert len({_peak_with_activations(MIB) for _ in range(3)}) == 1


def test_the_peak_is_of_what_is_held_at_once_and_not_of_all_that_is_allocated() -> None:
    def step() -> None:
        for _ in range(5):
            torch.empty(MIB, dtype=torch.uint8)
        held = torch.empty(2 * MIB, dtype=torch.uint8)
        beside = torch.empty(MIB, dtype=torch.uint8)
        del held, beside

    assert _peak_of(step) == 3 * MIB


def test_what_is_freed_at_the_end_does_not_lower_the_peak() -> None:
    earlier = [torch.empty(MIB, dtype=torch.uint8)]

    def step() -> None:
        kept = torch.empty(4 * MIB, dtype=torch.uint8)
        earlier.clear()
        del kept

    assert _peak_of(step) == 4 * MIB


def test_a_step_that_allocates_nothing_has_no_peak() -> None:
    assert _peak_of(lambda: None) == 0


def test_a_step_that_only_gives_back_has_no_peak_below_what_it_began_with() -> None:
    assert memory.peak_of_step_bytes([]) == 0
    assert memory.peak_of_step_bytes([-5, 3]) == 0


def _trained(*, keep_gradients: bool) -> tuple[nn.Module, torch.optim.Optimizer, Tensor]:
    """Return a Linear of 10 inputs and 5 outputs after one step of AdamW, and its batch of 3."""
    model, inputs = nn.Linear(10, 5), torch.randn(3, 10)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    torch.autograd.backward(model(inputs).sum())
    optimizer.step()
    if not keep_gradients:
        optimizer.zero_grad(set_to_none=True)
    return model, optimizer, inputs


PARAMETERS = (10 * 5 + 5) * FLOAT_BYTES
MOMENTS = 2 * PARAMETERS
STEP_COUNTS = 2 * FLOAT_BYTES  # one a parameter tensor
BATCH = 3 * 10 * FLOAT_BYTES


def test_the_state_is_parameters_moments_step_counts_and_batch() -> None:
    model, optimizer, inputs = _trained(keep_gradients=False)
    assert memory.state_bytes(model, optimizer, [inputs]) == PARAMETERS + MOMENTS + STEP_COUNTS + BATCH


def test_gradients_that_are_kept_count() -> None:
    model, optimizer, inputs = _trained(keep_gradients=True)
    assert memory.state_bytes(model, optimizer, [inputs]) == 2 * PARAMETERS + MOMENTS + STEP_COUNTS + BATCH


def test_buffers_count() -> None:
    model = nn.BatchNorm1d(8)
    state = memory.state_bytes(model, torch.optim.SGD(model.parameters()), iter(()))
    assert state == (2 * 8 + 2 * 8) * FLOAT_BYTES + 8  # weight, bias, mean, variance, and a count in int64


def test_tied_weights_and_views_count_once() -> None:
    model = nn.Sequential(nn.Linear(10, 10, bias=False), nn.Linear(10, 10, bias=False))
    model[1].weight = model[0].weight
    inputs = torch.randn(4, 10)
    state = memory.state_bytes(model, torch.optim.SGD(model.parameters()), [inputs, inputs[:2]])
    assert state == (10 * 10 + 4 * 10) * FLOAT_BYTES


@pytest.mark.skipif(not os.access(memory._CLEAR_REFS, os.W_OK), reason="this kernel cannot reset the peak")
def test_the_peak_of_the_process_counts_memory_that_was_touched_and_starts_again_after_a_reset() -> None:
    memory.reset_process_peak()
    with mmap.mmap(-1, 64 * MIB) as block:  # not from the heap, which may have as much in reserve
        block.write(b"x" * (64 * MIB))
        with_block = memory.process_peak_bytes()
    memory.reset_process_peak()
    after = memory.process_peak_bytes()
    assert with_block is not None
    assert after is not None
    assert after <= with_block - 48 * MIB


def test_where_the_kernel_does_not_say_the_peak_of_the_process_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "absent" / "status")
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "absent" / "clear_refs")
    memory.reset_process_peak()
    assert memory.process_peak_bytes() is None
