"""What a comparison looks like: every format says the same, and none can be broken by a name."""

import dataclasses
import json
import re
from xml.etree import ElementTree

import pytest

from bench import registry
from bench.comparing.comparison import Comparison, compare, failures
from bench.comparing.formats import table
from bench.comparing.formats.markdown import MAX_BYTES
from bench.result import Environment
from tests.comparing.conftest import ELSEWHERE, MakeSide

FORMATS = registry.names("comparing/formats")


@pytest.fixture(name="found")
def _found(make_side: MakeSide) -> Comparison:
    base = make_side({"mlp": 0.01, "cnn": 0.004, "lstm": 0.02, "old": 0.01}, name="reports/A")
    now = make_side(
        {
            "mlp": {"seconds": 0.0105, "operators": 62},
            "cnn": 0.004,
            "lstm": {"status": "oom", "reason": "no memory | <b>left</b> @everyone [x](http://evil)"},
            "new": 0.01,
        },
        name="reports/B",
    )
    return compare(base, now)


def _rendered(name: str, found: Comparison, *fail_on: str) -> str:
    text: str = registry.load("comparing/formats", name).render(found, failures(found, frozenset(fail_on)))
    return text


def test_there_are_these() -> None:
    assert FORMATS == ("json", "junit", "markdown", "table")


@pytest.mark.parametrize("name", FORMATS)
def test_each_names_every_case_its_verdict_and_what_fails(name: str, found: Comparison) -> None:
    text = _rendered(name, found, "any")
    for word in ("mlp-cpu", "cnn-cpu", "lstm-cpu", "slower", "same", "operators"):
        assert word in text, word
    assert text.endswith("\n")


def test_the_table_says_it_in_words(found: Comparison) -> None:
    lines = _rendered("table", found, "any").splitlines()
    assert lines[0].split()[:3] == ["case", "base", "current"]
    assert "3 of 4 cases fail (operators grew). Times: 1 broken, 1 slower, 1 same (margin ±2 %)." in lines
    assert any(line.startswith("FAILS: mlp-") and line.endswith("operators grew from 61 to 62") for line in lines)
    assert any(line.startswith("New: new-") for line in lines)
    assert any(line.startswith("Vanished: old-") for line in lines)
    mlp = next(line for line in lines if line.startswith("mlp-"))
    assert "+5.0 % ±0.2 %" in mlp
    assert "+5.2 %" in mlp  # the largest slowdown that is not excluded
    assert "operators 61 -> 62 (+1)" in mlp


def test_the_table_s_file_is_whole_however_narrow_and_plain_the_terminal(
    found: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "dumb")
    failing = failures(found, frozenset({"any"}))
    printed, file = table.render(found, failing), table.render_file(found, failing)
    assert "left out for want of width: base" in printed
    assert "left out" not in file
    mlp = next(line for line in file.splitlines() if line.startswith("mlp-"))
    assert {"10.00", "+5.0 % ±0.2 %", "+5.2 %"} <= set(re.split(r"  +| (?=ms)", mlp))


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_table_keeps_what_changed_in_any_width(
    found: Comparison, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = _rendered("table", found).splitlines()
    end = lines.index("")
    assert max(map(len, lines[:end])) <= width
    assert any(line.startswith("mlp-") and "slower" in line for line in lines)
    assert "operators" in "".join(lines[:end])


def test_the_json_is_the_comparison(found: Comparison) -> None:
    content = json.loads(_rendered("json", found, "counters"))
    assert (content["base"], content["current"], len(content["rows"])) == ("reports/A", "reports/B", 3)
    assert [failure["reason"] for failure in content["failures"]] == [
        "ran before and does not now: oom: no memory | <b>left</b> @everyone [x](http://evil)",
        "operators grew from 61 to 62",
    ]
    assert content["rows"][1]["changes"] == [{"name": "operators", "before": 61, "now": 62}]


def test_junit_has_a_test_case_a_row_and_a_failure_where_one_fails(found: Comparison) -> None:
    suite = ElementTree.fromstring(_rendered("junit", found, "counters"))
    counted = [suite.get(name) for name in ("tests", "failures", "skipped")]
    assert (suite.tag, counted) == ("testsuite", ["4", "2", "1"])
    ends = [(str(case.get("name")).split("-")[0], [child.tag for child in case]) for case in suite]
    assert ends[:3] == [
        ("lstm", ["failure", "system-out"]),
        ("mlp", ["failure", "system-out"]),
        ("cnn", ["system-out"]),
    ]
    assert (ends[3][1], suite[3][0].get("message")) == (["skipped"], "new")


def test_what_was_not_compared_is_skipped_in_junit(make_side: MakeSide) -> None:
    found = compare(make_side({"mlp": 0.01}), make_side({"mlp": {"unmeasured": True}}))
    suite = ElementTree.fromstring(_rendered("junit", found))
    assert [child.tag for child in suite[0]] == ["skipped", "system-out"]
    assert "not reached" in str(suite[0][0].get("message"))


def test_equal_counters_of_another_machine_are_said(make_side: MakeSide) -> None:
    found = compare(make_side({"mlp": 0.01}), make_side({"mlp": 0.01}, ELSEWHERE))
    for name in FORMATS[1:]:
        assert "counters same" in _rendered(name, found)


def test_where_nothing_is_comparable_no_headline_says_that_nothing_fails(make_side: MakeSide) -> None:
    found = compare(make_side({"mlp": 0.01}), make_side({"mlp": {"unmeasured": True}}))
    for name in ("table", "markdown"):
        text = _rendered(name, found)
        assert "Nothing can be compared" in text
        assert "No case fails" not in text


def test_other_libraries_are_named_as_the_reason(make_side: MakeSide) -> None:
    other = Environment(hard={"torch": "2.14.0", "cores": "2"})
    text = _rendered("table", compare(make_side({"mlp": 0.01}), make_side({"mlp": 0.01}, other)))
    assert "Counters are not compared, since the libraries differ: torch was 2.13.0 and is now 2.14.0." in text


def test_a_name_is_no_markup_in_markdown(found: Comparison) -> None:
    text = _rendered("markdown", found)
    assert "<b>" not in text
    assert "@everyone" not in text
    assert "\\[x](http" in text
    assert "no memory \\| &lt;b&gt;left" in text
    assert "<details><summary>All cases</summary>" in text


def test_a_control_character_is_not_in_the_xml(make_side: MakeSide) -> None:
    found = compare(make_side({"mlp": 0.01}), make_side({"mlp": {"status": "error", "reason": "a\x00\x1bb\ufffe"}}))
    assert "a  b " in ElementTree.tostring(ElementTree.fromstring(_rendered("junit", found)), "unicode")


def test_markdown_stays_below_what_a_comment_may_have(make_side: MakeSide) -> None:
    cases = {f"workload_with_a_long_name_{number:04}": 0.01 for number in range(900)}
    text = _rendered("markdown", compare(make_side(cases), make_side(cases)))
    assert MAX_BYTES - 3000 < len(text.encode()) <= MAX_BYTES
    assert "more lines; see the JSON" in text
    assert text.count("<details>") == text.count("</details>") == 1
    assert text.endswith("</details>\n")


def test_a_long_remark_does_not_cost_the_worst_rows(make_side: MakeSide) -> None:
    added = {f"new_{number:05}": 0.01 for number in range(6000)}
    broken = {"mlp": {"status": "error", "reason": "boom"}, **added}
    found = compare(make_side({"mlp": 0.01}), make_side(broken))
    text = _rendered("markdown", dataclasses.replace(found, new=tuple(added)))
    assert len(text.encode()) <= MAX_BYTES
    assert "| broken |" in text


def test_between_machines_the_first_difference_is_named(make_side: MakeSide) -> None:
    text = _rendered("table", compare(make_side({"mlp": 0.01}), make_side({"mlp": 0.01}, ELSEWHERE)))
    assert "the machines differ: cores was 2 and is now 64" in text


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_in_common_is_said_and_no_crash(name: str, make_side: MakeSide) -> None:
    assert _rendered(name, compare(make_side({"mlp": 0.01}), make_side({"cnn": 0.01})))
