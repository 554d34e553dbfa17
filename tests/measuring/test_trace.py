"""The profiler's trace: what is taken from recorded events, and what a real one says."""

from pathlib import Path

import pytest
import torch
from torch.profiler import record_function

from bench.measuring import trace
from bench.measuring.trace import Event

MIB = 2**20
ENDLESS = float("inf")

RECORDED: list[Event] = [
    {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "ts": 10.0, "dur": 4.0, "args": {}},
    {"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "ts": 11.0, "dur": 1.0, "args": {"correlation": 5}},
    {"ph": "X", "cat": "kernel", "name": "sm90_xmma_gemm_f32f32", "ts": 12.0, "dur": 9.0, "args": {"device": 0}},
    {"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy HtoD (Pinned -> Device)", "ts": 13.0, "dur": 1.0, "args": {}},
    {"ph": "X", "cat": "gpu_memset", "name": "Memset (Device)", "ts": 14.0, "dur": 1.0, "args": {}},
    {"ph": "X", "cat": "user_annotation", "name": "here", "ts": 15.0, "dur": 1.5, "args": {}},
    {"ph": "X", "cat": "gpu_user_annotation", "name": "here", "ts": 90.0, "dur": 1.5, "args": {}},
    {"ph": "X", "cat": "cpu_op", "name": "aten::add_", "ts": 16.5, "dur": 1.0, "args": {}},
    {"ph": "X", "cat": "cpu_op", "name": "autograd::engine::evaluate_function: AddBackward0", "ts": 17.0, "dur": 1.0},
    {"ph": "X", "cat": "kernel", "name": "vectorized_elementwise_kernel", "ts": 18.0, "dur": 2.0, "args": {}},
    {"ph": "i", "name": "[memory]", "ts": 11.5, "args": {"Device Type": 1, "Bytes": 512}},
    {"ph": "i", "name": "[memory]", "ts": 17.5, "args": {"Device Type": 0, "Bytes": -64}},
    {"ph": "i", "name": "[memory]", "ts": 10.5, "args": {"Device Type": 0, "Bytes": 64}},
    {"ph": "M", "name": "process_name", "pid": 1},
]
"""The kinds of events that a trace of torch 2.13 holds, a memory event out of order among them."""


def test_kernels_are_counted_and_copies_fills_and_launches_are_not() -> None:
    assert trace.num_kernels(RECORDED) == 2


def test_operators_are_counted_by_when_they_began_and_nothing_else_is_one() -> None:
    assert trace.operators_between(RECORDED, 0.0, ENDLESS) == ["aten::mm", "aten::add_"]
    assert trace.operators_between(RECORDED, 0.0, 16.5) == ["aten::mm"]
    assert trace.operators_between(RECORDED, 16.5, ENDLESS) == ["aten::add_"]


def test_a_mark_is_where_its_annotation_ended_on_the_host() -> None:
    assert trace.time_of(RECORDED, "here") == 16.5


def test_a_mark_that_is_missing_is_named() -> None:
    with pytest.raises(LookupError, match="no 'elsewhere'"):
        trace.time_of(RECORDED, "elsewhere")


def test_allocations_are_those_of_the_cpu_in_the_order_of_time() -> None:
    assert trace.cpu_allocations_bytes(RECORDED) == [64, -64]


def test_a_real_trace_holds_operators_marks_and_allocations() -> None:
    def run() -> None:
        held = torch.ones(MIB, dtype=torch.uint8)
        with record_function("half time"):
            pass
        held.add_(1)

    events = trace.trace_of(run)
    mark = trace.time_of(events, "half time")
    assert "aten::ones" in trace.operators_between(events, 0.0, mark)
    assert trace.operators_between(events, mark, ENDLESS).count("aten::add_") == 1
    assert trace.cpu_allocations_bytes(events)[0] == MIB
    assert trace.num_kernels(events) == 0


def test_no_trace_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    trace.trace_of(lambda: None)
    assert list(tmp_path.iterdir()) == []
