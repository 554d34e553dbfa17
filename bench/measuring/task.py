"""What the parent orders from a worker, and what a rank answers: one JSON file each."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.case import Case
from bench.result import Measurement, Status

TASK_FILE = "task.json"


COMPILING_FILE = "compiling.json"
"""What rank 0 of a compiled case writes: when it began to compile and, later, when it was done."""
COMPILED_FOLDER = "compiled"
"""Beside the servers' folders: holds a folder a case, which its rounds share."""


def answer_file(rank: int) -> str:
    """Return the name of the file that a rank leaves."""
    return f"rank{rank}.json"


def log_file(rank: int) -> str:
    """Return the name of the file that a rank's output goes to."""
    return f"rank{rank}.log"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One order to one worker, read by each of its ranks."""

    case: Case | None = None
    """What to measure."""
    function: str | None = None
    """What to call instead where there is no case, as ``module:function``; its answer is `Answer.seen`."""
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Keywords for `function`."""
    checkout: "Checkout | None" = None
    """Where the workload's code comes from, where that is not the user's working tree."""
    turns_at: str = ""
    """The socket on which rank 0 hears when it is its turn; empty: an ordinary visit."""
    alternates: tuple[Case, ...] = ()
    """Further cases that take turns with `case` in the same process."""
    num_processes: int = 1
    num_threads: int = 1
    deadline_seconds: float = 30.0
    """Compilation does not count."""
    compile_timeout_seconds: float = 0.0
    """What a compiled case may take for it; 0: nothing is compiled."""
    imports: tuple[str, ...] = ()
    """Modules that the fork server imports first, where it has not."""
    ordered_at_ns: int = 0
    """`time.monotonic_ns` of the parent, which on one machine is the workers' too."""
    layout_seed: int = 0
    """Of where its memory lies; the same for what is held against each other."""
    with_extras: bool = False
    """Whether to spend extra steps on what is the same every time: memory on the CPU, counters, the check."""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    working_directory: str = "."

    def limit(self, directory: Path) -> "Limit":
        """
        Return until when the workers may go on, which depends on whether they are compiling.

        The deadline counts from the order, and once more from the end of compilation; in between compilation has its
        own. So a visit takes `longest_seconds` at most, whatever the workers write.

        Args:
            directory: Of the visit.
        """
        began_ns, done_ns = _compiling(directory) if self.compile_timeout_seconds else (None, None)
        if began_ns is None:
            return Limit(end_ns=self.ordered_at_ns + round(1e9 * self.deadline_seconds), is_compiling=False)
        if done_ns is None:
            return Limit(end_ns=began_ns + round(1e9 * self.compile_timeout_seconds), is_compiling=True)
        return Limit(end_ns=done_ns + round(1e9 * self.deadline_seconds), is_compiling=False)

    @property
    def longest_seconds(self) -> float:
        """After which its workers have ended."""
        return self.deadline_seconds * (2 if self.compile_timeout_seconds else 1) + self.compile_timeout_seconds


IN_WORKER = "STEPBENCH_IN_WORKER"
"""The variable that says to the code of others that it runs in a worker."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkout:
    """One side of a comparison of two revisions."""

    root: str
    """Of the revision's files."""
    working_tree: str
    """The user's, of which nothing may be imported."""
    is_installed: bool = False
    """Whether the side has an environment of its own, in which its packages are found before its folders are."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limit:
    """Until when, by `time.monotonic_ns`, and for what."""

    end_ns: int
    is_compiling: bool


def mark_compiling(directory: Path, *moments_ns: int) -> None:
    """Write down when compilation began and, with a second moment, when it ended."""
    draft = directory / f"{COMPILING_FILE}.draft"
    draft.write_text(json.dumps(moments_ns), encoding="ascii")
    draft.replace(directory / COMPILING_FILE)


def _compiling(directory: Path) -> tuple[int | None, int | None]:
    try:
        moments_ns = json.loads((directory / COMPILING_FILE).read_text(encoding="ascii"))
        began_ns, done_ns = (int(moment) for moment in (*moments_ns, 0)[:2])
    except (OSError, ValueError, TypeError):  # not begun yet, or a user's code wrote a file of that name
        return None, None
    return began_ns, done_ns or None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What one rank left behind."""

    status: Status
    message: str | None = None
    failed_at_ns: int | None = None
    """When it failed, to tell the rank that failed first from those that lost their peer."""
    measurement: Measurement | None = None
    """Rank 0's, where all went well."""
    seen: Mapping[str, Any] | None = None
    """What the task's function returned."""
