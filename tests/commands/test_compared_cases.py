"""Which cases are held against which: what contradicts itself, what only one side has, and how modes are paired."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from bench.commands import ab
from bench.commands._compared_cases import ComparedCase, ComparedCases, check, chosen, compared_cases
from bench.commands._sides import Setting
from bench.errors import UsageError
from bench.measuring.task import Checkout
from bench.result import Environment
from bench.running.pool import Place, Pool

MODEL = "def small():\n    return None\n"


class ScriptedPool:
    """Knows where it is."""

    environment = Environment()


class Clone:
    """A working tree with a folder in it where the command is given, and two revisions of it."""

    def __init__(self, root: Path) -> None:
        self.working_tree, self.base, self.head = (root / name for name in ("tree", "base", "head"))
        self.here = self.working_tree / "models"
        for folder in (self.working_tree, self.base, self.head):
            (folder / "models").mkdir(parents=True)

    def write(self, path: str, text: str = MODEL, *, sides: str = "base head") -> None:
        """Write a file into the working tree and into revisions of it."""
        for folder in (self.working_tree, *(self.base if side == "base" else self.head for side in sides.split())):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)

    def setting(self, root: Path) -> Setting:
        checkout = Checkout(root=str(root), working_tree=str(self.working_tree))
        place = Place(name=root.name, working_directory=root / "models", checkout=checkout)
        return Setting(name=root.name, place=place, pool=cast("Pool", ScriptedPool()))


def _options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    ab.add_arguments(parser)
    options = parser.parse_args(words)
    check(options)
    return options


@pytest.fixture(name="clone")
def _clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    clone = Clone(tmp_path)
    monkeypatch.chdir(clone.here)
    return clone


Found = Callable[..., ComparedCases]


@pytest.fixture(name="found")
def _found(clone: Clone) -> Found:
    """Return what finds the cases of a command line between the clone's two revisions."""
    head = clone.setting(clone.head)
    return lambda *words: compared_cases(chosen(_options(*words), head), clone.setting(clone.base), head)


@pytest.fixture(name="modes")
def _modes(clone: Clone) -> Found:
    """Return what finds those between modes of the files as they are."""
    setting = Setting(name="here", place=Place(working_directory=clone.here), pool=cast("Pool", ScriptedPool()))
    return lambda *words: compared_cases(chosen(_options(*words), setting), setting, setting)


def _labels(found: ComparedCases) -> list[str]:
    return [compared.label for compared in found.able]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--axis", "precison=fp32,amp_bf16"), "--axis: 'precison' is not known; did you mean 'precision'?"),
        (("--axis", "seed=1,2"), "--axis: 'seed' is not known; known: batch_size, compile, device, "),
        (("--axis", "precision=fp32,bf16"), "--axis precision: 'bf16' is not known; did you mean 'amp_bf16'?"),
        (("--axis", "device=cpu,gpu"), "--axis device: 'gpu' is not known; did you mean 'accelerator'?"),
        (("--axis", "strategy=single,fsdp2"), "--axis strategy: 'fsdp2' is not there yet; "),
        (("--axis", "batch-size=8,x"), "--axis batch_size: 'x' is not a whole number above 0; write one such as 8"),
        (("--axis", "num_devices=0,2"), "--axis num_devices: '0' is not a whole number above 0"),
        (("--axis", "batch_size=8,²"), "--axis batch_size: '²' is not a whole number above 0"),
        (
            ("--axis", "precision=fp32,amp_bf16", "--precision", "fp32"),
            "--precision cannot stand beside --axis precision; give its values there",
        ),
        (
            ("--axis", "num-devices=1,2", "--num-devices", "2"),
            "--num-devices cannot stand beside --axis num_devices; give its values there",
        ),
        (
            ("--axis", "batch-size=8,16", "--global-batch-size", "64"),
            "--global-batch-size cannot stand beside --axis batch_size; keep one",
        ),
        (
            ("--axis", "global-batch-size=8,16", "--batch-size", "64"),
            "--batch-size cannot stand beside --axis global_batch_size; keep one",
        ),
    ],
)
def test_an_axis_that_cannot_be_is_refused_in_one_line(words: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        _options(*words)
    assert str(caught.value).startswith(complaint)
    assert "\n" not in str(caught.value)


def test_other_axes_may_be_given_beside_it() -> None:
    options = _options("--axis", "precision=fp32,amp_bf16", "--batch-size", "8", "--strategy", "single")
    assert options.axis == ("precision", ["fp32", "amp_bf16"])


def test_a_revision_s_cases_are_held_against_the_same_of_the_other(found: Found) -> None:
    seen = found("--base", "main", "--workload", "mlp,cnn", "--strategy", "single", "--device", "cpu", "--seed", "7")
    assert [label.rpartition("-b")[0] for label in _labels(seen)] == [
        f"{name}_small-cpu-single-{precision}" for name in ("mlp", "cnn") for precision in ("fp32", "amp_bf16")
    ]
    assert all(compared.base == compared.head and compared.base.seed == 7 for compared in seen.able)
    assert {compared.key for compared in seen.able} == {compared.head.id for compared in seen.able}
    assert (seen.new, seen.unable) == ((), ())


def test_what_cannot_run_here_is_named_with_its_reason(found: Found) -> None:
    seen = found("--base", "main")
    assert len(seen.able) == 3
    assert len(seen.unable) == 2
    assert all(text.startswith("mlp_small-cuda-single-") and text.endswith(")") for text in seen.unable)


SINGLE = ("--base", "main", "--device", "cpu", "--strategy", "single", "--precision", "fp32")


@pytest.mark.parametrize("base_text", [None, "def other():\n    return None\n"], ids=["no file", "no function"])
def test_a_workload_that_the_base_lacks_is_new(clone: Clone, found: Found, base_text: str | None) -> None:
    clone.write("models/mine.py", sides="head")
    if base_text is not None:
        (clone.base / "models" / "mine.py").write_text(base_text)
    seen = found(*SINGLE, "--workload", "mine.py:small,mlp")
    assert [label.partition("-")[0] for label in _labels(seen)] == ["mlp_small"]
    assert [label.partition("-")[0] for label in seen.new] == ["mine.py_small"]


@pytest.mark.parametrize(
    "base_text", [MODEL, "from elsewhere import *\n", "small = make()\n", "def small(:\n"], ids=str.split
)
def test_a_base_that_may_have_it_is_asked(clone: Clone, found: Found, base_text: str) -> None:
    clone.write("models/mine.py")
    (clone.base / "models" / "mine.py").write_text(base_text)
    seen = found(*SINGLE, "--workload", "mine.py:small")
    assert (len(seen.able), seen.new) == (1, ())


def test_a_module_whose_file_the_base_lacks_is_left_to_its_worker(clone: Clone, found: Found) -> None:
    clone.write("models/zoo/nets.py", sides="head")
    clone.write("models/src/old/__init__.py")
    seen = found(*SINGLE, "--workload", "zoo.nets:small,old.part:small")
    assert (len(seen.able), seen.new) == (2, ())  # it may be installed, which only Python can tell


def test_a_file_is_each_side_s_own_however_it_is_written(clone: Clone, found: Found) -> None:
    clone.write("models/mine.py")
    clone.write("other/yours.py")
    (clone.working_tree / "link.py").symlink_to(clone.here / "mine.py")
    given = [str(clone.here / "mine.py"), "../other/yours.py", "../link.py"]
    seen = found(*SINGLE, *(word for path in given for word in ("--workload", f"{path}:small")))
    assert [compared.head.workload for compared in seen.able] == ["mine.py:small", "../other/yours.py:small"]


def test_a_file_outside_the_repository_is_refused(clone: Clone, found: Found, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODEL)
    with pytest.raises(UsageError) as caught:
        found(*SINGLE, "--workload", "../../mine.py:small")
    assert str(caught.value) == (
        f"--workload: '../../mine.py:small' lies outside {clone.working_tree}, "
        "so that both sides would run the same file"
    )


def test_a_suite_s_files_are_each_side_s_own_too(clone: Clone, found: Found, tmp_path: Path) -> None:
    clone.write("models/mine.py")
    suite = tmp_path / "suite.toml"
    suite.write_text(f'schema = 1\n[[case]]\nworkload = ["{clone.here}/mine.py:small"]\ndevice = ["cpu"]\n')
    assert {compared.head.workload for compared in found(*SINGLE, "--suite", str(suite)).able} == {"mine.py:small"}
    (tmp_path / "mine.py").write_text(MODEL)
    suite.write_text(f'schema = 1\n[[case]]\nworkload = ["{tmp_path}/mine.py:small"]\n')
    with pytest.raises(UsageError, match=r"--suite: '.*mine.py:small' lies outside .*, so that both sides"):
        found(*SINGLE, "--suite", str(suite))


def test_a_mistake_in_a_file_is_the_head_s(clone: Clone, found: Found) -> None:
    clone.write("models/mine.py", sides="base")
    with pytest.raises(UsageError, match=r"--workload: 'mine.py:small': there is no file mine.py"):
        found(*SINGLE, "--workload", "mine.py:small")
    (clone.head / "models" / "mine.py").write_text(MODEL)
    with pytest.raises(UsageError, match="did you mean 'small'"):
        found(*SINGLE, "--workload", "mine.py:smal")


def test_a_suite_is_the_file_that_was_named_and_its_workloads_are_the_head_s(clone: Clone, found: Found) -> None:
    clone.write("models/mine.py")
    (clone.here / "own.toml").write_text('schema = 1\n[[case]]\nworkload = ["mine.py:small"]\nbatch_size = [8]\n')
    (clone.head / "models" / "own.toml").write_text("not this one")
    seen = found("--base", "main", "--suite", "own.toml")
    assert _labels(seen) == ["mine.py_small-cpu-single-fp32-b8-d1"]


def test_a_head_without_this_folder_is_refused(clone: Clone, found: Found) -> None:
    (clone.head / "models").rmdir()
    with pytest.raises(UsageError, match="head has no folder models; run this where both sides have one"):
        found("--base", "main")


def test_a_base_without_this_folder_has_none_of_its_files(clone: Clone, found: Found) -> None:
    clone.write("models/mine.py", sides="head")
    (clone.base / "models").rmdir()
    assert len(found(*SINGLE, "--workload", "mine.py:small").new) == 1


def _sides_of(compared: ComparedCase, axis: str) -> tuple[object, object]:
    return getattr(compared.base, axis), getattr(compared.head, axis)


def test_each_mode_is_held_against_the_first_one_case_by_case(modes: Found) -> None:
    seen = modes("--axis", "precision=fp32,amp_bf16,amp_fp16", "--device", "cpu")
    assert [(*_sides_of(compared, "precision"), compared.head.strategy) for compared in seen.able] == [
        ("fp32", other, strategy) for other in ("amp_bf16", "amp_fp16") for strategy in ("single", "ddp")
    ]
    assert all(compared.base.strategy == compared.head.strategy for compared in seen.able)
    assert seen.able[0].label == f"{seen.able[0].head.slug}, not precision fp32"
    assert len({compared.key for compared in seen.able}) == 4


def test_a_mode_that_is_given_twice_is_one(modes: Found) -> None:
    seen = modes("--axis", "precision=fp32,amp_bf16,amp_bf16,fp32", "--device", "cpu", "--strategy", "single")
    assert [_sides_of(compared, "precision") for compared in seen.able] == [("fp32", "amp_bf16")]


def test_modes_may_be_numbers(modes: Found) -> None:
    cpu = ("--device", "cpu", "--strategy", "single", "--precision", "fp32")
    seen = modes("--axis", "batch-size=8,16", *cpu)
    assert [_sides_of(compared, "batch_size") for compared in seen.able] == [(8, 16)]
    assert seen.able[0].label.endswith("-b16-d1, not batch_size 8")


def test_modes_may_be_workloads_of_a_file(clone: Clone, modes: Found) -> None:
    clone.write("models/mine.py", "def small(): ...\ndef large(): ...\n")
    cpu = ("--device", "cpu", "--strategy", "single", "--precision", "fp32")
    seen = modes("--axis", "workload=mine.py:small,mine.py:large", *cpu)
    assert [_sides_of(compared, "workload") for compared in seen.able] == [("mine.py:small", "mine.py:large")]
    with pytest.raises(UsageError, match="--axis workload: 'mpl' is not known; did you mean 'mlp'"):
        modes("--axis", "workload=mlp,mpl", *cpu)


def test_modes_of_a_revision_are_its_own_files_however_they_are_written(clone: Clone, found: Found) -> None:
    clone.write("models/mine.py", "def small(): ...\ndef large(): ...\n")
    cpu = ("--device", "cpu", "--strategy", "single", "--precision", "fp32")
    seen = found("--axis", f"workload={clone.here / 'mine.py'}:small,../models/mine.py:large", *cpu)
    assert [_sides_of(compared, "workload") for compared in seen.able] == [("mine.py:small", "mine.py:large")]


def test_modes_that_make_different_numbers_of_cases_are_refused(modes: Found) -> None:
    with pytest.raises(UsageError) as caught:
        modes("--axis", "device=cpu,cuda")  # the quick suite has three cases on one and two on the other
    assert str(caught.value) == (
        "--axis device: its values make different numbers of cases of this suite; name the other axes"
    )


def test_modes_that_differ_in_more_than_the_axis_are_refused(modes: Found, tmp_path: Path) -> None:
    """As many cases on either side, but not the same ones."""
    suite = tmp_path / "suite.toml"
    tables = (("cpu", '"fp32", "amp_bf16"'), ("cuda", '"tf32", "amp_bf16"'))
    lines = [
        f'[[case]]\nworkload = ["mlp"]\ndevice = ["{device}"]\nprecision = [{names}]\n' for device, names in tables
    ]
    suite.write_text("schema = 1\n" + "".join(lines))
    with pytest.raises(UsageError, match=r"--axis device: .* that differ in precision too; name the other axes"):
        modes("--axis", "device=cpu,cuda", "--suite", str(suite))


def test_a_mode_that_cannot_run_here_is_not_compared_and_said(modes: Found) -> None:
    seen = modes("--axis", "precision=fp32,tf32", "--device", "cpu", "--strategy", "single")
    assert seen.able == ()
    assert len(seen.unable) == 1
    assert seen.unable[0].startswith("mlp_small-cpu-single-tf32-")
