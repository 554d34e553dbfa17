"""What the parent orders from a worker, and what a rank answers: one JSON file each."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.case import Case
from bench.result import Measurement, Status

TASK_FILE = "task.json"


COMPILED_FILE = "compiled"
"""What rank 0 writes whenever it has compiled something: the monotonic nanosecond from which the deadline counts."""


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
    num_processes: int = 1
    num_threads: int = 1
    deadline_seconds: float = 30.0
    """Compilation does not count."""
    compile_timeout_seconds: float = 0.0
    """What the first step of a compiled case may take before the deadline begins; 0: nothing is compiled."""
    imports: tuple[str, ...] = ()
    """Modules that the fork server imports first, where it has not."""
    ordered_at_ns: int = 0
    """`time.monotonic_ns` of the parent, which on one machine is the workers' too."""
    with_extras: bool = False
    """Whether to spend extra steps on what is the same every time: memory on the CPU, counters, the check."""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    working_directory: str = "."

    def deadline_ns(self, directory: Path) -> int:
        """
        Return when its workers must be done, by `time.monotonic_ns`; later whenever they have compiled something.

        Args:
            directory: Of the visit.
        """
        if compiled_at_ns := _compiled_at_ns(directory):
            return compiled_at_ns + round(1e9 * self.deadline_seconds)
        return self.ordered_at_ns + round(1e9 * max(self.deadline_seconds, self.compile_timeout_seconds))


def mark_compiled(directory: Path, now_ns: int) -> None:
    """Let the deadline of the visit in *directory* begin at *now_ns*."""
    draft = directory / f"{COMPILED_FILE}.draft"
    draft.write_text(str(now_ns), encoding="ascii")
    draft.replace(directory / COMPILED_FILE)


def _compiled_at_ns(directory: Path) -> int | None:
    try:
        return int((directory / COMPILED_FILE).read_text(encoding="ascii"))
    except (OSError, ValueError):  # nothing was compiled, or a user's code wrote a file of that name
        return None


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
