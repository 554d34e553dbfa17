"""Findings and recommendations where a person reads them: on the terminal, in findings.md and findings.json."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from bench.case import Case
from bench.reporting import findings
from bench.reporting._conclusions import MAX_FINDINGS, print_conclusions
from bench.result import CaseResult, SamplingPlan
from bench.results.findings import findings_of
from bench.results.frame import Run

X = "\N{MULTIPLICATION SIGN}"
MakeCase = Callable[..., Case]
MakeRounds = Callable[..., list[CaseResult]]
MakeRun = Callable[..., Run]


def printed(run: Run, width: int = 200, encoding: str = "utf-8", *, colour: bool = False) -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=file, width=width, force_terminal=colour, color_system="standard" if colour else None)
    print_conclusions(run, console)
    file.flush()
    return [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]


def test_findings_stand_under_their_claims_then_advice_then_what_cannot_be_told(mixed_run: Run) -> None:
    assert printed(mixed_run) == [
        "",
        "Findings",
        "AMP is faster?",
        (
            f"confirmed      AMP bf16 trains mlp 2.000{X} faster than fp32 on this CPU (2.000 to 2.000) and needs 25 % "
            "less memory"
        ),
        "AMP saves memory?",
        "confirmed      AMP bf16 needs less memory than fp32 on this CPU: 25 % for mlp",
        "",
        "What to train with",
        "mlp: cpu single amp_bf16 is the leanest (9.00 MiB) and the fastest (2.000 ms ±0.0 % a step)",
        "",
        "What this run cannot tell",
        (
            "needs a GPU, found 0: a GPU trains faster than the CPU; AMP gains more for large models; pinned memory "
            "saves time; a batch that is on the GPU already saves time"
        ),
        "not in this run; --suite compile has it: torch.compile pays",
        "needs two GPUs, found 0: DataParallel is easy but slower than DDP; more GPUs train faster",
        "not in this run; --suite habits has it: .item() in the loop costs time; .cpu().numpy() in the loop costs time",
        "crashed: rank 1: signal 11 [SIGSEGV]: more processes train faster on one CPU",
    ]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_line_is_wider_than_the_terminal_and_sentences_are_whole(mixed_run: Run, width: int, encoding: str) -> None:
    lines = printed(mixed_run, width, encoding)
    assert max(map(len, lines)) <= width
    times = X if encoding == "utf-8" else "x"
    assert f"AMP bf16 trains mlp 2.000{times} faster than fp32 on this CPU" in " ".join(" ".join(lines).split())


def test_verdicts_are_coloured_on_a_terminal_and_nothing_is_when_piped(mixed_run: Run) -> None:
    assert any("\x1b[32mconfirmed" in line for line in printed(mixed_run, colour=True))
    assert not any("\x1b" in line for line in printed(mixed_run))


def test_what_is_sure_comes_before_what_is_open_and_a_long_list_is_cut(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    results = []
    for number in range(MAX_FINDINGS + 3):
        results += make_rounds(make_case(workload=f"w{number}"), [0.004] * 3, memory_source=None)
        steps = [0.0034, 0.0037, 0.0041] if number == 0 else [0.002] * 3
        results += make_rounds(make_case(workload=f"w{number}", precision="amp_bf16"), steps, memory_source=None)
    lines = printed(make_run(results, sampling=SamplingPlan(min_rounds=3)))
    assert lines[3].startswith(f"confirmed      AMP bf16 trains w1 2.000{X} faster")
    assert lines[3 + MAX_FINDINGS].strip() == "and 3 more: findings.md has them"
    assert "What to train with" not in lines


def test_a_run_without_a_pair_says_nothing_on_the_terminal(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    assert printed(make_run(make_rounds(make_case(), [0.004]))) == []


def test_brackets_are_not_taken_for_markup(make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun) -> None:
    cases = [make_case(workload="a[bold].py:net", precision=precision) for precision in ("fp32", "amp_bf16")]
    run = make_run([result for case in cases for result in make_rounds(case, [0.004])])
    assert any("a[bold].py:net" in line for line in printed(run))


def test_both_files_hold_every_finding(mixed_run: Run, tmp_path: Path) -> None:
    assert findings.write(mixed_run, tmp_path) == [tmp_path / "findings.md", tmp_path / "findings.json"]
    content = json.loads((tmp_path / "findings.json").read_text())
    assert content["schema_version"] == 1
    assert [found["topic"] for found in content["findings"]] == [found.topic for found in findings_of(mixed_run)]
    speed = next(found for found in content["findings"] if found["topic"] == "amp_speed")
    assert speed["ratio"] == pytest.approx({"value": 2.0, "low": 2.0, "high": 2.0})
    assert (speed["verdict"], speed["flags"]) == ("confirmed", [])
    (advice,) = content["recommendations"]
    assert advice["fastest_id"] == advice["leanest_id"] == mixed_run.plan.cases[1].id
    lines = (tmp_path / "findings.md").read_text().splitlines()
    assert lines[:5] == ["# Findings", "", "## AMP is faster?", "", lines[4]]
    assert lines[4].startswith(f"- **confirmed**: AMP bf16 trains mlp 2.000{X} faster than fp32 on this CPU")
    assert "## What to train with" in lines
    assert "- not in this run; --suite compile has it: torch.compile pays" in lines


def test_a_name_of_somebody_elses_is_text_in_markdown(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun, tmp_path: Path
) -> None:
    name = "<img src=x onerror=alert(1)>.py"
    cases = [make_case(workload=name, precision=precision) for precision in ("fp32", "amp_bf16")]
    findings.write(make_run([result for case in cases for result in make_rounds(case, [0.004])]), tmp_path)
    text = (tmp_path / "findings.md").read_text()
    assert "<img" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;.py" in text


def test_a_bound_that_is_infinite_is_none_in_json(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun, tmp_path: Path
) -> None:
    wild = make_rounds(make_case(precision="amp_bf16"), [1e-30, 1e30])
    findings.write(make_run([*make_rounds(make_case(), [1.0, 1.0]), *wild]), tmp_path)
    content = json.loads((tmp_path / "findings.json").read_text())
    assert next(found for found in content["findings"] if found["topic"] == "amp_speed")["ratio"]["high"] is None
