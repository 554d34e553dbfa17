"""The three figures, through the text and the bars that they are made of."""

import dataclasses
import io
import itertools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from bench.case import Case
from bench.flags import FLAGS
from bench.reporting import memory, phases, throughput
from bench.reporting._pages import MAX_BARS
from bench.reporting._style import save
from bench.result import CaseResult
from bench.results.frame import Run
from tests.reporting.drawn import texts

X = "\N{MULTIPLICATION SIGN}"
FIGURES = (throughput, memory, phases)
each_figure = pytest.mark.parametrize("module", FIGURES, ids=lambda module: module.__name__.rpartition(".")[2])


def widths(axes: Axes) -> list[float]:
    return [bar.get_width() for container in axes.containers for bar in container if hasattr(bar, "get_width")]


@pytest.fixture
def many_cases(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> Run:
    """Sixty measured cases of three workloads with long names, and two dozen skipped ones."""
    axes = itertools.product(
        ("path/to/a/deeply/nested/directory/of/models/my_$model$.py:small_configuration_of_the_network", "cnn", "lstm"),
        ("fp32", "tf32", "amp_bf16", "amp_fp16", "fp8"),
        ("single", "ddp"),
        (8, 16),
    )
    cases = [make_case(workload=w, precision=p, strategy=s, batch_size=b, input="pinned") for w, p, s, b in axes]
    results = [result for case in cases for result in make_rounds(case, [0.1, 0.11], peak_reserved_bytes=2**24)]
    skipped = [make_case(workload=f"w{number}", device="cuda") for number in range(24)]
    results += [CaseResult(case=case, round=0, status="skipped", reason="no CUDA device") for case in skipped]
    return make_run(results)


def test_throughput_says_the_finding_the_figures_and_what_is_missing(mixed_run: Run) -> None:
    found = texts(throughput.figure(mixed_run))
    assert f"amp_bf16 trains mlp 2.000{X} faster than fp32 on this CPU" in found
    assert "mlp, global batch 64" in found
    assert "throughput (samples/s)" in found
    assert "cpu single amp_bf16" in found
    assert "16,000 ±0.0 %   reference" in found
    assert f"32,000 ±0.0 %   2.000{X} ±0.0 %" in found
    notes = " ".join(found)
    assert f"Failed: mlp on cpu ddp{X}2 fp32 (1 case, crashed): rank 1: signal 11 [SIGSEGV]" in notes
    assert "mlp on cuda single fp32, tf32 | cnn on cuda single fp32 (3 cases, skipped): needs 1 CUDA device" in notes


def test_throughput_bars_are_as_long_as_the_figures_and_carry_their_interval(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    (axes,) = throughput.figure(make_run(make_rounds(make_case(), [0.004, 0.0041, 0.0039]))).axes
    run = make_run(make_rounds(make_case(), [0.004, 0.0041, 0.0039])).cases.iloc[0]
    assert widths(axes) == pytest.approx([run["throughput_samples_per_second"]])
    (whisker,) = [lines for lines in axes.collections if isinstance(lines, LineCollection)]
    assert whisker.get_segments()[0][:, 0] == pytest.approx(
        [64 / run["step_seconds_high"], 64 / run["step_seconds_low"]]
    )


def test_a_case_of_one_round_has_no_whisker(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    figure = throughput.figure(make_run(make_rounds(make_case(), [0.004])))
    assert not figure.axes[0].collections
    assert "Fewer than 8 rounds, so the interval is wide or missing: all cases" in texts(figure)


def test_a_wild_interval_is_cut_with_an_arrow_instead_of_hiding_the_bars(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    calm = make_rounds(make_case(), [0.004, 0.004])
    for wild in ([0.004, 0.016], [1e-150, 1e150]):
        figure = throughput.figure(make_run([*calm, *make_rounds(make_case(precision="amp_bf16"), wild)]))
        longest = max(widths(figure.axes[0]))
        assert figure.axes[0].get_xlim()[1] < 3 * longest
        (arrow,) = [line for line in figure.axes[0].lines if line.get_marker() == ">"]
        assert arrow.get_xdata() == pytest.approx([1.4 * longest])
        assert "Arrow: the interval goes on beyond the figure." in texts(figure)


def test_each_workload_has_a_panel_of_its_own(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    run = make_run([result for w in ("mlp", "cnn") for result in make_rounds(make_case(workload=w), [0.1])])
    assert [len(module.figure(run).axes) for module in FIGURES] == [2, 2, 2]


def test_memory_shows_what_is_reserved_as_an_outline(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    run = make_run(make_rounds(make_case(), [0.1], peak_allocated_bytes=6 * 2**20, peak_reserved_bytes=9 * 2**20))
    figure = memory.figure(run)
    assert widths(figure.axes[0]) == pytest.approx([6.0, 9.0])
    assert "peak memory per device (MiB)" in texts(figure)
    assert "6.00 MiB   reserved 9.00 MiB" in texts(figure)
    assert "reserved: held by the allocator" in texts(figure)


def test_memory_names_measured_cases_whose_memory_is_not_known(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    figure = memory.figure(make_run(make_rounds(make_case(), [0.1], peak_allocated_bytes=None)))
    assert "Measured, but this figure is not known there: mlp on cpu single fp32" in texts(figure)


def test_phases_are_stacked_and_the_whole_step_is_a_line(mixed_run: Run) -> None:
    figure = phases.figure(mixed_run)
    # 4 ms: forward 1.2, backward 2.0, optimizer 0.8; 2 ms: half of each.
    assert widths(figure.axes[0]) == pytest.approx([1.2, 2.0, 0.8, 0.6, 1.0, 0.4])
    lines = [lines for lines in figure.axes[0].collections if isinstance(lines, LineCollection)]
    upright = [segment[0, 0] for group in lines for segment in group.get_segments() if segment[0, 1] != segment[1, 1]]
    assert upright == pytest.approx([4.0, 2.0])
    assert "time of one step (ms)" in texts(figure)
    assert "4.000 ms ±0.0 %" in texts(figure)


def test_phases_of_devices_with_different_scales_are_apart(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    fast = make_rounds(make_case(device="cuda"), [0.0001])
    figure = phases.figure(make_run([*make_rounds(make_case(), [0.1]), *fast]))
    assert [axes.get_xlabel() for axes in figure.axes] == ["time of one step (ms)", "time of one step (µs)"]
    assert "mlp on cuda, global batch 64" in texts(figure)


def test_a_case_has_the_same_colour_in_every_figure_and_a_hatch_for_its_precision(mixed_run: Run) -> None:
    fills = [
        [(bar.get_facecolor(), bar.get_hatch()) for container in module.figure(mixed_run).axes[0].containers
         for bar in container if hasattr(bar, "get_hatch")]
        for module in (throughput, memory)
    ]  # fmt: skip
    assert fills[0] == fills[1]
    assert len(set(fills[0])) == 2
    assert [hatch or "" for _, hatch in fills[0]] == ["", "...."]


def test_flags_stand_behind_the_bar_and_are_explained(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    (result,) = make_rounds(make_case(), [0.005])
    found = texts(throughput.figure(make_run([dataclasses.replace(result, flags=("contended", "odd"))])))
    assert "12,800   reference   contended odd" in found
    assert f"contended: {FLAGS['contended'].meaning}" in found


def test_flags_and_rounds_are_about_time_and_say_nothing_about_memory(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    (result,) = make_rounds(make_case(), [0.005])
    found = texts(memory.figure(make_run([dataclasses.replace(result, flags=("contended",))])))[-1]
    assert "contended" not in found
    assert "rounds, so the interval" not in found


@each_figure
def test_a_run_without_a_measurement_still_says_why(
    module: ModuleType, make_case: Callable[..., Case], make_run: Callable[..., Run]
) -> None:
    result = CaseResult(case=make_case(device="cuda"), round=0, status="skipped", reason="no CUDA device")
    figure = module.figure(make_run([result]))
    assert "Not measured: mlp on cuda single fp32 (1 case, skipped): no CUDA device" in texts(figure)
    assert any("nothing was measured" in text for text in texts(figure))
    assert not figure.axes


@each_figure
def test_no_text_overlaps_another_or_leaves_the_page(module: ModuleType, many_cases: Run) -> None:
    figure = module.figure(many_cases)
    figure.savefig(io.BytesIO())
    shown = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        # Axes keep labels of ticks beyond their limits, which are never drawn.
        ticks = [tick.label1 for tick in axes.xaxis._update_ticks()]
        shown += [*axes.texts, axes.xaxis.label, *ticks]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    assert len(boxes) > 120
    for words, box in boxes:
        assert box.x0 >= 0, words
        assert box.x1 <= figure.bbox.width, words
        assert box.y0 >= 0, words
        assert box.y1 <= figure.bbox.height, words
    for (words, box), (others, other) in itertools.combinations(boxes, 2):
        assert not box.padded(-1).overlaps(other.padded(-1)), (words, others)


def test_a_name_that_the_font_cannot_show_is_no_warning(
    make_case: Callable[..., Case],
    make_rounds: Callable[..., list[CaseResult]],
    make_run: Callable[..., Run],
    tmp_path: Path,
) -> None:
    figure = throughput.figure(make_run(make_rounds(make_case(workload="模型.py:small"), [0.1])))
    assert all(path.exists() for path in save(figure, tmp_path / "throughput", ["png", "svg"]))


@pytest.mark.parametrize("name", ["png", "svg"])
def test_the_same_run_gives_the_same_bytes(name: str, mixed_run: Run, tmp_path: Path) -> None:
    for word in ("a", "b"):
        (tmp_path / word).mkdir()
    files = [save(throughput.figure(mixed_run), tmp_path / word / "throughput", [name]) for word in ("a", "b")]
    first, second = (path.read_bytes() for (path,) in files)
    assert first == second
    assert (b"<svg" in first) == (name == "svg")


@each_figure
def test_of_more_cases_than_there_is_room_for_the_first_are_drawn_and_the_others_counted(
    module: ModuleType,
    make_case: Callable[..., Case],
    make_rounds: Callable[..., list[CaseResult]],
    make_run: Callable[..., Run],
) -> None:
    cases = [make_case(batch_size=number + 1) for number in range(MAX_BARS + 7)]
    figure = module.figure(make_run([result for case in cases for result in make_rounds(case, [0.1])]))
    (axes,) = figure.axes
    assert axes.get_ylim() == (MAX_BARS - 0.5, -0.5)
    assert "Not drawn, for want of room: 7 more cases (all in results.csv)" in texts(figure)
