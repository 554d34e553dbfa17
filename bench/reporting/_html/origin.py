"""Which run a page is of: machine, time, label, commit, environment, and the command that makes it again."""

import dataclasses
import datetime
import shlex
from collections.abc import Mapping, Sequence

from bench.fingerprint import hard_keys, machine, soft_keys
from bench.reporting._terminal import program
from bench.result import Environment, Plan
from bench.results.frame import Run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """Everything that tells one run from another."""

    machine: str
    summary: tuple[str, ...]
    """Short statements for one line."""
    hard: Mapping[str, str]
    """What must be equal before times may be compared."""
    soft: Mapping[str, str]
    command: str
    """For a shell; empty: not known."""
    resume: str
    """The same, to continue this run."""
    leaves_out: bool
    """Whether the command is without the --out that the run was given."""


def origin(run: Run) -> Origin:
    """Return the origin of *run*."""
    plan = run.plan
    command = _without_out(plan.command)
    place = _machine(plan.environment)
    said = (
        place,
        _time(plan.started_at),
        plan.label,
        f"suite {plan.suite}" if plan.suite else "",
        f"commit {plan.commit}" if plan.commit else "",
    )
    return Origin(
        machine=place,
        summary=tuple(words for words in said if words),
        hard=_present(hard_keys(plan.environment)),
        soft=_present(soft_keys(plan.environment)),
        command=_command(plan, command),
        resume=shlex.join([*program(), "--resume", str(run.directory)]) if run.directory else "",
        leaves_out=len(command) < len(plan.command),
    )


def _machine(environment: Environment) -> str:
    """Return the accelerators, or the processor where there are none, and the name of the host."""
    what = machine(environment) or "unknown processor"
    host = environment.soft.get("hostname")
    return f"{what} ({host})" if host else what


def _time(started_at: str) -> str:
    """Return an ISO 8601 time to the minute, or as it is where it is none."""
    try:
        return datetime.datetime.fromisoformat(started_at).astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return started_at


def _present(keys: Mapping[str, str]) -> Mapping[str, str]:
    return {key: value for key, value in keys.items() if value}


def _command(plan: Plan, words: Sequence[str]) -> str:
    if not words:
        return ""
    line = shlex.join(["python", *words] if words[0].endswith(".py") else words)
    return f"cd {shlex.quote(plan.working_directory)} && {line}" if plan.working_directory else line


def _without_out(words: Sequence[str]) -> list[str]:
    """Return a command line without --out, whose directory holds a run by now and would be refused."""
    kept: list[str] = []
    skips_next = False
    for word in words:
        if skips_next:
            skips_next = False
        elif word == "--out":
            skips_next = True
        elif not word.startswith("--out="):
            kept.append(word)
    return kept
