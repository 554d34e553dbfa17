"""Workloads by name: built in, in a file, in a package."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import bench
from bench.errors import UsageError
from bench.measuring.loading import load_workload

TRIPLE = """
import torch

def make_batch(batch_size):
    return torch.ones(batch_size, 4)

def compute_loss(model, batch):
    return model(batch).mean()

def small():
    return torch.nn.Linear(4, 1), make_batch, compute_loss
"""
RETURNS = "a workload returns bench.Workload(...) or the triple (model, make_batch, compute_loss)"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make an empty folder the current one, and forget every module of it afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    files = {name: str(getattr(module, "__file__", "")) for name, module in sys.modules.items()}
    for name in [name for name, file in files.items() if file.startswith(str(tmp_path))]:
        del sys.modules[name]


def _write(path: Path, text: str = TRIPLE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _refusal(spec: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_workload(spec)
    return str(caught.value)


def test_a_built_in_workload_is_loaded_by_its_name_and_size() -> None:
    workload = load_workload("mlp:small")
    assert workload.make_batch(3)[0].shape == (3, 784)
    assert isinstance(workload.model, nn.Module)


def test_a_file_of_the_users_may_return_the_plain_triple(folder: Path) -> None:
    _write(folder / "my_model.py")
    workload = load_workload("my_model.py:small")
    loss = workload.compute_loss(workload.model, workload.make_batch(2))
    assert loss.shape == ()
    assert (workload.item, workload.items_per_sample, workload.optimizer, workload.channels_last) == (
        *("sample", 1),
        *(None, False),
    )


def test_a_file_of_the_users_may_return_a_workload(folder: Path) -> None:
    text = TRIPLE + "\nimport bench\n\ndef full():\n    return bench.Workload(model=small()[0], make_batch=make_batch, "
    _write(folder / "my_model.py", text + "compute_loss=compute_loss, item='pixel', items_per_sample=7)\n")
    workload = load_workload("my_model.py:full")
    assert isinstance(workload, bench.Workload)
    assert (workload.item, workload.items_per_sample) == ("pixel", 7)


@pytest.mark.parametrize("absolute", [False, True])
def test_a_file_is_found_by_a_relative_and_by_an_absolute_path(folder: Path, absolute: bool) -> None:
    _write(folder / "models" / "mine.py")
    prefix = f"{folder}/" if absolute else ""
    assert isinstance(load_workload(f"{prefix}models/mine.py:small").model, nn.Linear)


def test_a_file_finds_its_neighbours(folder: Path) -> None:
    _write(folder / "models" / "layers_next_door.py", "WIDTH = 4\n")
    _write(folder / "models" / "mine.py", "from layers_next_door import WIDTH\n" + TRIPLE.replace("4, 1", "WIDTH, 1"))
    assert load_workload("models/mine.py:small").model.weight.shape == (1, 4)


def test_a_file_finds_the_packages_of_the_current_folder_last(folder: Path) -> None:
    for name, width in (("at_the_root", 4), ("in_both", 5)):
        _write(folder / name / "__init__.py", f"WIDTH = {width}\n")
    _write(folder / "models" / "in_both.py", "WIDTH = 6\n")
    head = "import in_both\nfrom at_the_root import WIDTH\n"
    _write(folder / "models" / "mine.py", head + TRIPLE.replace("4, 1", "WIDTH, in_both.WIDTH"))
    assert load_workload("models/mine.py:small").model.weight.shape == (6, 4)


def test_a_file_may_define_dataclasses_with_postponed_annotations(folder: Path) -> None:
    text = (
        "from __future__ import annotations\nimport dataclasses\n\n@dataclasses.dataclass\nclass Sizes:\n    width: int"
    )
    _write(folder / "with_dataclass.py", f"{text}\n{TRIPLE}")
    assert isinstance(load_workload("with_dataclass.py:small").model, nn.Linear)


def test_a_file_may_bear_the_name_of_a_library(folder: Path) -> None:
    _write(folder / "random.py")
    assert isinstance(load_workload("random.py:small").model, nn.Linear)
    assert sys.modules["random"].__file__ != str(folder / "random.py")


def test_a_module_in_a_package_is_found_from_the_current_folder(folder: Path) -> None:
    _write(folder / "our_package" / "__init__.py", "")
    _write(folder / "our_package" / "models.py")
    assert isinstance(load_workload("our_package.models:small").model, nn.Linear)


def test_a_users_own_folder_called_bench_is_not_in_the_way(folder: Path) -> None:
    _write(folder / "bench" / "__init__.py", "raise RuntimeError('the wrong bench')\n")
    _write(folder / "my_model.py", "from bench import Workload\n" + TRIPLE)
    load_workload("my_model.py:small")
    load_workload("lstm:small")
    assert sys.modules["bench"] is bench


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    assert _refusal("absent.py:small") == f"workload file '{folder / 'absent.py'}' is not there"


def test_a_folder_is_no_file(folder: Path) -> None:
    (folder / "folder.py").mkdir()
    assert _refusal("folder.py:small") == f"workload file '{folder / 'folder.py'}' is not there"


@pytest.mark.parametrize("name", ["absent_package.models", "our_package.absent"])
def test_a_module_that_is_not_there_is_named_with_the_cure(folder: Path, name: str) -> None:
    _write(folder / "our_package" / "__init__.py", "")
    assert _refusal(f"{name}:small") == f"workload module '{name}' is not found from {folder}; give file.py:function"


def test_a_module_that_itself_misses_a_library_shows_that_error(folder: Path) -> None:
    _write(folder / "our_package" / "__init__.py", "")
    _write(folder / "our_package" / "needy.py", "import a_library_that_nobody_has\n")
    with pytest.raises(ModuleNotFoundError, match="a_library_that_nobody_has"):
        load_workload("our_package.needy:small")


def test_a_function_that_is_not_there_is_named(folder: Path) -> None:
    _write(folder / "my_model.py")
    assert _refusal("my_model.py:large") == "workload 'my_model.py:large': my_model.py has no function 'large'"


def test_what_is_no_function_is_not_called(folder: Path) -> None:
    _write(folder / "my_model.py", TRIPLE + "\nlarge = 7\n")
    assert _refusal("my_model.py:large") == "workload 'my_model.py:large': my_model.py has no function 'large'"


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ("None", f" returned NoneType; {RETURNS}"),
        ("(1, 2)", f" returned tuple; {RETURNS}"),
        ("small()[:2] + (3, 4)", f" returned tuple; {RETURNS}"),
        ("('no model', make_batch, compute_loss)", ": model is str, not a torch.nn.Module"),
        ("(small()[0], [], compute_loss)", f": make_batch is not a function; {RETURNS}"),
        ("(small()[0], make_batch, 7)", f": compute_loss is not a function; {RETURNS}"),
    ],
)
def test_what_is_no_workload_is_refused_in_one_line(folder: Path, returned: str, complaint: str) -> None:
    _write(folder / "my_model.py", f"{TRIPLE}\ndef broken():\n    return {returned}\n")
    assert _refusal("my_model.py:broken") == f"workload 'my_model.py:broken'{complaint}"


def test_what_a_users_function_raises_comes_through_as_it_is(folder: Path) -> None:
    _write(folder / "my_model.py", "def small():\n    raise KeyError('weights')\n")
    with pytest.raises(KeyError, match="weights"):
        load_workload("my_model.py:small")


def test_the_seed_set_before_decides_the_parameters(folder: Path) -> None:
    _write(folder / "my_model.py")
    weights: list[Any] = []
    with torch.random.fork_rng(devices=[]):
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            weights.append(load_workload("my_model.py:small").model.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
