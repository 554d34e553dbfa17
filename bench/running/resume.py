"""Continue a run: the plan in its journal is the plan, and anything that differs from it is refused by name."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.fingerprint import differences
from bench.peaks import TERA
from bench.result import Environment, Plan
from bench.running import journal
from bench.running.journal import Journal

_OPTIONS = {
    "rounds": "--rounds",
    "target_ratio": "--target",
    "timeout_seconds": "--timeout",
    "compile_timeout_seconds": "--compile-timeout",
}
"""Fields of the sampling plan that a person asks for; a budget may be added to."""


def reopen(directory: Path) -> Journal:
    """
    Read the journal of the run in *directory*.

    Raises:
        UsageError: If *directory* holds no run.
        JournalError: If its journal is damaged.
    """
    path = directory / journal.FILE_NAME
    if not path.is_file():
        raise UsageError(f"--resume '{directory}' holds no {journal.FILE_NAME}; give the directory of a run")
    return journal.read(path)


def refuse_other_plan(stored: Plan, asked: Plan, directory: Path) -> None:
    """Raise a UsageError that names the first difference between the *stored* plan and what is *asked*."""
    for name, before, now in _plan_differences(stored, asked):
        raise UsageError(
            f"--resume '{directory}': {name} was {before} and is now {now}; leave the options out to continue it, "
            "or start a new one"
        )


def refuse_other_machine(stored: Environment, here: Environment, directory: Path) -> None:
    """Raise a UsageError that names the first hard key in which this machine differs from the run's."""
    for difference in differences(stored, here):
        if difference.is_hard:
            raise UsageError(f"--resume '{directory}': {difference}; times would not be comparable, start a new run")


def _plan_differences(stored: Plan, asked: Plan) -> Iterator[tuple[str, Any, Any]]:
    before, now = ({case.id: case.slug for case in plan.cases} for plan in (stored, asked))
    missing = [slug for case_id, slug in before.items() if case_id not in now]
    added = [slug for case_id, slug in now.items() if case_id not in before]
    if missing or added:
        yield "the matrix", _shown(missing, "without that"), _shown(added, "without that")
    if asked.environment.given_flops_per_second != stored.environment.given_flops_per_second:
        yield "--peak-tflops", _rates(stored.environment), _rates(asked.environment)
    if stored.seed != asked.seed:
        yield "--seed", stored.seed, asked.seed
    before_sampling, now_sampling = dataclasses.asdict(stored.sampling), dataclasses.asdict(asked.sampling)
    for field, option in _OPTIONS.items():
        if before_sampling[field] != now_sampling[field]:
            yield option, before_sampling[field], now_sampling[field]


def _rates(environment: Environment) -> str:
    rates = environment.given_flops_per_second
    return ",".join(f"{name}={rate / TERA:g}" for name, rate in rates.items()) or "not given"


def _shown(slugs: list[str], otherwise: str) -> str:
    few = ", ".join(slugs[:2])
    return f"{few} and {len(slugs) - 2} more" if len(slugs) > 2 else few or otherwise  # noqa: PLR2004 (two fit a line)
