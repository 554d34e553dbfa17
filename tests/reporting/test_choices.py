"""The figures that help to choose: speed-up, scaling, batch size, and speed against memory."""

import io
import itertools
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.case import Case
from bench.reporting import batch, pareto, scaling, speedup
from bench.reporting._style import readable_on
from bench.result import CaseResult, SamplingPlan
from bench.results.frame import Run
from tests.reporting.drawn import texts

MIB = 2**20
X = "\N{MULTIPLICATION SIGN}"
MODULES = (speedup, pareto, scaling, batch)
each_figure = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
MakeChoice = Callable[..., Run]
Given = tuple[Mapping[str, Any], float, int]
"""Axes of a case, its step in seconds, its memory in MiB."""


def _line(line: Line2D) -> list[tuple[float, ...]]:
    return [tuple(point) for point in np.asarray(line.get_xydata(), dtype=float).tolist()]


def _ys(figure: Figure) -> list[list[float]]:
    """Return the y of each series' markers, of the first plot."""
    markers = [found for found in figure.axes[0].collections if isinstance(found, PathCollection)]
    return [np.asarray(found.get_offsets(), dtype=float)[:, 1].round(3).tolist() for found in markers]


@pytest.fixture(name="choice")
def _choice(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> MakeChoice:
    """Return what makes a run of cases, each with its axes, its step and its memory."""

    def make(*cases: Given) -> Run:
        results = []
        for axes, seconds, mib in cases:
            results += make_rounds(make_case(**axes), [seconds, seconds], peak_allocated_bytes=mib * MIB)
        return make_run(results, sampling=SamplingPlan(min_rounds=2))

    return make


FP32: Given = ({}, 0.004, 12)
BF16: Given = ({"precision": "amp_bf16"}, 0.002, 9)
DDP: Given = ({"strategy": "ddp", "num_devices": 2, "batch_size": 32}, 0.008, 10)


def test_speedup_is_a_bar_beside_the_line_of_the_reference(choice: MakeChoice) -> None:
    figure = speedup.figure(choice(FP32, BF16, DDP))
    found = texts(figure)
    assert "Of 2 cases 1 is certainly faster and 1 is certainly slower than their reference" in found[-1]
    assert f"2.000{X} ±0.0 %" in found
    assert f"0.5000{X} ±0.0 %" in found
    (axes,) = figure.axes
    assert [x for x, _ in _line(axes.lines[0])] == [1.0, 1.0]
    assert axes.get_xlim()[1] >= 1.05


def test_the_front_holds_what_nothing_beats_in_both(choice: MakeChoice) -> None:
    lean: Given = ({"precision": "amp_fp16"}, 0.006, 6)
    figure = pareto.figure(choice(FP32, BF16, lean))
    found = texts(figure)
    assert "More speed costs more memory" in found[-1]
    assert "peak memory per device (MiB)" in found
    (axes,) = figure.axes
    (line,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert np.ravel(_line(line)) == pytest.approx([9.0, 64 / 0.002, 6.0, 64 / 0.006])
    assert {"A  cpu single fp32", "B  cpu single amp_bf16", "C  cpu single amp_fp16"} <= set(found)


def test_of_equal_ones_the_front_holds_the_one_that_is_better_otherwise(choice: MakeChoice) -> None:
    figure = pareto.figure(choice(FP32, ({"precision": "tf32"}, 0.003, 12), BF16))
    assert "No case is certainly faster than the leanest" in texts(figure)[-1]


def test_scaling_goes_from_one_device_to_several_beside_the_ideal(choice: MakeChoice) -> None:
    figure = scaling.figure(choice(FP32, BF16, DDP))
    found = texts(figure)
    assert "2 processes on one CPU have 50 % of the throughput of one" in found[-1]
    assert "mlp on cpu, fp32, global batch 64" in found
    (axes,) = figure.axes
    assert _ys(figure) == [[16000.0, 8000.0]]
    (ideal,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert np.ravel(_line(ideal)) == pytest.approx([0.0, 16000.0, 1.0, 16000.0])


def test_scaling_never_mixes_global_batches(choice: MakeChoice) -> None:
    weak: Given = ({"strategy": "ddp", "num_devices": 2, "batch_size": 64}, 0.004, 12)
    assert scaling.figure(choice(FP32, weak)).axes == []


def test_batch_sizes_are_a_line_with_equal_steps(choice: MakeChoice) -> None:
    sizes: list[Given] = [({"batch_size": size}, 0.001 * size, 2) for size in (1, 8, 64)]
    figure = batch.figure(choice(*sizes[::-1], (({"batch_size": 8, "precision": "amp_bf16"}), 0.004, 2)))
    found = texts(figure)
    assert "Throughput over the batch size" in found[-1]
    assert _ys(figure) == [[1000.0, 1000.0, 1000.0]]
    axis = figure.axes[0].xaxis
    assert axis.get_major_formatter().format_ticks([0, 1, 2]) == ["1", "8", "64"]


@each_figure
def test_what_does_not_apply_is_not_drawn(module: ModuleType, choice: MakeChoice) -> None:
    assert module.figure(choice(FP32)).axes == []
    assert module.figure(choice(FP32, BF16, DDP, ({"batch_size": 128}, 0.008, 20))).axes


@each_figure
def test_no_word_overlaps_another_or_leaves_the_page(module: ModuleType, choice: MakeChoice) -> None:
    axes = itertools.product(
        ("path/to/a/deeply/nested/directory/of/models/my_$model$.py:small_configuration", "cnn", "lstm"),
        ("fp32", "tf32", "amp_bf16", "amp_fp16"),
        (("single", 1, 64), ("ddp", 2, 32), ("ddp", 4, 16), ("single", 1, 128)),
    )
    cases: list[Given] = [
        (
            {"workload": w, "precision": p, "strategy": s, "num_devices": n, "batch_size": b},
            0.001 * number + 0.01,
            number + 1,
        )
        for number, (w, p, (s, n, b)) in enumerate(axes)
    ]
    figure = module.figure(choice(*cases))
    figure.savefig(io.BytesIO())
    boxes = [(text.get_text(), text.get_window_extent()) for text in figure.texts]
    assert len(boxes) > 5
    for words, box in boxes:
        assert box.x0 >= 0, words
        assert box.x1 <= figure.bbox.width, words
        assert box.y0 >= 0, words
    for (words, box), (others, other) in itertools.combinations(boxes, 2):
        assert not box.padded(-1).overlaps(other.padded(-1)), (words, others)


def test_a_front_of_rows_in_doubt_is_no_finding(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    cases = (make_case(), make_case(precision="amp_bf16"))
    run = make_run([result for case in cases for result in make_rounds(case, [0.004, 0.004])])  # few rounds
    assert pareto.figure(run).get_label() == "Throughput against peak memory"
    assert batch.figure(run).get_label() == "Throughput over the batch size"


def test_two_wild_rounds_do_not_hide_the_other_points(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    wild = [1e-150, 1e150]
    results = [*make_rounds(make_case(), [0.004] * 3), *make_rounds(make_case(precision="amp_bf16"), wild)]
    figure = pareto.figure(make_run(results))
    assert "Arrow: the interval goes on beyond the figure." in texts(figure)
    assert figure.axes[0].get_ylim()[1] < 2 * max(max(ys) for ys in _ys(figure))
    figure.savefig(io.BytesIO())


def test_plots_that_differ_in_a_rare_axis_have_titles_that_say_so(choice: MakeChoice) -> None:
    compiled: list[Given] = [({**axes, "compile": "default"}, seconds, mib) for axes, seconds, mib in (FP32, DDP)]
    found = texts(scaling.figure(choice(FP32, DDP, *compiled)))
    assert "mlp on cpu, fp32, global batch 64" in found
    assert "mlp on cpu, fp32, compile default, global batch 64" in found[-1]


def test_more_processes_on_one_cpu_have_no_efficiency(choice: MakeChoice) -> None:
    figure = scaling.figure(choice(FP32, DDP))
    assert figure.get_label() == "2 processes on one CPU have 50 % of the throughput of one"
    assert "- - -  as fast as one process" in texts(figure)


def test_the_same_throughput_at_every_batch_is_no_gain(choice: MakeChoice) -> None:
    doubled: list[Given] = [({"batch_size": size}, 0.001 * size**0.5, 2) for size in (4, 64)]
    assert "4.00" in str(batch.figure(choice(*doubled)).get_label())
    equal: list[Given] = [({"batch_size": size}, 0.001 * size, 2) for size in (4, 64)]
    assert batch.figure(choice(*equal)).get_label() == "Throughput over the batch size"


@pytest.mark.parametrize("colour", ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#f4cf80"])
def test_what_stands_on_a_colour_can_be_read(colour: str) -> None:
    def luminance(name: str) -> float:
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(name)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(colour), luminance(readable_on(colour))), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) >= 4.5
