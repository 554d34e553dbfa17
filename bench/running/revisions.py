"""Revisions of a repository side by side, each with its files in a folder of its own; the user's stay untouched."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.errors import UsageError
from bench.running.git import GitError, git
from bench.running.revision_names import WORKTREE, commit_named
from bench.running.snapshot import Source, commit_of_tree, fill_submodules, source_at, tree_of_files
from bench.running.worktrees import add_worktree, folder_for_worktrees, remove_abandoned

__all__ = ["WORKTREE", "Repository", "Revision", "checked_out", "repository_of"]

SHORT = 9
"""Letters of a hash for a person to read, as many as in a run's name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Revision:
    """One side's files."""

    name: str
    """As it was given."""
    commit: str
    """Short; for WORKTREE that of HEAD, with "+changes" if anything differs from it."""
    root: Path
    """Of its worktree, absolute."""
    directory: Path
    """Where the user's current directory lies in it; the revision may lack that folder."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repository:
    """The user's working tree."""

    root: Path
    """Absolute, without symbolic links."""
    prefix: Path
    """Of the current directory in it."""


def repository_of(directory: Path) -> Repository:
    """
    Return the repository around *directory*, whatever variables git may have set for a hook.

    Raises:
        UsageError: If there is none, or none with a working tree, or no git.
        GitError: If git refuses, as it does in a folder of another user.
    """
    try:
        root = Path(git(directory, "rev-parse", "--show-toplevel"))
        return Repository(root=root, prefix=directory.resolve().relative_to(root))
    except GitError as error:
        if "not a git repository (or any" in str(error):
            raise UsageError(
                f"{directory} is in no git repository; change into the one to compare revisions of"
            ) from None
        if "must be run in a work tree" not in str(error):
            raise
    except ValueError:  # from inside of a submodule's git directory, git finds the working tree elsewhere
        pass
    raise UsageError(f"{directory} has no working tree; change into a clone that is not bare, and out of its .git")


@contextlib.contextmanager
def checked_out(names: Sequence[str], repository: Repository) -> Iterator[list[Revision]]:
    """
    Give each of the *names* a folder with all its files: a worktree of git's, with submodules filled and hooks not run.

    The folders are gone afterwards; those of a run that was killed go when the next begins. A SIGTERM kills unless it
    is raised, as `session.interrupts_raised` does.

    Raises:
        UsageError: If a name is no revision, or a submodule's commit is missing.
        GitError: If git refuses.
    """
    remove_abandoned(repository.root)
    commits = [commit_named(name, repository.root) for name in names]
    with folder_for_worktrees(repository.root) as folder:
        source = source_at(repository.root)
        snapshot = _snapshot(source, commits[names.index(WORKTREE)], folder) if WORKTREE in names else ""
        revisions = []
        for index, (name, commit) in enumerate(zip(names, commits, strict=True)):
            # Of the same name as the user's: a root that is a package is imported by it.
            root = folder / str(index) / (repository.root.name or "root")
            files = snapshot if name == WORKTREE else commit
            add_worktree(repository.root, root, files)
            is_changed = fill_submodules(source, files, root, folder, as_they_are=name == WORKTREE) or files != commit
            short = commit[:SHORT] + ("+changes" if is_changed else "")
            revisions.append(Revision(name=name, commit=short, root=root, directory=root / repository.prefix))
        yield revisions


def _snapshot(source: Source, head: str, scratch: Path) -> str:
    """Return a commit of the working tree, which is *head* if nothing differs from it."""
    tree = tree_of_files(source, scratch)
    if tree == git(source.directory, "rev-parse", "--verify", f"{head}^{{tree}}"):
        return head
    return commit_of_tree(source.directory, tree, head)
