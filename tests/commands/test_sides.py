"""The two sides: which options contradict each other, where each side's code lies, and who runs it."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, cast

import pytest

from bench.commands import _sides, ab
from bench.commands._sides import Setting, check, has_workload, places, settings
from bench.errors import UsageError
from bench.measuring.task import Checkout
from bench.running.pool import Place, Pool
from bench.running.revisions import Repository, Revision


def _options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    ab.add_arguments(parser)
    return parser.parse_args(words)


MODES = ("--axis", "precision=fp32,amp_bf16")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "--base is missing; name the revision to compare with, such as --base origin/main"),
        (("--head", "main"), "--base is missing; "),
        (
            ("--base", ""),
            "--base is empty; did what should name it find nothing, as git merge-base in a shallow clone?",
        ),
        (("--base", "main", "--head", ""), "--head is empty; did what should name it find nothing, "),
        (("--calibrate", "3", "--base", ""), "--base is empty; "),
        (("--base", "main", *MODES), "--base cannot stand beside --axis, which compares modes of one revision; "),
        (("--calibrate", "3", *MODES), "--axis cannot stand beside --calibrate, "),
        (("--calibrate", "3", "--counters-only"), "--counters-only cannot stand beside --calibrate, "),
        (("--calibrate", "3", "--out", "d"), "--out cannot stand beside --calibrate, "),
        (("--calibrate", "3", "--base-python", sys.executable), "--base-python cannot stand beside --calibrate, "),
        (("--calibrate", "3", "--base", "a", "--head", "b"), "--head cannot stand beside --base with --calibrate, "),
        (("--base", "main", "--base-python", "/no/such/python"), "--base-python '/no/such/python' is no program; "),
        (("--base", "main", "--head-python", "/"), "--head-python '/' is no program; "),
        (("--base-python", sys.executable, *MODES), "--base-python cannot stand beside --axis, "),
        (("--head-python", sys.executable, *MODES), "--head-python cannot stand beside --axis, "),
    ],
)
def test_sides_that_contradict_each_other_are_refused_in_one_line(words: Sequence[str], complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(_options(*words))
    assert str(caught.value).startswith(complaint)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ("--base", "main"),
        ("--base", "main", "--head", "topic", "--base-python", sys.executable),
        MODES,
        ("--head", "topic", *MODES),
        ("--calibrate", "3"),
        ("--calibrate", "3", "--base", "main"),
    ],
)
def test_what_makes_two_sides_passes(words: Sequence[str]) -> None:
    check(_options(*words))


class ScriptedPool:
    """Is entered and left."""

    made: list["ScriptedPool"]

    def __init__(self, *given: Any) -> None:
        self.number, self.python = given[0], given[3] if len(given) > 3 else None
        self.notes = [f"a note of {self.python}"]
        self.is_open = False
        self.made.append(self)

    def __enter__(self) -> Self:
        self.is_open = True
        return self

    def __exit__(self, *error: object) -> None:
        self.is_open = False


class ScriptedRevisions:
    """Checks out by making up folders."""

    WORKTREE = "worktree"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wanted: list[str] = []
        self.is_there = False

    def repository_of(self, directory: Path) -> Repository:
        return Repository(root=self.root, prefix=Path("models"))

    @contextlib.contextmanager
    def checked_out(self, names: Sequence[str], repository: Repository) -> Iterator[list[Revision]]:
        self.wanted += names
        self.is_there = True
        roots = [repository.root / "revisions" / name for name in names]
        yield [
            Revision(name=name, commit=f"of {name}", root=root, directory=root / repository.prefix)
            for name, root in zip(names, roots, strict=True)
        ]
        self.is_there = False


@pytest.fixture(name="revisions")
def _revisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedRevisions:
    scripted = ScriptedRevisions(tmp_path)
    ScriptedPool.made = []
    monkeypatch.setattr(_sides, "revisions", scripted)
    monkeypatch.setattr(_sides, "Pool", ScriptedPool)
    monkeypatch.chdir(tmp_path)
    return scripted


Settle = Callable[..., tuple[Setting, Setting, list[str]]]


@pytest.fixture(name="settle")
def _settle(revisions: ScriptedRevisions) -> Settle:
    """Return what makes the settings of a command line, and what was said of it; nothing is left of them."""

    def settle(*words: str) -> tuple[Setting, Setting, list[str]]:
        ScriptedPool.made.clear()
        said: list[str] = []
        options = _options(*words)
        with places(options) as sides, settings(options, sides, said.append) as (base, head):
            assert all(pool.is_open for pool in ScriptedPool.made)
        assert not any(pool.is_open for pool in ScriptedPool.made)
        assert not revisions.is_there
        return base, head, said

    return settle


def test_two_revisions_have_a_place_each_and_share_the_processes(settle: Settle, revisions: ScriptedRevisions) -> None:
    base, head, said = settle("--base", "main", "--head", "topic")
    assert revisions.wanted == ["main", "topic"]
    assert (base.name, head.name) == ("main (of main)", "topic (of topic)")
    root = revisions.root / "revisions"
    assert base.place == Place(
        name="side0",
        working_directory=root / "main" / "models",
        checkout=Checkout(root=str(root / "main"), working_tree=str(revisions.root)),
    )
    assert (head.place.name, head.place.working_directory) == ("side1", root / "topic" / "models")
    assert base.pool is head.pool
    assert [pool.number for pool in ScriptedPool.made] == [_sides.NUM_SERVERS]
    assert said[-1] == f"a note of {sys.executable}"


def test_the_head_is_the_files_as_they_are_where_none_is_named(settle: Settle, revisions: ScriptedRevisions) -> None:
    settle("--base", "main")
    assert revisions.wanted == ["main", "worktree"]


def test_an_interpreter_of_its_own_means_processes_of_its_own(settle: Settle) -> None:
    base, head, said = settle("--base", "main", "--base-python", "old/python")
    assert base.pool is not head.pool
    assert [pool.python for pool in ScriptedPool.made] == [str(Path.cwd() / "old/python"), sys.executable]
    assert said[1:] == [f"a note of {Path.cwd() / 'old/python'}", f"a note of {sys.executable}"]
    base, head, _ = settle("--base", "main", "--base-python", "old/python", "--head-python", "old/python")
    assert base.pool is head.pool


@pytest.mark.parametrize("words", [MODES, ("--calibrate", "3")])
def test_modes_and_a_calibration_take_the_files_where_they_are(
    settle: Settle, revisions: ScriptedRevisions, words: Sequence[str]
) -> None:
    base, head, _ = settle(*words)
    assert revisions.wanted == []
    assert base == head
    assert base.place == Place(working_directory=revisions.root)


@pytest.mark.parametrize(
    ("words", "name"),
    [((*MODES, "--head", "topic"), "topic"), (("--calibrate", "3", "--base", "main"), "main")],
)
def test_or_those_of_the_one_revision_that_is_named(
    settle: Settle, revisions: ScriptedRevisions, words: Sequence[str], name: str
) -> None:
    base, head, _ = settle(*words)
    assert revisions.wanted == [name]
    assert base == head
    assert base.place.working_directory == revisions.root / "revisions" / name / "models"


def _setting(root: Path, *, checked_out: bool = True) -> Setting:
    checkout = Checkout(root=str(root), working_tree="/elsewhere") if checked_out else None
    place = Place(working_directory=root / "models", checkout=checkout)
    return Setting(name="base", place=place, pool=cast("Pool", None))


@pytest.mark.parametrize(
    ("text", "is_there"),
    [
        ("def small(): ...\n", True),
        ("small = 1\n", True),
        ("from x import *\n", True),
        ("def small(:\n", True),  # its worker says it better
        ("def large(): ...\n", False),
        ("class A:\n    def small(self): ...\n", False),
        (None, False),
    ],
)
def test_a_file_has_what_it_may_bind(tmp_path: Path, text: str | None, is_there: bool) -> None:
    (tmp_path / "models").mkdir()
    if text is not None:
        (tmp_path / "models" / "mine.py").write_text(text)
    assert has_workload(_setting(tmp_path), "mine.py:small") is is_there


@pytest.mark.parametrize("spec", ["mine.py:small", "zoo.nets:small", "mlp:small"])
def test_a_side_without_the_folder_in_which_this_runs_has_no_workload(tmp_path: Path, spec: str) -> None:
    assert has_workload(_setting(tmp_path), spec) is False


@pytest.mark.parametrize("path", ["models/zoo/nets.py", "models/zoo/nets/__init__.py", "models/src/zoo/nets.py"])
def test_a_module_whose_file_is_there_is_there_and_of_any_other_only_python_knows(tmp_path: Path, path: str) -> None:
    (tmp_path / "models").mkdir()
    assert has_workload(_setting(tmp_path), "zoo.nets:small") is None
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("")
    assert has_workload(_setting(tmp_path), "zoo.nets:small") is True


def test_a_built_in_is_this_installation_s_except_in_a_revision_of_this_very_project(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    assert has_workload(_setting(tmp_path), "mlp:small") is True
    assert has_workload(_setting(tmp_path, checked_out=False), "mlp:small") is True
    (tmp_path / "run_bench.py").write_text("")
    (tmp_path / "bench" / "workloads").mkdir(parents=True)
    assert has_workload(_setting(tmp_path), "mlp:small") is False
    assert has_workload(_setting(tmp_path, checked_out=False), "mlp:small") is True
    (tmp_path / "bench" / "workloads" / "mlp.py").write_text("def small(): ...\n")
    assert has_workload(_setting(tmp_path), "mlp:small") is True
    assert has_workload(_setting(tmp_path), "mlp:large") is False
