"""The values of the axes: known, not there yet, or misspelt."""

import pytest

from bench import axes, errors, registry


def _refusal(axis: str, value: str, where: str = "") -> str:
    with pytest.raises(errors.UsageError) as caught:
        axes.check_axis_value(axis, value, where)
    return str(caught.value)


@pytest.mark.parametrize("axis", ["device", "strategy", "precision", "compile", "input", "loop"])
def test_every_known_value_passes(axis: str) -> None:
    assert axes.known_values(axis)
    for value in axes.known_values(axis):
        axes.check_axis_value(axis, value)


@pytest.mark.parametrize("device", ["cuda:0", "cuda:1", "xpu:12", "mps:0", "accelerator:1"])
def test_an_accelerator_may_have_an_index(device: str) -> None:
    axes.check_axis_value("device", device)


def test_a_strategy_is_known_by_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "names", lambda package: ("mine", "single"))
    axes.check_axis_value("strategy", "mine")
    assert _refusal("strategy", "mien") == "strategy 'mien' is not known; did you mean 'mine'?"


@pytest.mark.parametrize(
    ("axis", "value", "line"),
    [
        ("precision", "amp_bf61", "precision 'amp_bf61' is not known; did you mean 'amp_bf16'?"),
        ("precision", "bf16", "precision 'bf16' is not known; did you mean 'amp_bf16'?"),
        ("precision", "FP32", "precision 'FP32' is not known; did you mean 'fp32'?"),
        ("precision", "int8", "precision 'int8' is not known; known: amp_bf16, amp_fp16, fp32, tf32"),
        ("strategy", "dp", "strategy 'dp' is not known; did you mean 'data_parallel'?"),
        ("strategy", "fsdp2", "strategy 'fsdp2' is not there yet; this version knows: data_parallel, ddp, single"),
        ("device", "GPU", "device 'GPU' is not known; did you mean 'accelerator'?"),
        ("device", "cpu:1", "device 'cpu:1' is not known; did you mean 'cpu'?"),
        ("device", "cuda:one", "device 'cuda:one' is not known; did you mean 'cuda'?"),
        ("device", "", "device '' is not known; known: accelerator, cpu, cuda, mps, xpu"),
        ("compile", "reduce-overhead", "compile 'reduce-overhead' is not known; did you mean 'reduce_overhead'?"),
        ("compile", "egaer", "compile 'egaer' is not known; did you mean 'eager'?"),
        ("input", "loader", "input 'loader' is not there yet; this version knows: pageable, pinned, resident"),
        ("loop", "items", "loop 'items' is not known; did you mean 'item'?"),
    ],
)
def test_a_value_that_the_axis_has_not_is_one_line(axis: str, value: str, line: str) -> None:
    assert _refusal(axis, value) == line


def test_the_place_stands_in_front_and_names_the_axis() -> None:
    assert _refusal("precision", "pf32", "--precision: ") == "--precision: 'pf32' is not known; did you mean 'fp32'?"
    assert _refusal("input", "loader", "--input: ").startswith(
        "--input: 'loader' is not there yet; this version knows: "
    )
