"""What the person asked for, checked: every mistake in an option is found before anything is started."""

import argparse
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import suite
from bench.commands import _axes, _options
from bench.errors import UsageError
from bench.result import Environment, SamplingPlan
from bench.running.server import StartMethod
from bench.suite import AxisValues, Suite

CPU_BUDGET_SECONDS, ACCELERATOR_BUDGET_SECONDS = 90.0, 600.0
"""An accelerator warms up for two seconds in each worker; a built-in CPU case takes half a second in all."""

PLAN_OPTIONS = (
    *("suite", *_axes.TEXT_AXES, *_axes.NUMBER_AXES),
    *("rounds", "target", "timeout", "compile_timeout", "peak_tflops", "seed"),
)
"""What a resumed run's plan could contradict; a budget is added to it instead."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What the person asked for."""

    chosen_suite: Suite
    axes: AxisValues
    sampling: Callable[[Environment], SamplingPlan]
    """The plan depends on whether there is an accelerator, which is only known once a worker has looked."""
    peak_tflops: Mapping[str, float]
    """Number format to the dense rate of one device, where it was given."""
    num_servers: int
    seed: int
    label: str
    formats: Sequence[str]
    figure_formats: Sequence[str]
    directory: Path | None
    resume: Path | None
    has_plan_options: bool
    """Whether anything was given that a resumed run's plan could contradict."""
    added_seconds: float | None
    """What --budget adds to a run that is resumed."""
    names_suite: bool
    """Whether the suite was named; a resumed run's is meant otherwise."""
    start_method: StartMethod | None
    history_url: str | None
    """Of the history that the run is added to; empty: the usual one; None: it is not added."""
    quiet: bool
    verbose: bool
    started: float
    """`time.monotonic` at the program's start: the budget counts from there."""


def request_from(options: argparse.Namespace) -> Request:
    """
    Return the request that the command line makes.

    Raises:
        UsageError: If a value is not known, a file is not there, or two options contradict each other; one line.
    """
    started = time.monotonic()
    axes = _axes.values_from(options)
    chosen = suite.load(options.suite or "default")
    if options.resume is not None and options.out is not None:
        raise UsageError("--out cannot stand beside --resume; a resumed run stays in its directory")
    formats, figure_formats = _options.checked_formats(options)
    history_url = options.db or ("" if options.history else None)
    if history_url is not None:
        _check_history(history_url)
    return Request(
        chosen_suite=chosen,
        axes=axes,
        sampling=lambda environment: _sampling(options, chosen, environment),
        peak_tflops=dict(options.peak_tflops or ()),
        num_servers=_num_servers(options),
        seed=options.seed or 0,
        label=options.label,
        formats=formats,
        figure_formats=figure_formats,
        directory=options.out,
        resume=options.resume,
        has_plan_options=any(getattr(options, name) is not None for name in PLAN_OPTIONS),
        start_method=options.start_method,
        history_url=history_url,
        quiet=options.quiet,
        verbose=options.verbose,
        added_seconds=options.budget if options.resume is not None else None,
        names_suite=options.suite is not None,
        started=started,
    )


def _check_history(url: str) -> None:
    """Open it once: nobody wants to hear after ten minutes that it cannot be written."""
    from bench.commands._history import usual_url  # noqa: PLC0415 (SQLAlchemy, which few runs need)
    from bench.history.store import Store  # noqa: PLC0415

    Store(url or usual_url()).close()


def _sampling(options: argparse.Namespace, chosen: Suite, environment: Environment) -> SamplingPlan:
    usual = ACCELERATOR_BUDGET_SECONDS if environment.devices else CPU_BUDGET_SECONDS
    given = {
        "rounds": options.rounds,
        "budget_seconds": options.budget or chosen.budget_seconds or usual,
        "target_ratio": options.target,
        "timeout_seconds": options.timeout,
        "compile_timeout_seconds": options.compile_timeout,
        "num_servers": _num_servers(options),
    }
    return SamplingPlan(**{name: value for name, value in given.items() if value is not None})


def _num_servers(options: argparse.Namespace) -> int:
    """Return how many fork servers the rounds can be spread over."""
    usual = SamplingPlan().num_servers
    return min(usual, options.rounds) if options.rounds else usual
