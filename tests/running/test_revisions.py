"""Two revisions side by side: the right files, nothing of the user's touched, and nothing left behind."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.errors import BenchError, UsageError
from bench.running import worktrees
from bench.running.git import GitError, ask, git
from bench.running.revisions import WORKTREE, Repository, Revision, checked_out, repository_of

ISOLATED = {
    **{f"GIT_{role}_NAME": "Somebody" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "some@body" for role in ("AUTHOR", "COMMITTER")},
    **dict.fromkeys(("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"), os.devnull),
}
"""What keeps the settings of whoever runs the tests out of them."""


@pytest.fixture(name="temporary", autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Isolate each test, and give it a folder of its own for temporary files."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in ISOLATED.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture(name="root")
def _root(tmp_path: Path, made: Path) -> Path:
    """Return a repository with two commits, the first tagged v1, in a path that needs care."""
    return copied(made / "plain", tmp_path)


def copied(made: Path, tmp_path: Path) -> Path:
    root = Path(shutil.copytree(made, tmp_path / "my prüject #1", symlinks=True))
    run(root, "update-index", "-q", "--refresh")
    return root


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what tests copy, since git takes its time: `plain`, and `parent` with its submodule `library`."""
    made = tmp_path_factory.mktemp("made")
    for name in ("plain", "innermost", "library"):
        run(made, "init", "-q", "-b", "main", name)
    root, library = made / "plain", made / "library"
    commit(root, "one", {"model.py": "one\n", "package/layer.py": "one\n", ".gitignore": "*.log\n"})
    run(root, "tag", "-a", "v1", "-m", "first")
    commit(root, "two", {"model.py": "two\n"})
    commit(made / "innermost", "inner", {"inner.py": "inner\n"})
    commit(library, "library", {"library.py": "one\n"})
    add_submodule(library, made / "innermost", "nested")
    parent = Path(shutil.copytree(root, made / "parent"))
    add_submodule(parent, library, "libs/a b")
    run(parent, "submodule", "--quiet", "update", "--init", "--recursive")
    commit(parent / "libs/a b", "newer", {"library.py": "two\n"})
    run(parent, "commit", "-q", "-a", "-m", "newer library")
    return made


def run(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), "-c", "protocol.file.allow=always", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env={**environment, **ISOLATED})
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.removesuffix("\n")


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def commit(root: Path, message: str, files: dict[str, str]) -> str:
    write(root, files)
    run(root, "add", "--all")
    run(root, "commit", "-q", "-m", message)
    return run(root, "rev-parse", "HEAD")


def add_submodule(root: Path, origin: Path, path: str) -> None:
    run(root, "submodule", "--quiet", "add", str(origin), path)
    run(root, "commit", "-q", "-m", f"add {path}")


def files_in(root: Path) -> dict[str, str]:
    """Return the text of each file, but git's own."""
    files = [path for path in root.rglob("*") if path.is_file() and ".git" not in path.relative_to(root).parts]
    return {str(path.relative_to(root)): path.read_text() for path in files}


def state_of(root: Path) -> dict[str, object]:
    """Return every byte and time of the working tree and of .git, but objects, which a snapshot may add."""
    paths = [path for path in sorted(root.rglob("*")) if "objects" not in path.relative_to(root).parts]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) if path.is_file() else "folder" for path in paths}


def refusal(root: Path, *names: str) -> str:
    with pytest.raises(BenchError) as caught, checked_out(names, repository_of(root)):
        pass
    text = str(caught.value)
    assert "\n" not in text
    return text


@contextlib.contextmanager
def one(name: str, directory: Path) -> Iterator[Revision]:
    with checked_out([name], repository_of(directory)) as (revision,):
        yield revision


# What each side holds.


def test_each_side_has_its_files_in_a_folder_of_its_own(root: Path, temporary: Path) -> None:
    with checked_out(["v1", "main"], repository_of(root)) as (base, head):
        assert files_in(base.root)["model.py"] == "one\n"
        assert files_in(head.root)["model.py"] == "two\n"
        assert [base.name, head.name] == ["v1", "main"]
        assert [base.commit, head.commit] == [run(root, "rev-parse", "--short=9", name) for name in ("v1^{}", "main")]
        assert base.root.is_absolute()
        assert base.root.is_relative_to(temporary.resolve())
        assert base.root.name == head.root.name == root.name


def test_a_commit_that_is_named_twice_has_two_folders(root: Path) -> None:
    with checked_out(["main", "main"], repository_of(root)) as (base, head):
        assert base.root != head.root
        assert files_in(base.root) == files_in(head.root) == files_in(root)


def test_in_a_subdirectory_each_side_has_the_same_one(root: Path) -> None:
    write(root, {"new/file.py": ""})
    assert repository_of(root / "new") == Repository(root=root.resolve(), prefix=Path("new"))
    with checked_out(["v1", WORKTREE], repository_of(root / "new")) as (base, head):
        assert head.directory == head.root / "new"
        assert head.directory.is_dir()
        assert not base.directory.exists()  # for the caller to say


def test_an_expression_is_a_revision(root: Path) -> None:
    for name in ("HEAD~1", "main^", ":/one", "v1", "v1^{commit}", run(root, "rev-parse", "--short", "HEAD~1")):
        with one(name, root) as revision:
            assert files_in(revision.root)["model.py"] == "one\n", name


def test_a_worktree_is_a_clean_checkout_of_git(root: Path) -> None:
    with one("v1", root) as revision:
        assert run(revision.root, "status", "--porcelain") == ""
        assert run(revision.root, "describe") == "v1"


def test_no_hook_runs(root: Path, tmp_path: Path) -> None:
    for hook in ("post-checkout", "post-index-change"):
        write(root, {f".git/hooks/{hook}": f"#!/bin/sh\ntouch '{tmp_path}/ran'\n"})
        (root / ".git/hooks" / hook).chmod(0o755)
    write(root, {"model.py": "changed\n"})
    with checked_out(["v1", WORKTREE], repository_of(root)):
        pass
    assert not (tmp_path / "ran").exists()


# The working tree.


def test_the_working_tree_is_taken_as_it_is(root: Path) -> None:
    write(root, {"model.py": "changed\n", "new file.py": "new\n", "run.log": "ignored\n", "package/staged.py": "1\n"})
    run(root, "add", "package/staged.py")
    write(root, {"package/staged.py": "2\n"})
    (root / "package/layer.py").unlink()
    with one(WORKTREE, root) as revision:
        assert files_in(revision.root) == {
            ".gitignore": "*.log\n",
            "model.py": "changed\n",
            "new file.py": "new\n",
            "package/staged.py": "2\n",
        }
        assert revision.commit == run(root, "rev-parse", "--short=9", "HEAD") + "+changes"


def test_a_working_tree_without_changes_is_head(root: Path) -> None:
    os.utime(root / "model.py")  # as an editor does that saves the same text again
    with one(WORKTREE, root) as revision:
        assert revision.commit == run(root, "rev-parse", "--short=9", "HEAD")
        assert run(revision.root, "rev-parse", "HEAD") == run(root, "rev-parse", "HEAD")


def test_nothing_of_the_users_is_touched(root: Path) -> None:
    write(root, {"model.py": "stashed\n"})
    run(root, "stash")
    write(root, {"model.py": "changed\n", "staged.py": "staged\n", "untracked.py": ""})
    run(root, "add", "staged.py")
    os.utime(root / "package/layer.py")  # which git would like to note in its index
    before = state_of(root)
    with checked_out(["v1", WORKTREE], repository_of(root)):
        during = state_of(root)
    assert {path: during[path] for path in before} == before
    assert all(".git/worktrees" in path for path in during.keys() - before.keys())
    assert state_of(root) == before


def test_a_change_within_the_second_of_the_last_add_is_seen(root: Path) -> None:
    """Git then tells by the time of its index that it has to look into the file."""
    run(root, "config", "core.trustctime", "false")  # the time that no test can set
    moment = 1_600_000_000_000_000_000
    os.utime(root / "model.py", ns=(moment, moment))
    run(root, "add", "model.py")
    write(root, {"model.py": "TWO\n"})
    for path in (root / "model.py", root / ".git/index"):
        os.utime(path, ns=(moment, moment))
    with one(WORKTREE, root) as revision:
        assert files_in(revision.root)["model.py"] == "TWO\n"


def test_a_merge_with_conflicts_is_a_working_tree_too(root: Path) -> None:
    run(root, "checkout", "-q", "-b", "other", "v1")
    commit(root, "three", {"model.py": "three\n"})
    subprocess.run(["git", "-C", str(root), "merge", "-q", "main"], check=False, capture_output=True)
    before = state_of(root)
    with one(WORKTREE, root) as revision:
        assert "<<<<<<<" in files_in(revision.root)["model.py"]
    assert state_of(root) == before


def test_a_clone_whose_files_were_never_checked_out_has_no_index(root: Path, tmp_path: Path) -> None:
    run(tmp_path, "clone", "-q", "--no-checkout", str(root), "clone")
    with one(WORKTREE, tmp_path / "clone") as revision:
        assert files_in(revision.root) == {}


def test_nobody_needs_to_have_told_git_who_they_are(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ISOLATED:
        if not name.startswith("GIT_CONFIG"):
            monkeypatch.delenv(name)
    run(root, "config", "user.useConfigOnly", "true")
    run(root, "config", "commit.gpgSign", "true")
    write(root, {"model.py": "changed\n"})
    with one(WORKTREE, root) as revision:
        assert revision.commit.endswith("+changes")


def test_our_own_folder_is_no_part_of_the_working_tree(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, {"[tmp]/mine.txt": "mine\n"})
    monkeypatch.setattr(tempfile, "tempdir", str(root / "[tmp]"))
    with checked_out([WORKTREE, WORKTREE], repository_of(root)) as revisions:
        for revision in revisions:
            assert files_in(revision.root) == {**files_in_head(root), "[tmp]/mine.txt": "mine\n"}


def files_in_head(root: Path) -> dict[str, str]:
    return {name: run(root, "show", f"HEAD:{name}") + "\n" for name in run(root, "ls-files").splitlines()}


def test_a_sparse_checkout_gives_full_ones(root: Path) -> None:
    run(root, "config", "extensions.worktreeConfig", "true")  # by which new worktrees inherit it
    run(root, "sparse-checkout", "set", "--no-cone", "/model.py")
    assert not (root / "package").exists()
    write(root, {"model.py": "changed\n"})
    before = state_of(root)
    with checked_out(["v1", WORKTREE], repository_of(root)) as (base, head):
        assert files_in(base.root)["package/layer.py"] == "one\n"
        assert files_in(head.root) == {**files_in_head(root), "model.py": "changed\n"}
    assert state_of(root) == before


# Submodules.


@pytest.fixture(name="library")
def _library(made: Path) -> Path:
    """Return a repository to be a submodule, which has one itself."""
    return made / "library"


@pytest.fixture(name="parent")
def _parent(tmp_path: Path, made: Path) -> Path:
    """Return a repository with a submodule, of which HEAD~1 names another commit than HEAD."""
    return copied(made / "parent", tmp_path)


def test_submodules_are_filled_at_the_commits_that_the_revision_names(parent: Path) -> None:
    run(parent, "config", "submodule.recurse", "true")
    before = state_of(parent)
    with checked_out(["HEAD~1", "HEAD"], repository_of(parent)) as (base, head):
        assert files_in(base.root)["libs/a b/library.py"] == "one\n"
        assert files_in(head.root)["libs/a b/library.py"] == "two\n"
        assert files_in(base.root)["libs/a b/nested/inner.py"] == "inner\n"
        assert run(base.root, "status", "--porcelain") == ""
    assert state_of(parent) == before


def test_changes_in_submodules_belong_to_the_working_tree(parent: Path) -> None:
    write(parent, {"libs/a b/library.py": "changed\n", "libs/a b/nested/untracked.py": "new\n"})
    before = state_of(parent)
    with checked_out(["HEAD", WORKTREE], repository_of(parent)) as (base, head):
        assert files_in(base.root)["libs/a b/library.py"] == "two\n"
        assert files_in(head.root)["libs/a b/library.py"] == "changed\n"
        assert files_in(head.root)["libs/a b/nested/untracked.py"] == "new\n"
        assert head.commit == f"{base.commit}+changes"
    assert state_of(parent) == before


def test_a_submodule_without_changes_changes_nothing(parent: Path) -> None:
    with checked_out(["HEAD", WORKTREE], repository_of(parent)) as (base, head):
        assert head.commit == base.commit
        assert files_in(head.root) == files_in(base.root)


def test_a_submodule_that_was_moved_is_still_found_for_older_revisions(parent: Path) -> None:
    run(parent, "mv", "libs/a b", "moved")
    run(parent, "commit", "-q", "-m", "move")
    with checked_out(["HEAD~1", "HEAD"], repository_of(parent)) as (base, head):
        assert files_in(base.root)["libs/a b/library.py"] == "two\n"
        assert files_in(base.root)["libs/a b/nested/inner.py"] == "inner\n"
        assert files_in(head.root)["moved/library.py"] == "two\n"


def test_a_submodule_that_was_never_fetched_is_named_with_the_cure(parent: Path, tmp_path: Path) -> None:
    run(tmp_path, "clone", "-q", str(parent), "clone")
    needed = run(parent, "rev-parse", "--short=9", "HEAD:libs/a b")
    assert refusal(tmp_path / "clone", "HEAD") == (
        f"submodule 'libs/a b' of {tmp_path / 'clone'} has no commit {needed}, which is needed; "
        "git submodule update --init --recursive"
    )
    assert worktrees_of(tmp_path / "clone") == [tmp_path / "clone"]


def test_a_commit_that_a_submodule_lacks_is_to_be_fetched(parent: Path) -> None:
    absent = "1234567890" * 4
    run(parent, "update-index", "--cacheinfo", f"160000,{absent},libs/a b")
    run(parent, "commit", "-q", "-m", "a commit that was not pushed")
    said = refusal(parent, "HEAD")
    assert said.startswith(f"submodule 'libs/a b' of {parent} has no commit 123456789, which is needed; git submodule ")
    assert said.endswith(f"or git -C '{parent / 'libs/a b'}' fetch origin {absent}")


def test_a_submodule_that_is_empty_in_the_working_tree_is_empty_in_the_snapshot(parent: Path, tmp_path: Path) -> None:
    run(tmp_path, "clone", "-q", str(parent), "clone")
    with one(WORKTREE, tmp_path / "clone") as revision:
        assert list((revision.root / "libs/a b").iterdir()) == []


def test_a_clone_within_the_working_tree_is_taken_along(root: Path, library: Path) -> None:
    run(root, "clone", "-q", str(library), "third party")
    with one(WORKTREE, root) as revision:
        assert files_in(revision.root)["third party/library.py"] == "one\n"


def test_inside_of_a_submodule_the_submodule_is_the_repository(parent: Path) -> None:
    submodule = parent / "libs/a b"
    write(submodule, {"library.py": "changed\n"})
    before = state_of(parent)
    with checked_out(["HEAD~1", WORKTREE], repository_of(submodule)) as (base, head):
        assert files_in(base.root) == {**files_in(submodule), "library.py": "one\n"}
        assert files_in(head.root) == files_in(submodule)
    assert state_of(parent) == before


# Names that are no revisions.


def test_a_name_that_is_no_revision_is_told_the_nearest(root: Path) -> None:
    run(root, "branch", "feature/fast")
    assert refusal(root, "feature/fats") == f"'feature/fats' is not a revision of {root}; did you mean 'feature/fast'?"
    assert refusal(root, "worktre") == f"'worktre' is not a revision of {root}; did you mean 'worktree'?"
    assert refusal(root, "0123456789") == f"'0123456789' is not a revision of {root}; give a commit, a branch or a tag"


@pytest.mark.parametrize("name", ["--all", "-h", "--output=x", "--end-of-options", "-", "", "^main", "v1..main"])
def test_what_git_could_take_for_something_else_is_no_revision(root: Path, name: str) -> None:
    assert refusal(root, "main", name).startswith(f"'{name}' is not a revision of {root}; ")


@pytest.mark.parametrize(("name", "kind"), [("HEAD:package", "tree"), ("v1:model.py", "blob")])
def test_a_revision_is_a_commit(root: Path, name: str, kind: str) -> None:
    assert refusal(root, name) == f"'{name}' is a {kind} of {root}, not a commit; give a commit, a branch or a tag"


def test_a_hash_that_nobody_has_is_no_revision(root: Path) -> None:
    assert refusal(root, "0" * 40).startswith(f"'{'0' * 40}' is not a revision of {root}; ")


def test_a_branch_that_was_not_fetched_is_told_how(root: Path, tmp_path: Path) -> None:
    run(tmp_path, "clone", "-q", str(root), "clone")
    cure = "git fetch origin zzz:refs/remotes/origin/zzz"
    run(tmp_path / "clone", "branch", "-r", "-d", "origin/HEAD", "origin/main")
    run(tmp_path / "clone", "checkout", "-q", "--detach")
    assert refusal(tmp_path / "clone", "origin/zzz").endswith(f"; {cure} may bring it")


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("origin/release", "git fetch --depth=1 origin release:refs/remotes/origin/release"),
        ("release", "git fetch --depth=1 origin release:release"),
        ("v1", "git fetch --depth=1 origin tag v1"),
        ("HEAD~1", "git fetch --unshallow"),
        ("FIRST", "git fetch --depth=1 origin FIRST"),
    ],
)
def test_in_a_shallow_clone_the_cure_brings_the_revision(root: Path, tmp_path: Path, name: str, cure: str) -> None:
    run(root, "branch", "release", "v1^{}")
    first = run(root, "rev-parse", "v1^{}")
    name, cure = name.replace("FIRST", first), cure.replace("FIRST", first)
    run(tmp_path, "clone", "-q", "--depth=1", f"file://{root}", "clone")
    clone = tmp_path / "clone"
    assert refusal(clone, name) == (
        f"'{name}' is not a revision of {clone}, a shallow clone, which may lack it; {cure} brings it "
        "(in actions/checkout: fetch-depth: 0)"
    )
    run(clone, *cure.split()[1:])
    with checked_out([name, WORKTREE], repository_of(clone)) as (base, head):
        assert files_in(base.root)["model.py"] == "one\n"
        assert files_in(head.root)["model.py"] == "two\n"


@pytest.mark.parametrize("name", [WORKTREE, "HEAD", "main"])
def test_a_repository_without_a_commit_has_nothing_to_compare(tmp_path: Path, name: str) -> None:
    run(tmp_path, "init", "-q", "-b", "main", "empty")
    write(tmp_path / "empty", {"model.py": ""})
    cure = "which has no commit yet; commit something first"
    assert refusal(tmp_path / "empty", name) == f"'{name}' is not a revision of {tmp_path / 'empty'}, {cure}"


# Where there is no repository to work with.


def test_outside_a_repository_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^.*/temporary is in no git repository; change into the one to compare"):
        repository_of(tmp_path / "temporary")


def test_a_repository_without_a_working_tree_is_refused(root: Path, tmp_path: Path) -> None:
    run(tmp_path, "clone", "-q", "--bare", str(root), "bare.git")
    for directory in (tmp_path / "bare.git", root / ".git"):
        with pytest.raises(UsageError, match=r"has no working tree; change into a clone that is not bare"):
            repository_of(directory)


def test_without_git_there_is_a_line_that_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="git is not on the PATH"):
        repository_of(root)


def test_a_repository_of_another_user_is_refused_with_gits_own_cure(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own tests use it
    with pytest.raises(GitError) as caught:
        repository_of(root)
    assert "detected dubious ownership" in str(caught.value)
    assert "git config --global --add safe.directory" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_git_refuses_otherwise_is_one_line_of_its_own(root: Path) -> None:
    run(root, "init", "-q", "without a commit")
    said = refusal(root, WORKTREE)
    assert said.startswith(f"git add failed in {root}: ")
    assert "'without a commit/' does not have a commit checked out; adding files failed" in said
    assert worktrees_of(root) == [root]


def test_without_a_place_for_temporary_files_there_is_a_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/nowhere")
    assert refusal(root, "main").endswith("(Not a directory); set TMPDIR to another place")


def test_what_a_hook_says_about_its_repository_does_not_count(
    root: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(library / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(library))
    monkeypatch.setenv("GIT_INDEX_FILE", str(library / ".git/index"))
    repository = repository_of(root / "package")
    assert repository == Repository(root=root.resolve(), prefix=Path("package"))
    with checked_out(["main", WORKTREE], repository) as (base, head):
        assert files_in(base.root) == files_in(head.root) == files_in(root)


def test_the_users_language_does_not_matter(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANG", "LC_ALL", "LANGUAGE"):
        monkeypatch.setenv(name, "de_DE.UTF-8")
    with pytest.raises(UsageError, match="is in no git repository"):
        repository_of(tmp_path)
    with one(WORKTREE, root) as revision:
        assert files_in(revision.root) == files_in(root)


def test_a_linked_worktree_is_a_working_tree_as_any_other(root: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    run(root, "worktree", "add", "-q", "--detach", str(linked), "v1")
    write(linked, {"model.py": "changed\n"})
    before = state_of(root)
    with checked_out(["main", WORKTREE], repository_of(linked)) as (base, head):
        assert files_in(base.root) == files_in(root)
        assert files_in(head.root) == files_in(linked)
    assert state_of(root) == before


# Nothing is left behind.


def worktrees_of(root: Path) -> list[Path]:
    listed = run(root, "worktree", "list", "--porcelain").splitlines()
    return [Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree ")]


@pytest.fixture(name="nothing_left")
def _nothing_left(root: Path, temporary: Path) -> Callable[[], bool]:
    return lambda: worktrees_of(root) == [root] and list(temporary.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_nothing_is_left_however_the_comparison_ends(
    root: Path, nothing_left: Callable[[], bool], error: type[BaseException]
) -> None:
    def compare() -> None:
        with checked_out(["v1", "main"], repository_of(root)):
            assert len(worktrees_of(root)) == 3
            raise error

    with pytest.raises(error):
        compare()
    assert nothing_left()


def test_nothing_is_left_after_an_interrupt_between_the_two_sides(
    root: Path, nothing_left: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(directory: Path, *arguments: str, **variables: str) -> str:
        if "read-tree" in arguments and directory.parent.name == "1":
            raise KeyboardInterrupt
        return git(directory, *arguments, **variables)

    monkeypatch.setattr(worktrees, "git", interrupt)
    with pytest.raises(KeyboardInterrupt), checked_out(["v1", "main"], repository_of(root)):
        pass
    assert nothing_left()


def test_an_interrupt_waits_until_the_folders_are_gone(
    root: Path, nothing_left: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(directory: Path, *arguments: str) -> str | None:
        os.kill(os.getpid(), signal.SIGINT)
        return ask(directory, *arguments)

    with pytest.raises(KeyboardInterrupt), checked_out(["v1", "main"], repository_of(root)):
        monkeypatch.setattr(worktrees, "ask", interrupted)
    assert nothing_left()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_what_a_run_wrote_and_protected_goes_too(root: Path, nothing_left: Callable[[], bool], tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, {"file": ""})
    outside.chmod(0o500)
    with checked_out(["v1", "main"], repository_of(root)) as (base, _):
        write(base.root, {"cache/deep/file.pyc": "", "model.py": "edited\n"})
        (base.root / "link").symlink_to(outside)
        (base.root / "cache/deep").chmod(0o500)
        (base.root / "cache").chmod(0o000)
        base.root.chmod(0o500)
    assert nothing_left()
    assert (outside / "file").exists()
    assert outside.stat().st_mode & 0o777 == 0o500


def test_a_folder_that_somebody_removed_already_is_no_trouble(root: Path, nothing_left: Callable[[], bool]) -> None:
    with checked_out(["v1", "main"], repository_of(root)) as (base, _):
        shutil.rmtree(base.root)
    assert nothing_left()
    with checked_out(["v1", "main"], repository_of(root)) as (base, _):
        shutil.rmtree(base.root.parents[1])
    assert nothing_left()


HOLD = """
import sys, time
from pathlib import Path
from bench.running.revisions import checked_out, repository_of
with checked_out(["v1", "main"], repository_of(Path(sys.argv[1]))) as (base, head):
    print(base.root, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(name="other")
def _other(root: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Start another comparison in the same repository; give its process and one of its folders."""
    command = [sys.executable, "-c", HOLD, str(root)]
    project = str(Path(worktrees.__file__).parents[2])
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": project},
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().rstrip("\n"))
        process.kill()


Other = tuple[subprocess.Popen[str], Path]


def test_what_a_killed_run_left_goes_with_the_next(root: Path, other: Other, nothing_left: Callable[[], bool]) -> None:
    process, folder = other
    process.kill()
    process.wait()
    assert len(worktrees_of(root)) == 3
    assert folder.exists()
    with checked_out(["v1"], repository_of(root)):
        assert not folder.exists()
        assert len(worktrees_of(root)) == 2
    assert nothing_left()


def test_two_runs_at_once_keep_their_own(root: Path, other: Other, nothing_left: Callable[[], bool]) -> None:
    process, folder = other
    with checked_out(["v1", "main"], repository_of(root)):
        assert files_in(folder)["model.py"] == "one\n"
        assert len(worktrees_of(root)) == 5
    assert files_in(folder)["model.py"] == "one\n"
    process.communicate("")
    assert process.returncode == 0
    assert nothing_left()


def test_the_next_run_forgets_our_folders_that_are_gone_and_nobody_elses(
    root: Path, other: Other, temporary: Path, tmp_path: Path
) -> None:
    process, folder = other
    process.kill()
    process.wait()
    shutil.rmtree(folder.parents[1])
    elsewhere = temporary / f"{worktrees.PREFIX}fedcba98-abcdefgh/0/repository"  # a run on another machine
    unmounted = tmp_path / "disk/mine"
    for path in (elsewhere, unmounted):
        run(root, "worktree", "add", "-q", "--detach", str(path), "v1")
        shutil.rmtree(path.parents[0])
    shutil.rmtree(elsewhere.parents[1])
    with checked_out(["v1"], repository_of(root)):
        pass
    assert set(worktrees_of(root)) == {root, elsewhere, unmounted}


def test_a_repository_in_a_folder_named_as_ours_is_not_taken_for_ours(root: Path, tmp_path: Path) -> None:
    clone = tmp_path / f"{worktrees.PREFIX}01234567-abcdefgh/0/clone"
    linked = tmp_path / f"{worktrees.PREFIX}notes/0/linked"
    run(root, "clone", "-q", ".", str(clone))
    run(clone, "worktree", "add", "-q", "--detach", str(linked), "v1")
    before = [state_of(clone), state_of(linked)]
    with checked_out(["v1"], repository_of(linked)):
        pass
    assert [state_of(clone), state_of(linked)] == before


def test_a_worktree_that_a_person_locked_is_theirs(root: Path, other: Other) -> None:
    process, folder = other
    process.kill()
    process.wait()
    run(root, "worktree", "lock", "--reason", "to look into it", str(folder))
    with checked_out(["v1"], repository_of(root)):
        pass
    assert folder in worktrees_of(root)
    assert files_in(folder)["model.py"] == "one\n"


def test_a_worktree_whose_adding_was_killed_goes_too(
    root: Path, other: Other, nothing_left: Callable[[], bool]
) -> None:
    process, folder = other
    process.kill()
    process.wait()
    run(root, "worktree", "lock", "--reason", "initializing", str(folder))
    with checked_out(["v1"], repository_of(root)):
        pass
    assert nothing_left()


def test_a_folder_of_a_run_that_was_killed_before_its_first_worktree_goes_once_it_is_old(
    root: Path, temporary: Path
) -> None:
    old, young, held = (temporary / f"{worktrees._prefix_here()}{name}" for name in ("old", "young", "held"))
    for folder in (old, young, held):
        folder.mkdir()
        (folder / "lock").touch()
        if folder != young:
            os.utime(folder, (0, 0))
    with (held / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        worktrees.remove_abandoned(root)
    assert [folder.exists() for folder in (old, young, held)] == [False, True, True]
