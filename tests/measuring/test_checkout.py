"""Whose code a worker imports, in processes of their own and with small trees in the places where code may lie."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bench.registry import PACKAGE_DIR

DEADLINE_SECONDS = 30.0
SIDES = ("tree", "revision")
PRELUDE = """\
import os, sys
sys.path.insert(0, os.environ["HARNESS"])
from bench.errors import UsageError
from bench.measuring import checkout
from bench.measuring.task import Checkout

def enter():
    places = {"root": os.environ["REVISION"], "working_tree": os.environ["TREE"]}
    return checkout.enter(Checkout(**places, is_installed="INSTALLED" in os.environ))

def check(entered):
    try:
        checkout.check_imports(entered)
    except UsageError as error:
        print(f"refused: {error}")
    else:
        print("fine")
"""


class Trees:
    """A working tree and a revision of it, whose files say which of them they are of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree, self.revision = (folder / name for name in SIDES)
        for root in (self.tree, self.revision):
            root.mkdir()

    def write(self, path: str, text: str = "SIDE = {side!r}\n") -> None:
        """Write a file into both."""
        for root in (self.tree, self.revision):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text.format(side=root.name))

    def run(self, program: str, *, folder: str = ".", python_path: str = "", is_installed: bool = False) -> list[str]:
        """Run *program* as a worker does, in a folder of the revision, and return the lines that it prints."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= {"HARNESS": str(PACKAGE_DIR.parent), "REVISION": str(self.revision), "TREE": str(self.tree)}
        environment |= {"INSTALLED": "1"} if is_installed else {}
        ended = subprocess.run(
            [sys.executable, "-P", "-c", PRELUDE + textwrap.dedent(program)],
            cwd=self.revision / folder,
            env={**environment, "PYTHONPATH": python_path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.splitlines()


@pytest.fixture(name="trees")
def _trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path)


def test_what_pythonpath_and_pth_files_name_is_the_revision_s(trees: Trees) -> None:
    trees.write("libs/on_path/__init__.py", "from on_path import part\n")
    trees.write("libs/on_path/part.py")
    trees.write("python/from_pth.py")
    program = """
        sys.path.append(os.environ["TREE"] + "/python")  # as a .pth file does
        before = [entry for entry in sys.path if not entry.startswith(os.environ["TREE"])]
        entered = enter()
        import from_pth, on_path
        print(from_pth.SIDE, on_path.part.SIDE)
        print([entry for entry in sys.path if not entry.startswith(os.environ["REVISION"])] == before)
        check(entered)
    """
    lines = trees.run(program, python_path=str(trees.tree / "libs"))
    assert lines == ["revision revision", "True", "fine"]


def test_packages_at_the_top_and_in_src_are_found_wherever_the_worker_is(trees: Trees) -> None:
    trees.write("src/in_src/__init__.py")
    trees.write("at_top/__init__.py")
    trees.write("both.py")
    trees.write("src/both.py", "SIDE = 'src of {side}'\n")
    trees.write("models/mine.py", "import in_src, at_top\nSIDE = {side!r}\n")
    program = """
        entered = enter()
        sys.path.insert(0, os.getcwd())  # as for the file of a workload
        import both, mine
        print(mine.SIDE, mine.in_src.SIDE, mine.at_top.SIDE, both.SIDE)
        check(entered)
    """
    lines = trees.run(program, folder="models", python_path=str(trees.tree))
    assert lines == ["revision revision revision revision", "fine"]  # what stood on the path comes before a guess


@pytest.mark.parametrize(("is_installed", "side"), [(False, "revision"), (True, "installed")])
def test_what_a_side_s_own_environment_has_installed_comes_before_the_files_of_the_revision(
    trees: Trees, is_installed: bool, side: str
) -> None:
    """A compiled extension is only where it was built, and git ignores it."""
    trees.write("mine/__init__.py")
    installed = trees.folder / "site-packages"
    (installed / "mine").mkdir(parents=True)
    (installed / "mine" / "__init__.py").write_text("SIDE = 'installed'\n")
    program = """
        sys.path.append(os.environ["TREE"] + "/../site-packages")
        entered = enter()
        import mine
        print(mine.SIDE)
        check(entered)
    """
    assert trees.run(program, is_installed=is_installed) == [side, "fine"]


def test_the_working_tree_s_folders_are_no_more_on_the_path(trees: Trees) -> None:
    trees.write("libs/part.py")
    (trees.tree / "libs" / "only_here.py").write_text("")
    program = """
        enter()
        print(any(entry.startswith(os.environ["TREE"]) for entry in sys.path))
        import only_here
    """
    with pytest.raises(AssertionError, match="No module named 'only_here'"):
        trees.run(program, python_path=str(trees.tree / "libs"))


FINDER = """
    import importlib.machinery, importlib.util, types

    finder = types.ModuleType("__editable___mine_0_1_finder")
    finder.MAPPING = {"mine": os.environ["TREE"] + "/lib/mine"}
    sys.modules[finder.__name__] = finder

    class Finder:
        def find_spec(name, path=None, target=None):
            if name in finder.MAPPING:
                return importlib.util.spec_from_file_location(name, finder.MAPPING[name] + "/__init__.py")
"""
"""Like the one that setuptools installs for `pip install -e`."""


def test_an_editable_install_of_setuptools_finds_the_revision(trees: Trees) -> None:
    trees.write("lib/mine/__init__.py")
    program = """
        sys.meta_path.append(Finder)  # after the path, as setuptools does
        entered = enter()
        import mine
        print(mine.SIDE)
        check(entered)
    """
    assert trees.run(textwrap.dedent(FINDER) + textwrap.dedent(program)) == ["revision", "fine"]


def test_a_finder_that_insists_on_the_working_tree_is_refused_with_the_cure(trees: Trees) -> None:
    trees.write("lib/mine/__init__.py")
    program = """
        sys.meta_path.insert(0, Finder)
        entered = enter()
        import mine
        print(mine.SIDE)
        check(entered)
    """
    side, complaint = trees.run(textwrap.dedent(FINDER) + textwrap.dedent(program))
    assert side == "tree"
    assert complaint == (
        "refused: module 'mine' was imported from the working tree (lib/mine/__init__.py), not from the revision; "
        "put its folder on PYTHONPATH, or install each side and give --base-python and --head-python"
    )


def test_an_environment_in_the_working_tree_is_left_alone(trees: Trees) -> None:
    packages = ".venv/lib/python3/site-packages"
    (trees.tree / packages).mkdir(parents=True)
    (trees.tree / packages / "installed.py").write_text("SIDE = 'environment'\n")
    trees.write("mine.py")
    program = """
        entered = enter()
        import installed, mine
        print(installed.SIDE, mine.SIDE)
        check(entered)
    """
    assert trees.run(program, python_path=str(trees.tree / packages)) == ["environment revision", "fine"]


def test_what_an_environment_had_imported_before_from_the_working_tree_is_refused_too(trees: Trees) -> None:
    trees.write("early.py")
    program = """
        import early
        entered = enter()
        print(early.SIDE)
        check(entered)
    """
    first, second = trees.run(program, python_path=str(trees.tree))
    assert first == "tree"
    assert second.startswith("refused: module 'early' was imported from the working tree (early.py)")


def test_a_revision_that_lies_in_the_working_tree_is_a_revision_all_the_same(trees: Trees) -> None:
    inside = trees.tree / "worktrees" / "0"
    inside.parent.mkdir()
    trees.revision.rename(inside)
    trees.revision = inside
    trees.write("mine.py")
    program = """
        entered = enter()
        import mine
        print(mine.SIDE)
        check(entered)
    """
    assert trees.run(program, python_path=str(trees.tree)) == ["0", "fine"]


def test_of_this_very_project_the_workloads_are_the_revision_s_and_bench_stays(trees: Trees) -> None:
    trees.write("run_bench.py", "")
    trees.write("bench/__init__.py")
    trees.write("bench/new.py")
    trees.write("bench/workloads/__init__.py", "")
    trees.write("bench/workloads/mlp.py")
    trees.write("bench/workloads/only_mine.py")
    program = """
        import bench
        from bench import workloads
        sys.modules["bench.workloads.mlp"] = workloads.mlp = object()  # as the fork server has
        entered = enter()
        from bench.workloads import mlp, only_mine
        print(mlp.SIDE, only_mine.SIDE, hasattr(bench, "SIDE"))
        from bench import case
        print(os.path.dirname(case.__file__) == os.environ["HARNESS"] + "/bench")
        try:
            import bench.new
        except ImportError:
            print("bench is the one that measures")
        check(entered)
    """
    assert trees.run(program) == [
        *("revision revision False", "True", "bench is the one that measures", "fine"),
    ]


def test_the_suite_that_measures_itself_may_be_in_the_working_tree(trees: Trees) -> None:
    trees.write("run_bench.py", "")
    trees.write("mine.py")
    (trees.revision / "bench" / "workloads").mkdir(parents=True)
    (trees.revision / "bench" / "workloads" / "mlp.py").write_text("SIDE = 'revision'\n")
    program = """
        root = os.path.realpath(os.environ["HARNESS"])
        entered = checkout.enter(Checkout(root=os.environ["REVISION"], working_tree=root))
        import mine
        from bench import pair
        from bench.workloads import mlp
        print(mine.SIDE, mlp.SIDE)
        check(entered)
        import importlib.util
        spec = importlib.util.spec_from_file_location("bench.workloads.old", root + "/bench/workloads/mlp.py")
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        check(entered)
    """
    *fine, refused = trees.run(program)
    assert fine == ["revision revision", "fine"]
    assert refused.startswith("refused: module 'bench.workloads.old' was imported from the working tree (bench/work")


def test_another_project_s_folder_called_bench_changes_nothing(trees: Trees) -> None:
    trees.write("bench/workloads/mlp.py")  # and no run_bench.py
    program = """
        entered = enter()
        from bench import workloads
        print([os.path.realpath(path) == os.environ["HARNESS"] + "/bench/workloads" for path in workloads.__path__])
        check(entered)
    """
    assert trees.run(program) == ["[True]", "fine"]
