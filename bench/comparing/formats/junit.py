"""JUnit XML, which every CI reads: one test case a benchmark case."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from bench.comparing.comparison import Comparison, Row
from bench.comparing.formats import _words

NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FILE_NAME = "junit.xml"


def render(comparison: Comparison, failing: _words.Failing) -> str:
    """Return a test suite in which the cases that do not pass are failures and those without a verdict are skipped."""
    reasons: dict[str, list[str]] = {}
    for row, sentence in failing:
        reasons.setdefault(row.case_id, []).append(sentence)
    gone = {row.case_id: row for row, _ in failing if row.gap and row not in comparison.rows}
    suite = ElementTree.Element(
        "testsuite", name=f"stepbench {'ab' if comparison.is_paired else 'compare'}", errors="0"
    )
    for row in (*comparison.rows, *gone.values()):
        _add_row(suite, row, reasons.get(row.case_id, []))
    for why, labels in (("new", comparison.new), ("failed before and now", comparison.still_failing)):
        for label in labels:
            ElementTree.SubElement(_case(suite, label), "skipped", message=why)
    for name, tag in (("tests", "testcase"), ("failures", ".//failure"), ("skipped", ".//skipped")):
        suite.set(name, str(len(suite.findall(tag))))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _add_row(suite: ElementTree.Element, row: Row, reasons: Sequence[str]) -> None:
    case = _case(suite, row.label, row.current_seconds or 0.0)
    if reasons:
        ElementTree.SubElement(case, "failure", message=_text("; ".join(reasons)))
    elif row.verdict is None and not row.compared:
        ElementTree.SubElement(case, "skipped", message=_text(_words.remark(row) or "not compared"))
    said = (_words.verdict(row), _words.time(row), _words.exact(row), _words.remark(row))
    ElementTree.SubElement(case, "system-out").text = _text("; ".join(word for word in said if word))


def _case(suite: ElementTree.Element, label: str, seconds: float = 0.0) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname="stepbench", name=_text(label), time=f"{seconds:.9f}")


def _text(words: str) -> str:
    return NOT_IN_XML.sub(" ", words)
