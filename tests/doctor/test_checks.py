"""How checks are found and run."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bench.doctor
from bench import registry
from bench.doctor._checks import FIRST, judge
from bench.doctor._finding import Finding, worst_first
from bench.doctor._seen import Facts

CHECK = '''
"""{name}."""

from bench.doctor._finding import Finding


def check(facts):
    yield Finding(severity="ok", finding="first")
    {rest}
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put an empty folder in the place of the real checks."""
    folder = tmp_path / "doctor"
    folder.mkdir()
    monkeypatch.setattr(registry, "PACKAGE_DIR", tmp_path)
    monkeypatch.setattr(bench.doctor, "__path__", [str(folder)])
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith("bench.doctor."):
            del sys.modules[name]
            vars(bench.doctor).pop(name.rpartition(".")[2], None)


def test_a_file_is_all_that_a_check_takes(folder: Path) -> None:
    (folder / "dropped_in.py").write_text(CHECK.format(name="A check", rest=""))
    assert judge(Facts()) == [Finding(name="dropped_in", severity="ok", finding="first")]


def test_a_check_that_breaks_is_a_finding_and_costs_no_other(folder: Path) -> None:
    (folder / "breaks.py").write_text(CHECK.format(name="A check", rest='{}["no such fact"]'))
    (folder / "cannot_be_imported.py").write_text("import no_such_module")
    (folder / "works.py").write_text(CHECK.format(name="A check", rest=""))
    found = judge(Facts())
    assert [(finding.name, finding.severity, finding.evidence) for finding in found] == [
        ("breaks", "ok", ""),
        ("breaks", "warning", "KeyError: 'no such fact'"),
        ("cannot_be_imported", "warning", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("works", "ok", ""),
    ]


def test_the_worst_comes_first_and_else_the_order_stays() -> None:
    severities = ("ok", "note", "error", "warning", "error")
    findings = [Finding(severity=severity, finding=str(number)) for number, severity in enumerate(severities)]  # type: ignore[arg-type]  # strings from a tuple
    assert [finding.finding for finding in worst_first(findings)] == ["2", "4", "3", "1", "0"]


def test_every_real_check_says_in_one_line_what_must_be_so() -> None:
    names = registry.names("doctor")
    assert set(FIRST) < set(names)
    for name in names:
        assert 10 < len(registry.summary("doctor", name)) <= 90, name
        assert callable(registry.load("doctor", name).check)


def test_no_check_breaks_on_a_machine_of_which_nothing_is_known() -> None:
    assert [finding for finding in judge(Facts()) if "broken" in finding.finding] == []
