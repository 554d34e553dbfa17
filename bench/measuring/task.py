"""What the parent orders from a worker, and what a rank answers: one JSON file each."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from bench.case import Case
from bench.result import Measurement, Status

TASK_FILE = "task.json"


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
    ordered_at_ns: int = 0
    """`time.monotonic_ns` of the parent, which on one machine is the workers' too."""
    with_extras: bool = False
    """Whether to spend extra steps on what is the same every time: memory on the CPU, counters, the check."""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    working_directory: str = "."


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
