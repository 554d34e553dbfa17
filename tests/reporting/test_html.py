"""The page: whole, self-contained, and deaf to what others wrote into it."""

import base64
import dataclasses
import hashlib
import itertools
import random
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import pytest

from bench.case import Case
from bench.flags import FLAGS
from bench.reporting import html
from bench.reporting._html import cases
from bench.reporting._html.page import asset, render
from bench.reporting._pages import MAX_BARS
from bench.result import NOT_REACHED, CaseResult, DeviceInfo, Environment, Failure
from bench.results.frame import Run
from bench.results.rows import rows

MakeCase = Callable[..., Case]
MakeRounds = Callable[..., list[CaseResult]]
MakeRun = Callable[..., Run]
MakeMany = Callable[[int], Run]

MIB = 2**20
EVIL = "<img src=x onerror=alert(1)>.py"


def parsed(page: str) -> Element:
    """Return the page as a browser reads it; anything that the HTML standard calls an error is one here."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    document: Element = parser.parse(page)
    return document


def words(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def of_class(document: Element, name: str) -> list[Element]:
    return [element for element in document.iter() if name in str(element.get("class", "")).split()]


def local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


@pytest.fixture(name="many")
def _many(make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun) -> MakeMany:
    """Return the maker of a run of so many cases, each with more steps than are drawn."""
    noise = random.Random(1)
    steps = {phase: tuple(noise.lognormvariate(-5, 0.1) for _ in range(210)) for phase in ("forward", "step")}
    warmup = {"step": tuple(noise.lognormvariate(-4, 0.5) for _ in range(110))}
    axes = itertools.product(
        (f"path/to/model_{number}.py:small" for number in range(32)),
        ("fp32", "tf32", "amp_bf16", "amp_fp16"),
        (("single", 1), ("ddp", 2)),
        (8, 16, 32, 64),
    )

    def many(number: int) -> Run:
        chosen = [
            make_case(
                workload=workload,
                precision=precision,
                strategy=strategy,
                num_devices=devices,
                batch_size=batch // devices,
            )
            for workload, precision, (strategy, devices), batch in itertools.islice(axes, number)
        ]
        seconds = [0.005 * noise.lognormvariate(0, 0.02) for _ in range(3)]
        results = [
            result
            for case in chosen
            for result in make_rounds(case, seconds, samples_seconds=steps, warmup_seconds=warmup, warmup_steps=110)
        ]
        return make_run(results)

    return many


@pytest.fixture(name="failed_run")
def _failed_run(make_case: MakeCase, make_run: MakeRun) -> Run:
    failure = Failure(message="boom", log_tail={"0": ("one", "</script><script>alert(2)</script>"), "1": ("two",)})
    return make_run(
        [
            CaseResult(
                case=make_case(workload=EVIL), round=0, status="error", reason="<b>boom</b>\x1b[0m", failure=failure
            )
        ]
    )


@pytest.fixture(name="empty_run")
def _empty_run(make_case: MakeCase, make_run: MakeRun) -> Run:
    skipped = [
        CaseResult(case=make_case(device="cuda", precision=precision), round=0, status="skipped", reason="no GPU here")
        for precision in ("fp32", "tf32")
    ]
    return make_run(skipped)


@pytest.fixture(name="interrupted_run")
def _interrupted_run(make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun) -> Run:
    done, missed = make_case(), make_case(precision="amp_bf16")
    run = make_run(make_rounds(done, [0.004, 0.004]), cases=(done, missed))
    return dataclasses.replace(run, directory=Path("reports/a run"))


@pytest.fixture(params=["mixed_run", "failed_run", "empty_run", "interrupted_run"])
def any_run(request: pytest.FixtureRequest) -> Run:
    found: Run = request.getfixturevalue(request.param)
    return found


def test_the_file_holds_the_page_and_is_the_same_every_time(mixed_run: Run, tmp_path: Path) -> None:
    (path,) = html.write(mixed_run, tmp_path)
    assert path == tmp_path / "report.html"
    first = path.read_bytes()
    assert first.startswith(b"<!DOCTYPE html>")
    html.write(mixed_run, tmp_path)
    assert path.read_bytes() == first


def test_any_run_gives_valid_html(any_run: Run) -> None:
    parsed(render(any_run))


def test_every_id_is_there_once_and_whatever_is_pointed_at_is_there(any_run: Run) -> None:
    document = parsed(render(any_run))
    ids = [found for element in document.iter() if (found := element.get("id"))]
    assert len(ids) == len(set(ids))
    targets = set()
    for element in document.iter():
        targets |= set(element.get("aria-labelledby", "").split())
        for name, value in element.attrib.items():
            targets |= set(re.findall(r"url\(#([^)]+)\)", value))
            if str(name).endswith("href") and value.startswith("#"):
                targets.add(value[1:])
    assert targets
    assert targets <= set(ids)


def test_the_policy_lets_this_style_and_this_script_be_and_nothing_else(mixed_run: Run) -> None:
    document = parsed(render(mixed_run))
    (policy,) = [
        meta.get("content", "") for meta in document.iter("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("style", "script"):
        (element,) = document.iter(tag)
        digest = base64.b64encode(hashlib.sha256((element.text or "").encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert "unsafe" not in policy


def test_the_page_points_at_nothing_outside_of_itself(any_run: Run) -> None:
    page = render(any_run)
    assert not re.search(r"https?:|@import|//[a-z]", page.replace(asset("report.js"), ""))
    for element in parsed(page).iter():
        for name, value in element.attrib.items():
            assert not str(name).startswith("on"), name
            assert name not in ("style", "src", "srcset", "action", "data"), name
            if str(name).endswith("href"):
                assert value.startswith("#") or value == "data:,"


def test_what_others_wrote_is_text_and_nothing_else(failed_run: Run) -> None:
    document = parsed(render(failed_run))
    assert not list(document.iter("img"))
    assert len(list(document.iter("script"))) == 1
    (row,) = [row for row in document.iter("tr") if row.get("data-detail")]
    assert words(row[0]) == EVIL
    logs = ["".join(log.itertext()) for log in document.iter("pre")]
    assert logs[:2] == ["one\n</script><script>alert(2)</script>", "two"]
    reasons = {words(element) for element in of_class(document, "reason")}
    assert "<b>boom</b>\N{SYMBOL FOR ESCAPE}[0m" in reasons


def test_hostile_names_are_text_in_the_figures_and_everywhere_else(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    names = (EVIL, "a\x00b\x1b[1m\u202egnp.py", "]]></svg><b>", '" onload="x', "{{ 7 * 7 }}")
    results = [result for name in names for result in make_rounds(make_case(workload=name), [0.004, 0.004])]
    environment = Environment(hard={"cpu_name": "<u>cpu</u>"}, soft={"hostname": "'><script>"})
    page = render(make_run(results, environment=environment, label="</title><b>", commit="&amp;"))
    document = parsed(page)
    assert not {"img", "b", "u"} & {local(element) for element in document.iter()}
    title = words(next(document.iter("title")))
    assert title == "stepbench: <u>cpu</u> ('><script>), </title><b>, commit &amp;"
    assert "{{ 7 * 7 }}" in words(document)
    assert not re.search("[\x00\x1b\u202e]", page)
    texts = [words(element) for element in document.iter() if local(element) == "text"]
    assert f"{EVIL}, global batch 64" in texts


def test_headings_are_in_order(any_run: Run) -> None:
    levels = [int(local(element)[1]) for element in parsed(render(any_run)).iter() if re.match(r"h\d$", local(element))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in itertools.pairwise(levels))


def test_who_does_not_see_the_figures_is_told_what_they_say(mixed_run: Run) -> None:
    document = parsed(render(mixed_run))
    assert document.get("lang") == "en"
    drawn = [element for element in document.iter() if local(element) == "svg"]
    assert len(drawn) >= 5
    by_id = {element.get("id"): element for element in document.iter()}
    for element in drawn:
        assert element.get("role") == "img"
        said = element.get("aria-label") or " ".join(
            words(by_id[name]) for name in element.get("aria-labelledby", "").split()
        )
        assert len(said) > 40
    for table in document.iter("table"):
        assert words(table[0])
        assert local(table[0]) == "caption"


def test_the_findings_come_first_then_the_cases_the_figures_and_the_rest(mixed_run: Run) -> None:
    headings = [words(heading) for heading in parsed(render(mixed_run)).iter("h2")]
    assert headings == [
        *("Findings", "Cases", "Figures", "Every case in detail", "What was not measured", "Environment"),
        "Run it again",
    ]


def test_the_table_has_a_row_a_case_with_what_it_sorts_by(mixed_run: Run) -> None:
    document = parsed(render(mixed_run))
    table = next(element for element in document.iter("table") if element.get("id") == "case-table")
    header, *body = table.iter("tr")
    keys = [str(cell.get("data-key")) for cell in header]
    assert "compile" not in keys
    assert len(body) == len(mixed_run.plan.cases)
    cells = dict(zip(keys, body[1], strict=True))
    assert words(cells["precision"]) == "amp_bf16"
    assert words(cells["step"]) == "2.000 ms ±0.0 %"
    assert float(str(cells["step"].get("data-value"))) == pytest.approx(0.002)
    assert words(cells["speedup"]) == "2.000\N{MULTIPLICATION SIGN} ±0.0 %"
    crashed = dict(zip(keys, body[2], strict=True))
    assert words(crashed["status"]) == "crashed"
    assert words(crashed["step"]) == ""
    assert crashed["step"].get("data-value") is None


def test_the_axes_that_vary_can_be_filtered(mixed_run: Run) -> None:
    selects = {
        select.get("data-key"): [words(option) for option in select]
        for select in parsed(render(mixed_run)).iter("select")
    }
    assert selects["precision"] == ["all", "fp32", "amp_bf16", "tf32"]
    assert selects["status"] == ["all", "ok", "crashed", "skipped"]
    assert "batch" not in selects


def test_a_flag_is_explained_where_the_case_is_and_under_the_table(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    results = [dataclasses.replace(found, flags=("from_the_future",)) for found in make_rounds(make_case(), [0.004])]
    legends = [words(legend) for legend in of_class(parsed(render(make_run(results))), "legend")]
    flag = FLAGS["few_rounds"]
    for legend in legends[:2]:
        assert f"few_rounds {flag.meaning}; {flag.cure}" in legend
        assert "from_the_future not known to this version of stepbench" in legend


def test_notes_and_failures_with_their_explanation_are_in_the_details(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    failed = CaseResult(
        case=make_case(batch_size=512), round=0, status="oom", reason="OutOfMemoryError: CUDA out of memory."
    )
    document = parsed(render(make_run([*make_rounds(make_case(), [0.004], notes=("oneDNN is off",)), failed])))
    noted, broken = of_class(document, "case")
    assert "Note: oneDNN is off" in words(noted)
    assert "OutOfMemoryError: CUDA out of memory." in words(broken)
    assert of_class(broken, "explanation")


def test_an_interrupted_run_says_what_is_missing_and_how_to_go_on(interrupted_run: Run) -> None:
    (warning,) = of_class(parsed(render(interrupted_run)), "warning")
    assert words(warning).startswith(
        "The run ended before it reached everything: 1 of 2 cases has no figure. Continue with"
    )
    assert "--resume 'reports/a run'" in words(warning)
    assert NOT_REACHED in render(interrupted_run)


@pytest.mark.parametrize(("name", "reason"), [("failed_run", "<b>boom</b>"), ("empty_run", "no GPU here")])
def test_a_run_without_a_figure_says_so_first_and_why(name: str, reason: str, request: pytest.FixtureRequest) -> None:
    document = parsed(render(request.getfixturevalue(name)))
    assert [words(element) for element in of_class(document, "warning")] == ["Nothing was measured."]
    (group,) = of_class(document, "groups")
    assert reason in words(group)
    assert not of_class(document, "plot")
    assert len(list(document.iter("details"))) >= 1


def test_the_command_is_one_that_can_be_pasted(make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun) -> None:
    command = ("run_bench.py", "--label", "two words", "--out", "x", "--out=y", "--suite", "quick")
    run = make_run(make_rounds(make_case(), [0.004]), command=command, working_directory="/home/me/my models")
    last = [words(element) for element in parsed(render(run)).iter("pre")][-1]
    assert last == "cd '/home/me/my models' && python run_bench.py --label 'two words' --suite quick"


def test_the_first_line_says_machine_time_label_and_commit(
    make_case: MakeCase, make_rounds: MakeRounds, make_run: MakeRun
) -> None:
    device = DeviceInfo(type="cuda", index=0, name="NVIDIA H100", total_memory_bytes=80 * 2**30)
    environment = Environment(devices=(device,), soft={"hostname": "box"})
    run = make_run(
        make_rounds(make_case(), [0.004]),
        environment=environment,
        started_at="2026-11-25T16:22:56+00:00",
        label="before",
        commit="421c5211e",
    )
    (origin,) = of_class(parsed(render(run)), "origin")
    assert words(origin) == "cuda:0 NVIDIA H100 80.0 GiB (box) 2026-11-25 16:22 UTC before commit 421c5211e"


@pytest.mark.parametrize(("number", "limit"), [(1, 0.2), (12, 0.5), (100, 2), (1000, 8)])
def test_the_page_stays_small(many: MakeMany, number: int, limit: float) -> None:
    page = render(many(number))
    assert len(page.encode()) < limit * MIB
    if number > MAX_BARS:
        assert f"Not drawn, for want of room: {number - MAX_BARS:,} more cases" in page
    if number > cases.MAX_DRAWINGS:
        assert f"The samples of {number - cases.MAX_DRAWINGS} cases are not drawn here" in page


def test_the_logs_of_many_failures_are_cut_and_it_says_so(make_case: MakeCase, make_run: MakeRun) -> None:
    failure = Failure(message="no", log_tail={"0": ("a line",)})
    number = cases.MAX_LOGS + 2
    failed = [
        CaseResult(case=make_case(batch_size=size + 1), round=0, status="error", reason="no", failure=failure)
        for size in range(number)
    ]
    page = render(make_run(failed))
    assert page.count("a line") == cases.MAX_LOGS
    assert "The logs of 2 more ranks are left out" in page


def test_the_figures_of_a_case_carry_their_units(mixed_run: Run) -> None:
    found = dict(cases.details(mixed_run, rows(mixed_run)).cases[0].figures)
    assert found["step"] == "4.000 ms ±0.0 %"
    assert found["peak allocated"] == "12.0 MiB"
    assert found["throughput samples"] == "16,000/s"
    assert found["parameters"] == "1,000"


def _luminance(colour: str) -> float:
    parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(theme: str) -> None:
    light, dark = re.findall(r":root \{(.*?)\}", asset("report.css"), re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w{6})", dark if theme == "dark" else light))
    for text in ("ink", "muted", "link", "good", "bad", "doubtful"):
        for ground in ("paper", "raised"):
            lighter, darker = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground)


def test_marks_that_figures_share_leave_their_colour_to_the_places_that_dark_pages_can_reach(mixed_run: Run) -> None:
    definitions = [element for element in parsed(render(mixed_run)).iter() if local(element) == "defs"]
    shared = [path for defs in definitions for path in defs if local(path) == "path"]
    assert shared
    assert not any({"fill", "stroke"} & path.attrib.keys() for path in shared)
