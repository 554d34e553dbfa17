"""What a workload file says of itself is read from its source, whatever Python allows there."""

from pathlib import Path

import pytest

from bench import workload_file


def test_functions_are_the_public_ones_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text('def wide():\n    """Wide."""\ndef small(): ...\ndef _part(): ...\nclass Net: ...\n')
    assert workload_file.functions(path) == {"wide": "Wide.", "small": ""}


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
    assert workload_file.batch_sizes(path) == sizes


@pytest.mark.parametrize("value", ["make()", "3", "['small']", "{'small': 0}", "{'small': 1.5}", "{1: 2}", "{[]: 1}"])
def test_batch_sizes_that_are_no_literal_sizes_are_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "model.py"
    path.write_text(f"BATCH_SIZES = {value}")
    with pytest.raises(ValueError, match="BATCH_SIZES is not a literal dict of function names to positive integers"):
        workload_file.batch_sizes(path)


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
    assert workload_file.binds(path, "name")


@pytest.mark.parametrize("source", ["", "def other():\n    name = 1", "class Net:\n    name = 1", "print(name)"])
def test_a_name_that_only_functions_and_classes_bind_is_not_bound(tmp_path: Path, source: str) -> None:
    path = tmp_path / "model.py"
    path.write_text(source)
    assert not workload_file.binds(path, "name")


def test_the_same_relative_path_in_another_directory_is_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.py").write_text(f"def {folder}(): ...")
        monkeypatch.chdir(tmp_path / folder)
        assert list(workload_file.functions(Path("model.py"))) == [folder]


def test_the_encoding_that_a_file_declares_is_used(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_bytes(b'# coding: latin-1\ndef small():\n    """Gr\xf6\xdfe."""\n')
    assert workload_file.functions(path) == {"small": "Gr\xf6\xdfe."}
