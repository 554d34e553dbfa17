"""Plug-ins are found by the name of their file, without being imported."""

from pathlib import Path

import pytest

from bench import registry


@pytest.fixture(name="package")
def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(registry, "PACKAGE_DIR", tmp_path)
    folder = tmp_path / "workloads"
    folder.mkdir()
    return folder


def test_a_plug_in_is_known_by_its_file_and_support_is_not_listed(package: Path) -> None:
    for name in ("b.py", "a.py", "_base.py", "__init__.py", "notes.txt"):
        (package / name).touch()
    assert registry.names("workloads") == ("a", "b")


def test_a_package_that_is_not_there_has_no_plug_ins(package: Path) -> None:
    assert registry.names("strategies") == ()


def test_a_plug_in_is_loaded_by_its_name() -> None:
    assert registry.load("running", "journal").FILE_NAME == "results.jsonl"


def test_the_summary_is_the_first_line_of_the_docstring_and_the_file_does_not_run(package: Path) -> None:
    (package / "loud.py").write_text('"""\nOne line.\n\nMore.\n"""\nraise SystemExit("was imported")\n')
    assert registry.summary("workloads", "loud") == "One line."


def test_a_plug_in_without_a_docstring_has_an_empty_summary(package: Path) -> None:
    (package / "silent.py").touch()
    assert registry.summary("workloads", "silent") == ""
