"""Runs the suite's own gate on two revisions of the slowed workload, through the program, and reads its answer."""

import dataclasses
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.record import from_plain
from bench.statistics import Interval
from tests.peers import tools
from tests.studies import slowed

PROGRAM = tools.ROOT / "run_bench.py"
AXES = ("--device", "cpu", "--strategy", "single", "--precision", "fp32")
DIRECTORIES = re.compile(r"(?<![\w.])/(?:[\w.@+-]+/)+")
"""Of an absolute path; what is kept of a run names no place of the machine."""
ERROR_LINES = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """A case in the answer."""

    label: str
    ratio: Interval | None = None
    verdict: str | None = None
    why: str = ""
    changes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What the gate said; the names are those of its JSON."""

    exit_status: int
    wall_seconds: float
    rows: tuple[Judged, ...] = ()
    failures: tuple[str, ...] = ()
    """The sentences, one a reason to fail."""
    error: str = ""
    """The last lines of standard error, where there was no answer to read."""


def ask(folder: Path, head: str, functions: Sequence[str], *, fail_on: str | None, seed: int) -> Answer:
    """
    Hold the revision *head* against the base, in a repository that is made in the empty *folder*.

    Raises:
        ToolError: If it takes for ever. Whatever ends this function early ends the command too.
    """
    repository = folder / "repository"
    slowed.make_repository(repository)
    workloads = ",".join(f"{slowed.WORKLOAD_FILE}:{function}" for function in functions)
    command = [
        sys.executable,
        str(PROGRAM),
        "ab",
        "--base",
        slowed.BASE,
        "--head",
        head,
        "--workload",
        workloads,
        *AXES,
    ]
    # Of data and parameters, which must not be the same in every repeat.
    command += ["--format", "json", "--out", str(folder / "run"), "--seed", str(seed), "--quiet"]
    command += ["--fail-on", fail_on] if fail_on else []
    command += ["--counters-only"] if fail_on and "slower" not in fail_on else []
    output, errors = folder / "output", folder / "errors"
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        status, seconds = tools.run_anyhow(command, repository, stdout, stderr)
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in (output, errors)]
    return answer_of(status, seconds, *texts)


def answer_of(status: int, seconds: float, output: str, errors: str) -> Answer:
    """Return what the program wrote as an answer; one without rows where it wrote none."""
    try:
        document = json.loads(output)
    except ValueError:
        last = [*errors.strip().splitlines(), f"exit status {status}"][-ERROR_LINES:]
        return Answer(exit_status=status, wall_seconds=seconds, error=without_directories(" / ".join(last)))
    return Answer(
        exit_status=status,
        wall_seconds=seconds,
        rows=tuple(map(_judged, document["rows"])),
        failures=tuple(without_directories(failure["reason"]) for failure in document["failures"]),
    )


def _judged(row: Mapping[str, Any]) -> Judged:
    changes = tuple(f"{change['name']} {change['now'] - change['before']:+,}" for change in row.get("changes", ()))
    ratio = row.get("ratio")
    return Judged(
        label=row["label"],
        ratio=None if ratio is None else from_plain(Interval, ratio),
        verdict=row.get("verdict"),
        why=without_directories(row.get("why") or ""),
        changes=changes,
        flags=tuple(row.get("flags", ())),
    )


def without_directories(text: str) -> str:
    """Return *text* with the names of files alone where it has absolute paths."""
    return DIRECTORIES.sub("", text)
