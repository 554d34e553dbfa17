"""What the parent orders from a worker, and what a rank answers: one JSON file each."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

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

    kind: Literal["measure", "probe"]
    case: Case | None = None
    """None: for a probe."""
    num_processes: int = 1
    num_threads: int = 1
    deadline_seconds: float = 30.0
    ordered_at_ns: int = 0
    """`time.monotonic_ns` of the parent, which on one machine is the workers' too."""
    with_memory: bool = False
    """Whether to spend an extra profiled step on the CPU's allocation peak, which is the same every time."""
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
    probe: Mapping[str, Any] | None = None
