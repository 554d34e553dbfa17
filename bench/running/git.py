"""Git, called as a program: in the directory that is named, in English, and without hooks, prompts or daemons."""

import os
import re
import subprocess
from pathlib import Path

from bench.errors import BenchError, UsageError

_SETTINGS = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",  # the daemon that it starts would outlive the call
    "core.splitIndex=false",  # else an index of ours keeps half of itself beside the user's
    "core.safecrlf=false",  # a warning about line ends is no reason not to look at a file
    "submodule.recurse=false",  # submodules are filled without their own .git, which recursion would write
)
_SCRUBBED = re.compile(
    r"GIT_(DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|PREFIX|NAMESPACE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES"
    r"|QUARANTINE_PATH|GRAFT_FILE|SHALLOW_FILE|IMPLICIT_WORK_TREE|INTERNAL_SUPER_PREFIX|(LITERAL|GLOB|NOGLOB|ICASE)_PATHSPECS)"
)
"""
What git tells its hooks of the repository at work, by which every git below them would mean that one, and what changes
the meaning of a path. Variables that hold settings (GIT_CONFIG_*: a safe.directory in CI) are the user's, and stay.
"""
_COMPLAINT = re.compile(r"(?:error|fatal): (.+)")


class GitError(BenchError):
    """Git refused, for a reason that nobody foresaw; the text holds what it said."""


def git(directory: Path, *arguments: str, **variables: str) -> str:
    """
    Return what git prints in *directory*, less the newline at its end.

    Args:
        directory: Where git should run; the repository around it is the one that is meant.
        arguments: Of git, beginning with the subcommand.
        variables: To add to the environment.

    Raises:
        GitError: If git fails.
        UsageError: If there is no git.
    """
    ended = _run(directory, arguments, variables)
    if ended.returncode:
        raise GitError(f"git {arguments[0]} failed in {directory}: {_complaint_of(ended)}")
    return _text_of(ended)


def ask(directory: Path, *arguments: str, **variables: str) -> str | None:
    """Return what `git` returns; None: git failed, as it does where it looks something up in vain."""
    ended = _run(directory, arguments, variables)
    return None if ended.returncode else _text_of(ended)


def _run(directory: Path, arguments: tuple[str, ...], variables: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    kept = {name: value for name, value in os.environ.items() if not _SCRUBBED.fullmatch(name)}
    # GIT_OPTIONAL_LOCKS: git would refresh the user's index while it looks.
    ours = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        return subprocess.run(
            ["git", "-C", str(directory), *settings, *arguments],
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env={**kept, **ours, **variables},
        )
    except FileNotFoundError:
        raise UsageError("git is not on the PATH; install it, revisions are compared with its help") from None
    except OSError as error:
        raise GitError(f"git cannot be started ({error.strerror})") from None


def _text_of(ended: subprocess.CompletedProcess[bytes]) -> str:
    return os.fsdecode(ended.stdout).removesuffix("\n")  # paths need not be text


def _complaint_of(ended: subprocess.CompletedProcess[bytes]) -> str:
    """Return in one line why git failed, without its hints and its progress."""
    lines = [line.strip() for line in ended.stderr.decode(errors="replace").splitlines() if line.strip()]
    complaints = [found[1] for line in lines if (found := _COMPLAINT.match(line))]
    if complaints and "safe.directory" in lines[-1]:
        complaints.append(f"{lines[-1]} allows it")
    # The last complaint alone may be as little as "adding files failed".
    return "; ".join(complaints[-2:] or lines[-1:]) or f"it ended with {ended.returncode} and no word"
