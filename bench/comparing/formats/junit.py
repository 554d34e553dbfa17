"""JUnit XML, which every CI reads: one test case a benchmark case."""

import re
from xml.etree import ElementTree

from bench.comparing.comparison import Comparison
from bench.comparing.formats import _words

NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FILE_NAME = "junit.xml"


def render(comparison: Comparison, failing: _words.Failing) -> str:
    """Return a test suite in which the cases that do not pass are failures and those without a verdict are skipped."""
    reasons: dict[str, list[str]] = {}
    for row, sentence in failing:
        reasons.setdefault(row.case_id, []).append(sentence)
    skipped = {
        row.case_id
        for row in comparison.rows
        if row.verdict is None and not row.compared and row.case_id not in reasons
    }
    suite = ElementTree.Element(
        "testsuite",
        name="stepbench compare",
        tests=str(len(comparison.rows)),
        failures=str(len(reasons)),
        errors="0",
        skipped=str(len(skipped)),
    )
    for row in comparison.rows:
        case = ElementTree.SubElement(
            suite, "testcase", classname="stepbench", name=_text(row.label), time=f"{row.current_seconds or 0:.9f}"
        )
        if row.case_id in reasons:
            ElementTree.SubElement(case, "failure", message=_text("; ".join(reasons[row.case_id])))
        elif row.case_id in skipped:
            ElementTree.SubElement(case, "skipped", message=_text(_words.remark(row) or "not compared"))
        said = (_words.verdict(row), _words.time(row), _words.exact(row), _words.remark(row))
        ElementTree.SubElement(case, "system-out").text = _text("; ".join(word for word in said if word))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _text(words: str) -> str:
    return NOT_IN_XML.sub(" ", words)
