"""The table on the terminal."""

import dataclasses
import io
import sys
from collections.abc import Callable

import pytest
from rich.console import Console

from bench.case import Case
from bench.flags import FLAGS
from bench.reporting._console import print_results
from bench.result import CaseResult
from bench.results.frame import Run

X = "\N{MULTIPLICATION SIGN}"


def printed(run: Run, width: int = 140, encoding: str = "utf-8", *, colour: bool = False) -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    print_results(
        run, Console(file=file, width=width, force_terminal=colour, color_system="standard" if colour else None)
    )
    file.flush()
    return [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]


def words(line: str) -> list[str]:
    """Return the cells of a line: they are at least two spaces apart."""
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_the_table_has_a_row_a_measured_case(mixed_run: Run) -> None:
    lines = printed(mixed_run)
    assert words(lines[0]) == [
        "workload", "device", "strategy", "precision", "batch", "step", "samples/s", "memory", "speed-up", "rounds"
    ]  # fmt: skip
    assert words(lines[1]) == [
        "mlp", "cpu", "single", "fp32", "64", "4.000 ms ±0.0 %", "16,000", "12.0 MiB", "reference", "2"
    ]  # fmt: skip
    assert words(lines[2]) == [
        "mlp", "cpu", "single", "amp_bf16", "64", "2.000 ms ±0.0 %", "32,000", "9.00 MiB", f"2.000{X} ±0.0 %", "2"
    ]  # fmt: skip
    assert lines[3] == ""


def test_failed_and_skipped_cases_are_one_line_a_reason(mixed_run: Run) -> None:
    lines = printed(mixed_run)
    assert lines[4] == f"crashed  1 case: rank 1: signal 11 [SIGSEGV] (mlp on cpu ddp{X}2 fp32)"
    assert lines[5] == (
        "skipped  3 cases: needs 1 CUDA device, found 0 (mlp on cuda single fp32, tf32 | cnn on cuda single fp32)"
    )


def test_the_legend_names_the_reference(mixed_run: Run) -> None:
    assert printed(mixed_run)[-1] == (
        "±: 95 % interval over rounds; speed-up over cpu single fp32 with the same workload and global batch, "
        "in the rounds of both"
    )


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_line_is_wider_than_the_terminal_and_no_row_is_broken(
    width: int,
    encoding: str,
    make_case: Callable[..., Case],
    make_rounds: Callable[..., list[CaseResult]],
    make_run: Callable[..., Run],
) -> None:
    cases = [
        make_case(workload="path/to/a/deeply/nested/my_model.py:small", precision=precision, device=device)
        for precision in ("fp32", "amp_bf16")
        for device in ("cpu", "cuda")
    ]
    rounds = [make_rounds(case, [0.1, 0.13], item="token", items_per_sample=1024) for case in cases]
    lines = printed(make_run([result for each in rounds for result in each]), width, encoding)
    assert max(map(len, lines)) <= width
    assert [line.split()[1] for line in lines[1:5]] == ["cpu", "cuda", "cpu", "cuda"]
    assert lines[5] == ""


def test_a_narrow_terminal_loses_the_least_needed_columns(mixed_run: Run) -> None:
    assert words(printed(mixed_run, 80)[0]) == [
        "workload", "precision", "step", "samples/s", "memory", "speed-up", "rounds"
    ]  # fmt: skip
    assert words(printed(mixed_run, 66)[0]) == ["workload", "precision", "step", "samples/s", "speed-up"]
    assert "every row: device cpu, strategy single, batch 64" in printed(mixed_run, 66)


def test_an_axis_that_tells_rows_apart_is_never_dropped(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    cases = [make_case(), make_case(loop="item"), make_case(input="pinned"), make_case(compile="reduce_overhead")]
    header = printed(make_run([result for case in cases for result in make_rounds(case, [0.1])]), 60)[0]
    assert all(name in header for name in ("compile", "input", "loop"))


def test_items_are_shown_where_they_are_not_samples(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    lines = printed(make_run(make_rounds(make_case(), [0.064], item="token", items_per_sample=128)))
    assert "128,000 token/s" in words(lines[1])


def test_brackets_are_not_taken_for_markup(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    failed = CaseResult(case=make_case(workload="[red]m.py"), round=0, status="error", reason="index [/bold] of [0]")
    lines = printed(make_run([*make_rounds(make_case(workload="a[bold].py:net"), [0.1]), failed]))
    assert words(lines[1])[0] == "a[bold].py:net"
    assert "error  1 case: index [/bold] of [0] ([red]m.py on cpu single fp32)" in lines


def test_flags_have_a_column_and_a_legend(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    run = make_run(make_rounds(make_case(), [0.1]))
    wide, narrow = printed(run), printed(run, 40)
    assert words(wide[1])[-1] == "few_rounds"
    explained = f"few_rounds: {FLAGS['few_rounds'].meaning}; {FLAGS['few_rounds'].cure}"
    assert wide[-1] == explained
    assert "flags" not in narrow[0]
    assert " ".join(narrow).endswith(f" {explained} (all rows)")


def test_every_flag_that_the_table_knows_is_explained_in_a_line_of_its_own_and_others_are_named(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    results = make_rounds(make_case(), [0.1], skipped_steps=2, allocator_retries=1)
    lines = printed(make_run([dataclasses.replace(result, flags=("from_the_future",)) for result in results]))
    known = [f"{name}: {FLAGS[name].meaning}; {FLAGS[name].cure}" for name in ("allocator_retry", "skipped_steps")]
    assert lines[-4:-2] == known
    assert lines[-1] == "from_the_future"


def test_a_run_without_a_measurement_says_so(make_case: Callable[..., Case], make_run: Callable[..., Run]) -> None:
    result = CaseResult(case=make_case(), round=0, status="unsupported", reason="not here")
    assert printed(make_run([result])) == [
        "Nothing was measured.",
        "",
        "unsupported  1 case: not here (mlp on cpu single fp32)",
    ]


def test_the_fastest_case_is_coloured_on_a_terminal_and_nothing_is_when_piped(mixed_run: Run) -> None:
    coloured = printed(mixed_run, colour=True)
    assert "\x1b[1;32m" not in coloured[1]
    assert "\x1b[1;32m2.000 ms" in coloured[2]
    assert not any("\x1b" in line for line in printed(mixed_run))


def test_the_rows_of_one_workload_stand_together(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    axes = [("mlp", "fp32"), ("cnn", "fp32"), ("mlp", "amp_bf16"), ("cnn", "amp_bf16")]
    cases = [make_case(workload=workload, precision=precision) for workload, precision in axes]
    lines = printed(make_run([result for case in cases for result in make_rounds(case, [0.004])]))
    assert [words(line)[0] for line in lines[1:5]] == ["mlp", "mlp", "cnn", "cnn"]


def test_a_note_is_said_under_the_table_with_the_rows_that_it_is_about(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    plain, noted = make_case(), make_case(precision="amp_bf16")
    run = make_run([*make_rounds(plain, [0.004]), *make_rounds(noted, [0.004], notes=("oneDNN is off",))])
    assert printed(run)[-1] == "note on mlp on cpu single amp_bf16: oneDNN is off"


def test_a_compiled_case_says_what_it_took_and_when_it_pays(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> None:
    eager = make_rounds(make_case(), [0.010, 0.010])
    compiled = make_rounds(
        make_case(compile="default"), [0.004, 0.004], compile_seconds=17.43, compiles_from_nothing=True
    )
    lines = printed(make_run([*eager, *compiled]), width=200)
    assert words(lines[0])[-5:] == ["compiled in", "pays after", "speed-up", "rounds", "flags"]
    assert words(lines[2])[-5:] == ["17.4 s", "2,900 steps", f"2.500{X} ±0.0 %", "2", "few_rounds"]


@pytest.mark.parametrize(
    ("started_as", "words_of_it"), [("run_bench.py", "python run_bench.py"), ("/usr/bin/stepbench", "stepbench")]
)
def test_a_failure_that_doctor_can_explain_says_how_to_ask(
    make_case: Callable[..., Case],
    make_run: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
    started_as: str,
    words_of_it: str,
) -> None:
    monkeypatch.setattr(sys, "argv", [started_as])
    reason = "AcceleratorError: CUDA error: device-side assert triggered"
    failed = CaseResult(case=make_case(), round=0, status="error", reason=reason)
    lines = printed(make_run([failed]))
    assert lines[2:4] == [
        f"error  1 case: {reason} (mlp on cpu single fp32)",
        f"       what that means: {words_of_it} doctor --explain device_side_assert",
    ]
