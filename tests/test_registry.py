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


def test_functions_are_the_public_ones_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text('def wide():\n    """Wide."""\ndef small(): ...\ndef _part(): ...\nclass Net: ...\n')
    assert registry.functions(path) == {"wide": "Wide.", "small": ""}


@pytest.mark.parametrize(
    ("source", "sizes"),
    [
        ("BATCH_SIZES = {'small': 8, 'large': 64}", {"small": 8, "large": 64}),
        ("BATCH_SIZES: dict[str, int] = {'small': 8}", {"small": 8}),
        ("BATCH_SIZES: dict[str, int]\nOTHER = 3", {}),
        ("", {}),
    ],
)
def test_batch_sizes_are_read_from_the_source(tmp_path: Path, source: str, sizes: dict[str, int]) -> None:
    path = tmp_path / "model.py"
    path.write_text(source)
    assert registry.batch_sizes(path) == sizes


@pytest.mark.parametrize("value", ["make()", "3", "['small']", "{'small': 0}", "{'small': 1.5}", "{1: 2}", "{[]: 1}"])
def test_batch_sizes_that_are_no_literal_sizes_are_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "model.py"
    path.write_text(f"BATCH_SIZES = {value}")
    with pytest.raises(ValueError, match="BATCH_SIZES is not a literal dict of function names to positive integers"):
        registry.batch_sizes(path)


@pytest.mark.parametrize(
    "source",
    [
        "def name(): ...",
        "class name: ...",
        "name = 1",
        "other, name = 1, 2",
        "name: int = 1",
        "import name",
        "import name.part",
        "from package import name",
        "from package import other as name",
        "from package import *",
        "if True:\n    name = 1",
        "try:\n    from package import name\nexcept ImportError:\n    pass",
        "with open('f') as name: ...",
        "def __getattr__(key): ...",
    ],
)
def test_a_name_may_be_bound_by_any_statement_at_module_level(tmp_path: Path, source: str) -> None:
    path = tmp_path / "model.py"
    path.write_text(source)
    assert registry.binds(path, "name")


@pytest.mark.parametrize("source", ["", "def other():\n    name = 1", "class Net:\n    name = 1", "print(name)"])
def test_a_name_that_only_functions_and_classes_bind_is_not_bound(tmp_path: Path, source: str) -> None:
    path = tmp_path / "model.py"
    path.write_text(source)
    assert not registry.binds(path, "name")


def test_the_same_relative_path_in_another_directory_is_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.py").write_text(f"def {folder}(): ...")
        monkeypatch.chdir(tmp_path / folder)
        assert list(registry.functions(Path("model.py"))) == [folder]


def test_the_encoding_that_a_file_declares_is_used(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_bytes(b'# coding: latin-1\ndef small():\n    """Gr\xf6\xdfe."""\n')
    assert registry.functions(path) == {"small": "Gr\xf6\xdfe."}
