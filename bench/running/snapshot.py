"""The working tree as it is, and submodules as a tree names them, taken from what git has on the disk already."""

import contextlib
import dataclasses
import glob
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.errors import UsageError
from bench.running.git import ask, git
from bench.running.worktrees import PREFIX

_GITLINK = "160000"
"""The mode of a submodule's entry in a tree."""
_NOBODY = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "stepbench"), ("EMAIL", "stepbench@localhost"))
}
"""Where nobody has told git a name, it refuses to commit."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Where a repository's files come from."""

    git_dir: Path
    directory: Path
    """Its working tree; need not exist where only the git directory is left of a submodule."""


def source_at(directory: Path) -> Source:
    """Return the source for the repository whose working tree begins at *directory*."""
    return Source(git_dir=Path(git(directory, "rev-parse", "--absolute-git-dir")), directory=directory)


def tree_of_files(source: Source, scratch: Path) -> str:
    """
    Return a tree of all files in the working tree that git does not ignore, changed and untracked ones included.

    Files that a sparse checkout leaves out are in it as the index has them. Nothing of the user's changes but that git
    knows the contents, which belong to no commit, branch or stash.

    Args:
        source: The repository.
        scratch: A folder for temporary files.
    """
    with _temporary_index(scratch) as variables:
        index = Path(variables["GIT_INDEX_FILE"])
        with contextlib.suppress(FileNotFoundError):  # after `git clone --no-checkout`
            # With its time, by which git tells whether a file may have changed since within the same second.
            shutil.copy2(source.directory / git(source.directory, "rev-parse", "--git-path", "index"), index)
        git(source.directory, "add", "--all", "--", ".", *_all_but(scratch, source.directory), **variables)
        return git(source.directory, "write-tree", **variables)


def commit_of_tree(directory: Path, tree: str, parent: str) -> str:
    """Return a commit of *tree* that no branch knows."""
    said = ("-m", "Snapshot of the working tree by stepbench")
    return git(directory, "commit-tree", "-p", parent, *said, tree, **_NOBODY)


def fill_submodules(source: Source, tree: str, target: Path, scratch: Path, *, as_they_are: bool) -> bool:
    """
    Fill the submodules of *tree*, which is checked out at *target*, and theirs; tell whether any is not as committed.

    With *as_they_are* they get the files of the user's working tree, not those of the commits that *tree* names.

    Raises:
        UsageError: If a commit is nowhere on the disk; nothing is fetched.
    """
    is_changed = False
    for path, commit in _gitlinks(source, tree):
        directory, files = source.directory / path, commit
        if not as_they_are:
            submodule = _submodule_with(commit, path, tree, source)
        elif not _is_checked_out(directory):
            continue  # it is empty there too
        else:
            submodule = source_at(directory)
            files = tree_of_files(submodule, scratch)
            is_changed |= files != ask(directory, "rev-parse", "--verify", f"{commit}^{{tree}}")
        _check_out(submodule, files, target / path, scratch)
        is_changed |= fill_submodules(submodule, files, target / path, scratch, as_they_are=as_they_are)
    return is_changed


def _is_checked_out(directory: Path) -> bool:
    return (directory / ".git").exists()  # without one, git would take the repository around it


def _gitlinks(source: Source, tree: str) -> list[tuple[str, str]]:
    """Return path and commit of each submodule in *tree*."""
    listed = git(source.git_dir, "ls-tree", "-r", "-z", "--full-tree", tree, GIT_DIR=str(source.git_dir))
    entries = [entry.partition("\t") for entry in listed.split("\0")]
    return [(path, what.split()[2]) for what, _, path in entries if what.startswith(_GITLINK)]


def _submodule_with(commit: str, path: str, tree: str, source: Source) -> Source:
    """Return the submodule at *path* if its *commit* is there, checked out now or at some time before."""
    directory = source.directory / path
    found = [source_at(directory)] if _is_checked_out(directory) else []
    found += [Source(git_dir=git_dir, directory=directory) for git_dir in _kept_git_dirs(path, tree, source)]
    for submodule in found:
        if ask(submodule.git_dir, "cat-file", "-e", f"{commit}^{{commit}}", GIT_DIR=str(submodule.git_dir)) is not None:
            return submodule
    cure = "git submodule update --init --recursive"
    if _is_checked_out(directory):
        cure += f", or git -C {shlex.quote(str(directory))} fetch origin {commit}"
    raise UsageError(f"submodule '{path}' of {source.directory} has no commit {commit[:9]}, which is needed; {cure}")


def _kept_git_dirs(path: str, tree: str, source: Source) -> list[Path]:
    """Return where git keeps the submodule that *tree* has at *path* after it was moved, removed or emptied."""
    asked = ("config", "-z", "--blob", f"{tree}:.gitmodules", "--get-regexp", r"^submodule\..*\.path$")
    listed = ask(source.git_dir, *asked, GIT_DIR=str(source.git_dir)) or ""
    pairs = [entry.partition("\n") for entry in listed.split("\0")]
    names = [key.removeprefix("submodule.").removesuffix(".path") for key, _, value in pairs if value == path]
    common = source.git_dir / git(source.git_dir, "rev-parse", "--git-common-dir", GIT_DIR=str(source.git_dir))
    kept = [common / "modules" / name for name in names if ".." not in Path(name).parts]
    return [git_dir for git_dir in kept if git_dir.is_dir()]


def _check_out(source: Source, tree: str, target: Path, scratch: Path) -> None:
    """Write the files of *tree* to *target*, which gets no .git of its own."""
    target.mkdir(parents=True, exist_ok=True)
    with _temporary_index(scratch) as variables:
        places = {"GIT_DIR": str(source.git_dir), "GIT_WORK_TREE": str(target)}
        git(target, "-c", "core.sparseCheckout=false", "read-tree", "--reset", "-u", tree, **variables, **places)


@contextlib.contextmanager
def _temporary_index(scratch: Path) -> Iterator[dict[str, str]]:
    """Give the variable that makes git use an index of its own, which is not there yet."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        yield {"GIT_INDEX_FILE": str(Path(folder, "index"))}


def _all_but(scratch: Path, directory: Path) -> list[str]:
    """Return the pathspec that leaves out our folders, should those for temporary files be in the working tree."""
    if not scratch.is_relative_to(directory):
        return []
    folders = Path(glob.escape(str(scratch.parent.relative_to(directory))), f"{PREFIX}*")
    return [f":(exclude,top){folders}"]
