"""Several runs in one report: figures, table and page."""

import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from xml.etree.ElementTree import Element

import html5lib
import pandas as pd
import pytest

from bench.case import Case
from bench.reporting import batch, csv, html, memory, pareto, phases, scaling, speedup, throughput
from bench.result import CaseResult, Environment
from bench.results.frame import Run
from tests.reporting.drawn import texts

MakeCase = Callable[..., Case]
MakeRounds = Callable[..., list[CaseResult]]
MakeRun = Callable[..., Run]
Runs = tuple[Run, Run]

X = "\N{MULTIPLICATION SIGN}"
MIB = 2**20
BARS = (throughput, memory, phases, speedup)
PLOTS = (pareto, scaling, batch)
EVIL = "<img src=x onerror=alert(1)>"


def name_of(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


@pytest.fixture(name="runs")
def _runs(make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun) -> Runs:
    """Return two runs of the same cases; in the second steps take half as long and a quarter more memory."""
    cases = [
        make_case(),
        make_case(precision="amp_bf16"),
        make_case(strategy="ddp", num_devices=2, batch_size=32),
        make_case(batch_size=128),
    ]

    def run(label: str, factor: float, mib: int, cores: str) -> Run:
        results = []
        for number, case in enumerate(cases):
            seconds = 0.004 * factor / (number + 1)
            peak = mib * (number + 1) * MIB
            results += make_rounds(case, [seconds] * 8, peak_allocated_bytes=peak)
        skipped = CaseResult(case=make_case(device="cuda"), round=0, status="skipped", reason="needs 1, found 0")
        environment = Environment(hard={"cores": cores, "torch": "2.13.0"})
        return make_run([*results, skipped], label=label, environment=environment)

    return run("old box", 1.0, 8, "2"), run(f"new box {EVIL}", 0.5, 10, "4")


@pytest.mark.parametrize("module", BARS, ids=name_of)
def test_bars_of_one_case_stand_together_each_with_its_run(module: ModuleType, runs: Runs) -> None:
    figure = module.figure(*runs)
    labels = [text.get_text() for axes in figure.axes for text in axes.texts if " | " in text.get_text()]
    assert len(labels) == (4 if module is speedup else 8)
    for first, second in zip(labels[::2], labels[1::2], strict=True):
        assert first.endswith(" | old box")
        assert second == first.removesuffix("old box") + f"new box {EVIL}"


@pytest.mark.parametrize("module", [*BARS, *PLOTS], ids=name_of)
def test_every_figure_says_which_runs_it_holds(module: ModuleType, runs: Runs) -> None:
    figure = module.figure(*runs)
    assert figure.axes
    assert "old box" in texts(figure)[-1]
    assert "new box" in texts(figure)[-1]
    figure.savefig(io.BytesIO())
    assert all(text.get_window_extent().x1 <= figure.bbox.width for text in figure.texts)


@pytest.mark.parametrize("module", PLOTS, ids=name_of)
def test_each_run_has_plots_of_its_own(module: ModuleType, runs: Runs) -> None:
    assert len(module.figure(*runs).axes) == 2 * len(module.figure(runs[0]).axes)


def test_the_titles_say_the_ratios_to_the_first_run(runs: Runs) -> None:
    assert f"Throughput over that of old box: new box {EVIL} 2.00{X}" == throughput.figure(*runs).get_label()
    assert f"Peak memory over that of old box: new box {EVIL} 1.25{X}" == memory.figure(*runs).get_label()
    assert f"32,000 ±0.0 %   2.000{X} ±0.0 %" in texts(throughput.figure(*runs))


def test_a_difference_that_is_not_certain_is_no_title(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    noise = [0.0037, 0.0043] * 4
    first, second = (
        make_run(make_rounds(make_case(), [factor * one for one in noise]), label=label)
        for label, factor in (("a", 1.0), ("b", 0.98))
    )
    assert throughput.figure(first, second).get_label() == "Throughput: a and b"


def test_another_model_under_the_same_name_is_held_against_nothing(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun, tmp_path: Path
) -> None:
    first = make_run(make_rounds(make_case(), [0.004] * 8), label="a")
    second = make_run(make_rounds(make_case(), [0.04] * 8, parameters=10_000), label="b")
    found = pd.read_csv(csv.write_beside([first, second], tmp_path)[0])
    assert found["run_ratio"].isna().all()
    assert "another model under the same name" in found["notes"][1]
    assert throughput.figure(first, second).get_label() == "Throughput: a and b"


def test_what_is_missing_is_told_by_run(runs: Runs) -> None:
    (note,) = [text for text in texts(throughput.figure(*runs))[:-1] if text.startswith("Not measured")]
    assert note.startswith("Not measured: old box: mlp on cuda single fp32 (batch 64) || new box")


def test_the_table_has_the_rows_of_all_runs(runs: Runs, tmp_path: Path) -> None:
    (path,) = csv.write_beside(runs, tmp_path)
    found = pd.read_csv(path)
    assert list(found.columns[:2]) == ["run", "case_id"]
    assert list(found["run"].unique()) == ["old box", f"new box {EVIL}"]
    assert found["run_ratio"].dropna().tolist() == pytest.approx([2.0] * 4)
    assert found["rounds"].dtype == "int64"
    assert len(found) == 10


@pytest.fixture(name="document")
def _document(runs: Runs, tmp_path: Path) -> Element:
    (path,) = html.write_beside(runs, tmp_path)
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    document: Element = parser.parse(path.read_text())
    return document


def words(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def test_the_page_has_a_row_a_case_and_figures_of_each_run(document: Element) -> None:
    (table,) = [found for found in document.iter("table") if found.get("id") == "case-table"]
    headers = [words(header) for header in table.iter("th") if header.get("scope") == "col"]
    assert {"old box: samples/s", "old box: memory", f"new box {EVIL}: of the first"} <= set(headers)
    assert "old box: of the first" not in headers
    body = table.find("tbody")
    assert body is not None
    assert len(body) == 5
    row = dict(zip(headers, (words(cell) for cell in body[0]), strict=True))
    assert row[f"new box {EVIL}: of the first"] == f"2.000{X} ±0.0 %"
    assert row["old box: memory"] == "8.00 MiB"
    skipped = dict(zip(headers, (words(cell) for cell in body[4]), strict=True))
    assert skipped["old box: status"] == "skipped"
    assert skipped["old box: samples/s"] == ""


def test_the_page_tells_what_each_run_says_and_where_the_machines_differ(document: Element) -> None:
    text = words(document)
    assert "2 runs side by side" in text
    assert f"new box {EVIL}" in text
    differing = [words(row) for row in document.iter("tr") if row.get("class") == "differs"]
    assert "cores 2 4" in differing
    assert "torch 2.13.0 2.13.0" not in differing
    assert [words(found) for found in document.iter("h3") if "AMP" in words(found)]
    assert len([found for found in document.iter() if str(found.tag).endswith("svg")]) == 7


def test_what_the_runs_say_of_one_pair_of_cases_stands_together(document: Element) -> None:
    told = [found for found in document.iter("ul") if found.get("class") == "findings"]
    answers = [[words(name) for name in pair.iter("strong")] for pair in told[0].iter("li")]
    assert answers == [["old box", f"new box {EVIL}"]] * len(answers)
    assert answers
