"""Suites: the built-in ones load, and whatever is wrong with a user's own is one line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import errors, registry, suite


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _load(text: str) -> suite.Suite:
    Path("my_suite.toml").write_text(text)
    return suite.load("my_suite.toml")


def _refusal(text: str) -> str:
    with pytest.raises(errors.UsageError) as caught:
        _load(text)
    return str(caught.value)


@pytest.mark.parametrize("name", ["compile", "default", "gpu", "habits", "quick"])
def test_a_built_in_suite_loads(name: str) -> None:
    built_in = suite.load(name)
    assert built_in.name == name
    assert built_in.summary
    assert built_in.tables


@pytest.mark.parametrize("name", ["compile", "default", "gpu", "habits", "quick"])
def test_each_table_of_a_built_in_suite_has_a_comment_that_says_why(name: str) -> None:
    text = (registry.PACKAGE_DIR / "suites" / f"{name}.toml").read_text()
    headers = [match.start() for match in re.finditer(r"^\[\[case\]\]$", text, re.MULTILINE)]
    assert all(text[:start].splitlines()[-1].startswith("# ") for start in headers)


def test_the_names_are_those_of_the_files() -> None:
    assert suite.names() == ("compile", "default", "gpu", "habits", "quick")


def test_a_suite_file_that_is_dropped_in_is_a_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PACKAGE_DIR", tmp_path)
    for folder in ("suites", "workloads", "strategies"):
        (tmp_path / folder).mkdir()
    (tmp_path / "workloads" / "mine.py").write_text("def small(): ...")
    (tmp_path / "suites" / "night.toml").write_text('schema = 1\n[[case]]\nworkload = "mine"\n')
    assert suite.names() == ("night",)
    assert suite.load("night").tables == (suite.AxisValues(workload=("mine",), device=("cpu",)),)


def test_the_default_suite_has_the_four_workloads_on_every_kind_of_device() -> None:
    tables = suite.load("default").tables
    everywhere = [table for table in tables if not table.needs_accelerator]
    assert all(table.workload == ("mlp", "cnn", "transformer", "lstm") for table in everywhere)
    assert {device for table in everywhere for device in table.device or ()} == {"cpu", "accelerator"}
    assert [table.device for table in tables if table.needs_accelerator] == [("accelerator",)]


def test_the_quick_suite_has_a_budget_and_the_default_suite_leaves_it_to_the_machine() -> None:
    assert suite.load("quick").budget_seconds == 20
    assert suite.load("default").budget_seconds is None


def test_the_habits_are_asked_for_on_the_cpu_and_on_the_accelerator() -> None:
    tables = suite.load("habits").tables
    assert {table.device for table in tables if table.loop == ("clean", "item", "numpy")} == {
        ("cpu",),
        ("accelerator",),
    }
    assert {table.device for table in tables if table.input == ("resident", "pinned", "pageable")} == {("accelerator",)}


def test_a_users_suite_has_every_axis_as_a_value_or_as_a_list() -> None:
    Path("my_model.py").write_text("def small(): ...")
    loaded = _load("""
        schema = 1
        summary = "mine"
        budget_seconds = 7.5
        [[case]]
        workload = ["my_model.py:small", "transformer:gpt2", "package.module:function"]
        device = ["cpu", "cuda:1"]
        strategy = "ddp"
        precision = ["fp32", "amp_bf16"]
        compile = "eager"
        input = ["pageable", "pinned"]
        loop = "clean"
        batch_size = [8, 16]
        num_devices = 2
        needs_accelerator = true
        [[case]]
        workload = "mlp"
        global_batch_size = 64
    """)
    assert loaded == suite.Suite(
        name="my_suite",
        summary="mine",
        budget_seconds=7.5,
        tables=(
            suite.AxisValues(
                workload=("my_model.py:small", "transformer:gpt2", "package.module:function"),
                device=("cpu", "cuda:1"),
                strategy=("ddp",),
                precision=("fp32", "amp_bf16"),
                compile=("eager",),
                input=("pageable", "pinned"),
                loop=("clean",),
                batch_size=(8, 16),
                num_devices=(2,),
                needs_accelerator=True,
            ),
            suite.AxisValues(workload=("mlp",), device=("cpu",), global_batch_size=(64,)),
        ),
    )


def test_a_misspelt_suite_is_told_the_nearest() -> None:
    with pytest.raises(errors.UsageError) as caught:
        suite.load("defualt")
    assert str(caught.value) == "suite 'defualt' is not known; did you mean 'default'?"


def test_a_suite_like_no_other_is_told_which_there_are() -> None:
    with pytest.raises(errors.UsageError) as caught:
        suite.load("zz")
    assert (
        str(caught.value) == "suite 'zz' is not known; known: compile, default, gpu, habits, path/to/file.toml, quick"
    )


def test_a_missing_suite_file_is_one_line() -> None:
    with pytest.raises(errors.UsageError) as caught:
        suite.load("my_suite.toml")
    assert (
        str(caught.value)
        == "suite 'my_suite.toml': there is no such file; built in: compile, default, gpu, habits, quick"
    )


def test_a_misspelt_suite_file_is_told_its_neighbour() -> None:
    Path("my_suite.toml").touch()
    with pytest.raises(errors.UsageError) as caught:
        suite.load("my_siute.toml")
    assert str(caught.value) == "suite 'my_siute.toml': there is no such file; did you mean 'my_suite.toml'?"


def test_a_directory_is_no_suite() -> None:
    Path("suites.toml").mkdir()
    with pytest.raises(errors.UsageError) as caught:
        suite.load("suites.toml")
    assert (
        str(caught.value)
        == "suite 'suites.toml' is a directory; give a .toml file or one of: compile, default, gpu, habits, quick"
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('precision = "amp_bf61"', "precision: 'amp_bf61' is not known; did you mean 'amp_bf16'?"),
        ('strategy = ["single", "dpp"]', "strategy: 'dpp' is not known; did you mean 'ddp'?"),
        ('device = ["gpu"]', "device: 'gpu' is not known; did you mean 'accelerator'?"),
        (
            'compile = "inductor"',
            "compile: 'inductor' is not known; known: default, eager, max_autotune, reduce_overhead",
        ),
        ('input = "loader"', "input: 'loader' is not there yet; this version knows: pageable, pinned, resident"),
        ('loop = ["clean", "itme"]', "loop: 'itme' is not known; did you mean 'item'?"),
        ("batch_size = 8\nglobal_batch_size = 8", None),
    ],
)
def test_a_value_that_no_axis_has_names_file_line_table_and_key(line: str, complaint: str | None) -> None:
    refusal = _refusal(f'schema = 1\n\n[[case]]\nworkload = "mlp"\n\n[[case]]\nworkload = "mlp"\n{line}\n')
    if complaint is None:
        expected = "my_suite.toml:9: [[case]] 2: global_batch_size: cannot stand beside batch_size; keep one of the two"
    else:
        expected = f"my_suite.toml:8: [[case]] 2: {complaint}"
    assert refusal == expected


def test_a_workload_that_is_not_there_names_file_line_table_and_key() -> None:
    assert _refusal('schema = 1\n[[case]]\nworkload = ["mlp", "transfomer:gpt2"]\n') == (
        "my_suite.toml:3: [[case]] 1: workload: 'transfomer:gpt2' is not known; did you mean 'transformer:gpt2'?"
    )


def test_importing_suites_imports_neither_pydantic_nor_torch() -> None:
    program = "import sys, bench.suite; print(sorted({'pydantic', 'tomllib', 'torch'} & set(sys.modules)))"
    root = registry.PACKAGE_DIR.parent
    shown = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
