"""What a revision may be called, and what to do where git knows none of that name."""

import re
from collections.abc import Sequence
from pathlib import Path

from bench.errors import UsageError, nearest
from bench.running.git import ask

WORKTREE = "worktree"
"""Stands for the working tree as it is, uncommitted changes included; a branch of that name is `heads/worktree`."""
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PART_OF_HASH = re.compile(r"[0-9a-f]{7,}")
_PLAIN_NAME = re.compile(r"\w[\w./+-]*")
"""Of a branch or a tag, without the ~, ^, : and @ of an expression."""


def commit_named(name: str, root: Path) -> str:
    """
    Return the whole hash of the commit that *name* stands for in the repository at *root*; for WORKTREE that of HEAD.

    Raises:
        UsageError: If it stands for none; says how to get it.
    """
    asked = "HEAD" if name == WORKTREE else name
    # No revision begins with a dash, and git would take it for an option.
    found = "" if asked.startswith("-") else ask(root, "rev-parse", "--verify", asked) or ""
    if _HASH.fullmatch(found):  # "^main" gives one with a ^, which means all but that
        if commit := ask(root, "rev-parse", "--verify", f"{found}^{{commit}}"):
            return commit
        if kind := ask(root, "cat-file", "-t", found):
            raise UsageError(f"'{name}' is a {kind} of {root}, not a commit; give a commit, a branch or a tag")
    raise UsageError(f"'{name}' is not a revision of {root}{_cure_for(name, root)}")


def _cure_for(name: str, root: Path) -> str:
    """Return the rest of the line for a *name* that git does not know."""
    kinds = ("refs/heads", "refs/tags", "refs/remotes")
    known = (ask(root, "for-each-ref", "--format=%(refname:short)", *kinds) or "").split()
    if ask(root, "rev-parse", "--verify", "HEAD") is None and (name in ("HEAD", WORKTREE) or not known):
        return ", which has no commit yet; commit something first"
    remotes = (ask(root, "remote") or "").split()
    if ask(root, "rev-parse", "--is-shallow-repository") == "true":  # a near name may well be another branch
        fetch = _fetch_of(name, remotes, "--depth=1 ") or "git fetch --unshallow"
        return f", a shallow clone, which may lack it; {fetch} brings it (in actions/checkout: fetch-depth: 0)"
    if near := nearest(name, [*known, WORKTREE]):
        return f"; did you mean '{near}'?"
    if remotes and (command := _fetch_of(name, remotes)):
        return f"; {command} may bring it"
    return "; give a commit, a branch or a tag"


def _fetch_of(name: str, remotes: Sequence[str], depth: str = "") -> str | None:
    """Return the command that brings *name* from a remote that has it; None: there is none for such an expression."""
    if not _PLAIN_NAME.fullmatch(name):
        return None
    for remote in remotes:
        if name.startswith(f"{remote}/"):
            return f"git fetch {depth}{remote} {name.removeprefix(f'{remote}/')}:refs/remotes/{name}"
    remote = "origin" if "origin" in remotes or not remotes else remotes[0]
    if _HASH.fullmatch(name):
        return f"git fetch {depth}{remote} {name}"
    if _PART_OF_HASH.fullmatch(name):  # a remote gives commits by their whole hash only
        return None
    return f"git fetch {depth}{remote} " + (f"tag {name}" if re.match(r"v?\d", name) else f"{name}:{name}")
