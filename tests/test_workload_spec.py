"""The names of workloads: built-in, a file's function, a module's function, or one line that says what is wrong."""

from pathlib import Path

import pytest

from bench import errors, registry, workload_file, workload_spec

MODEL = '''
"""A user's models."""
import functools

BATCH_SIZES = {"small": 8}

def small():
    """Small."""

def big():
    """Big."""

huge = functools.partial(big)
if True:
    from elsewhere import conditional as renamed
'''


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_model.py").write_text(MODEL)


def _refusal(spec: str, where: str = "") -> str:
    with pytest.raises(errors.UsageError) as caught:
        workload_spec.check_workload(spec, where)
    return str(caught.value)


@pytest.mark.parametrize("name", ["mlp", "cnn", "transformer", "lstm"])
def test_a_built_in_passes_and_stands_for_its_first_size(name: str) -> None:
    workload_spec.check_workload(name)
    first = next(iter(workload_file.batch_sizes(registry.PACKAGE_DIR / "workloads" / f"{name}.py")))
    assert workload_spec.canonical_workload(name) == f"{name}:{first}"


@pytest.mark.parametrize(
    "spec",
    [
        "transformer:gpt2",
        "cnn:resnet50",
        "my_model.py:small",
        "./my_model.py:big",
        "my_model.py:huge",
        "my_model.py:renamed",
        "package.module:function",
    ],
)
def test_a_spec_with_a_function_passes_and_stays_as_it_is(spec: str) -> None:
    workload_spec.check_workload(spec)
    assert workload_spec.canonical_workload(spec) == spec


def test_a_star_import_may_bring_any_function() -> None:
    Path("star.py").write_text("from elsewhere import *")
    workload_spec.check_workload("star.py:anything")


def test_an_absolute_path_passes() -> None:
    workload_spec.check_workload(f"{Path('my_model.py').resolve()}:small")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("transfomer", "'transfomer' is not known; did you mean 'transformer'?"),
        ("transfomer:gpt2", "'transfomer:gpt2' is not known; did you mean 'transformer:gpt2'?"),
        ("transfomer:gpt9", "'transfomer:gpt9' is not known; did you mean 'transformer'?"),
        ("transformer:gtp2", "'transformer:gtp2' is not known; did you mean 'transformer:gpt2'?"),
        ("mlp:", "'mlp:' is not known; did you mean 'mlp:small'?"),
        ("my_model:small", "'my_model:small' is not known; did you mean 'my_model.py:small'?"),
        (
            "zzz",
            "'zzz' is not known; known: cnn, lstm, mlp, package.module:function, path/to/file.py:function, transformer",
        ),
        ("net.py", "'net.py': there is no file net.py; a path is relative to the current directory"),
        ("my_model.py", "'my_model.py' names no function; write my_model.py:small"),
        ("my_model.py:smal", "'my_model.py:smal': function 'smal' is not known; did you mean 'small'?"),
        ("my_modle.py:small", "'my_modle.py:small': there is no file my_modle.py; did you mean 'my_model.py'?"),
        (
            "a/b.py:small",
            "'a/b.py:small': there is no file a/b.py; a path is relative to the current directory",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_one_line(spec: str, complaint: str) -> None:
    assert _refusal(spec, "--workload: ") == f"--workload: {complaint}"
    assert _refusal(spec) == f"workload {complaint}"


@pytest.mark.parametrize("source", ["torchvision", "timm", "hf"])
def test_a_model_library_is_not_there_yet(source: str) -> None:
    assert _refusal(f"{source}:resnet50") == (
        f"workload '{source}:resnet50' is not there yet; "
        "this version knows: a built-in name, package.module:function, path/to/file.py:function"
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"def small():\n    return (\n", "bad.py:2: not Python: '(' was never closed"),
        (b"", "bad.py has no function at its top level"),
        (b"BATCH_SIZES = make()\ndef small(): ...", None),
        (b"BATCH_SIZES = {'small': -1}\ndef small(): ...", None),
        (b"BATCH_SIZES = 3\ndef small(): ...", None),
        (b"BATCH_SIZES: dict = {'small': True}\ndef small(): ...", None),
    ],
)
def test_a_file_that_cannot_be_a_workload_is_one_line_that_names_it(content: bytes, complaint: str | None) -> None:
    Path("bad.py").write_bytes(content)
    complaint = complaint or (
        "bad.py: BATCH_SIZES is not a literal dict of function names to positive integers, such as {'small': 32}"
    )
    assert _refusal("bad.py:small") == f"workload 'bad.py:small': {complaint}"


def test_a_file_that_is_no_text_is_one_line() -> None:
    Path("bad.py").write_bytes(b"\xff\x00")
    assert _refusal("bad.py:small").startswith("workload 'bad.py:small': bad.py")
    assert "\n" not in _refusal("bad.py:small")


def test_the_batch_size_is_what_the_file_declares() -> None:
    assert workload_spec.default_batch_size("my_model.py:small") == 8
    assert workload_spec.default_batch_size("mlp") == workload_spec.default_batch_size("mlp:small")
    assert workload_spec.default_batch_size("mlp:large") > workload_spec.default_batch_size("mlp:small")


def test_without_a_declaration_the_batch_size_is_32() -> None:
    assert workload_spec.default_batch_size("my_model.py:big") == 32
    assert workload_spec.default_batch_size("package.module:function") == 32


def test_a_workload_that_is_dropped_in_needs_no_declaration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PACKAGE_DIR", tmp_path)
    (tmp_path / "workloads").mkdir()
    (tmp_path / "workloads" / "mine.py").write_text("def tiny(): ...\ndef wide(): ...")
    workload_spec.check_workload("mine:wide")
    assert workload_spec.canonical_workload("mine") == "mine:tiny"
    assert workload_spec.default_batch_size("mine") == 32


def test_a_workload_that_is_dropped_in_empty_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PACKAGE_DIR", tmp_path)
    (tmp_path / "workloads").mkdir()
    path = tmp_path / "workloads" / "mine.py"
    path.touch()
    assert _refusal("mine") == f"workload 'mine': {path} has no function at its top level"
