"""What `run` does once its options are known to be good: workers, rounds, reports."""

import contextlib
import dataclasses
import datetime
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import suite
from bench.case import Case
from bench.commands._attained import attained
from bench.commands._destination import make_directory, usual_directory
from bench.commands._progress import Progress
from bench.commands._report import EXIT_NOTHING, Ending, exit_status_of, report
from bench.commands._request import Request
from bench.errors import BenchError, UsageError
from bench.flags import TAKEN_SHARE
from bench.peaks import TERA
from bench.precisions import PRECISIONS
from bench.result import CaseResult, Environment, Plan
from bench.running import machine, resume
from bench.running.journal import FILE_NAME, Journal, JournalWriter
from bench.running.matrix import PlannedCase, expand, judge
from bench.running.pool import CallError, Place, Pool, usual_start_method
from bench.running.session import Interrupted, interrupts_raised, run_rounds

REPORT_SECONDS = 6.0
"""Imports of pandas and matplotlib, up to seven figures and the page, measured on two cores."""
ATTEMPTS = 3
"""To measure what the CPU attains while no other program takes it."""
COMPILE_SECONDS = 20.0
"""Of a small model from an empty cache, on two cores."""
VISIT_SECONDS = {"cpu": 0.6, "accelerator": 6.0}
"""What a worker of a built-in case takes: measured on two cores; on an accelerator 2 s of warm-up and its start."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done, once the machine is known."""

    plan: Plan
    planned: Sequence[PlannedCase]
    earlier: Sequence[CaseResult]
    directory: Path


def run(request: Request) -> int:
    """Measure, report, and return the exit status; whatever ends the measuring, what there is gets reported."""
    directory, ending, servers_seconds = measure(request, Progress(quiet=request.quiet))
    if directory is not None:
        return report(directory, request, ending, servers_seconds)
    if isinstance(ending, Interrupted):
        print(f"{ending}: nothing had been measured", file=sys.stderr)
    return exit_status_of(ending)


def measure(request: Request, progress: Progress) -> tuple[Path | None, Ending, float]:
    """
    Measure, and return the directory of the journal, what ended it early, and what it took to start the servers.

    Args:
        request: What is to be measured.
        progress: Is told of it.

    Returns:
        No directory where nothing was written.
    """
    stored = _reopened(request)
    is_ours = request.directory is not None and make_directory(request.directory)
    directory = request.directory
    ending: Ending = None
    servers_seconds = 0.0
    try:
        with interrupts_raised(), progress:
            progress.say("starting the processes that start workers")
            with _pool(request, stored.plan.sampling.num_servers if stored else request.num_servers) as pool:
                for note in pool.notes:
                    progress.say(note)
                work = _work(request, stored, pool.environment)
                directory = work.directory
                if request.resume is None:
                    work = _with_attained_rates(work, pool, progress)
                servers_seconds = time.monotonic() - request.started
                _measure(work, pool, progress, request)
    except (Interrupted, BenchError, OSError) as error:
        ending = error
    if directory is not None and (directory / FILE_NAME).is_file():
        return directory, ending, servers_seconds
    if is_ours and directory is not None:
        with contextlib.suppress(OSError):
            directory.rmdir()
    return None, ending, servers_seconds


def dry_run(request: Request) -> int:
    """Print the cases and the time that they will take."""
    stored = _reopened(request)
    try:
        with interrupts_raised(), _pool(request, num_servers=1) as pool:
            for note in pool.notes:
                print(note, file=sys.stderr)
            work = _work(request, stored, pool.environment, make=False)
    except Interrupted as interrupted:
        return interrupted.exit_status
    runnable = [entry for entry in work.planned if entry.status is None]
    for entry in work.planned:
        print(entry.case.slug if entry.status is None else f"{entry.case.slug}  ({entry.status}: {entry.reason})")
    ahead = f"; {_estimate(work, runnable)}" if runnable else ""
    print(f"\n{len(runnable)} of {len(work.planned)} cases run here{ahead}")
    return 0 if runnable else EXIT_NOTHING


def _pool(request: Request, num_servers: int) -> Pool:
    return Pool(num_servers, request.start_method or usual_start_method(), dict(os.environ))


def _reopened(request: Request) -> Journal | None:
    """Return the run that is resumed, if one is; before any process is started, since it may not be there."""
    return None if request.resume is None else resume.reopen(request.resume)


def _work(request: Request, stored: Journal | None, environment: Environment, *, make: bool = True) -> Work:
    """Return the plan that was asked for, or the one that is resumed."""
    if stored is not None and not request.names_suite and request.has_plan_options:
        request = dataclasses.replace(request, chosen_suite=suite.load(stored.plan.suite))
    plan, planned = _new_plan(request, environment)
    if request.resume is None or stored is None:
        directory = request.directory or usual_directory(plan.commit)
        if make and request.directory is None:
            make_directory(directory, "the reports directory")
        return Work(plan=plan, planned=planned, earlier=(), directory=directory)
    if not Path(stored.plan.working_directory).is_dir():
        gone = f"--resume '{request.resume}': its working directory {stored.plan.working_directory} is gone"
        raise UsageError(f"{gone}; workload files are found from there")
    if request.has_plan_options:
        resume.refuse_other_plan(stored.plan, plan, request.resume)
    here = _with_compiler(environment, stored.plan.cases)
    resume.refuse_other_machine(stored.plan.environment, here, request.resume)
    # A case that could not run has its row in the journal already, whatever else might be said of it now.
    planned = [judge(case, environment.devices) for case in stored.plan.cases]
    resumed = _with_more_time(stored, request.added_seconds)
    return Work(plan=resumed, planned=planned, earlier=stored.results, directory=request.resume)


def _with_attained_rates(work: Work, pool: Pool, progress: Progress) -> Work:
    """Return *work* with the rate of matrix products on this CPU, in the formats of its cases; it has no data sheet."""
    runnable = [entry.case for entry in work.planned if entry.status is None and entry.case.device_type == "cpu"]
    formats = sorted({PRECISIONS[case.precision].number_format for case in runnable})
    if not formats:
        return work
    complaint = ""
    for _ in range(ATTEMPTS):
        try:
            seen = attained(pool, formats, "cpu")
        except CallError as error:
            complaint = str(error)
            continue
        if seen["others_ratio"] <= TAKEN_SHARE:
            return _with_rates(work, seen)
        complaint = "other programs took the processor"
    progress.say(f"what this CPU attains could not be measured, so no share of it is shown: {complaint}")
    return work


def _with_rates(work: Work, seen: Mapping[str, Any]) -> Work:
    environment = dataclasses.replace(
        work.plan.environment,
        attained_flops_per_second={f"cpu/{name}": rate for name, rate in seen["flops_per_second"].items()},
        attained_bytes_per_second={"cpu": seen["bytes_per_second"]},
    )
    return dataclasses.replace(work, plan=dataclasses.replace(work.plan, environment=environment))


def _with_more_time(stored: Journal, added_seconds: float | None) -> Plan:
    """Return the stored plan with a budget that leaves *added_seconds* from now on; None: what was left of it."""
    if added_seconds is None:
        return stored.plan
    sampling = dataclasses.replace(stored.plan.sampling, budget_seconds=_spent_seconds(stored.results) + added_seconds)
    return dataclasses.replace(stored.plan, sampling=sampling)


def _spent_seconds(results: Sequence[CaseResult]) -> float:
    """Return what counts of a budget."""
    return sum(result.duration_seconds - result.unbudgeted_seconds for result in results)


def _new_plan(request: Request, environment: Environment) -> tuple[Plan, list[PlannedCase]]:
    planned = expand(request.chosen_suite, request.axes, environment.devices, request.seed)
    environment = _with_given_peaks(environment, request.peak_tflops)
    environment = _with_compiler(environment, [entry.case for entry in planned])
    plan = Plan(
        cases=tuple(entry.case for entry in planned),
        sampling=request.sampling(environment),
        environment=environment,
        seed=request.seed,
        label=request.label,
        suite=request.chosen_suite.name,
        command=tuple(sys.argv),
        working_directory=str(Path.cwd()),
        commit=machine.commit_of(Path.cwd()),
        started_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return plan, planned


def _with_given_peaks(environment: Environment, tflops: Mapping[str, float]) -> Environment:
    """Return *environment* with the rates that the person gave: of its accelerators, or of a CPU that is alone."""
    device_type = environment.devices[0].type if environment.devices else "cpu"
    given = {f"{device_type}/{number_format}": rate * TERA for number_format, rate in tflops.items()}
    return dataclasses.replace(environment, given_flops_per_second=given)


def _with_compiler(environment: Environment, cases: Sequence[Case]) -> Environment:
    """Return *environment* with what compiles as hard keys, where something is to be compiled."""
    if not any(case.is_compiled for case in cases):
        return environment
    return dataclasses.replace(environment, hard={**environment.hard, **machine.compiler_keys()})


def _measure(work: Work, pool: Pool, progress: Progress, request: Request) -> None:
    pool.place = Place(working_directory=Path(work.plan.working_directory))
    journal = JournalWriter(work.directory / FILE_NAME)
    try:
        if request.resume is None:
            journal.write_plan(work.plan)
        end = request.started + work.plan.sampling.budget_seconds - _spent_seconds(work.earlier)
        if work.earlier and work.plan.sampling.rounds is None and end < time.monotonic():
            progress.say("the budget of this run is spent; give it more with --budget")
        progress.plan(work.plan, [entry.case for entry in work.planned if entry.status is None])
        run_rounds(
            plan=work.plan,
            planned=work.planned,
            earlier=work.earlier,
            pool=pool,
            journal=journal,
            observer=progress,
            remaining_seconds=lambda: end - time.monotonic(),
        )
        if work.earlier and progress.is_idle():
            progress.say("every case has its rounds, or no time is left for one: nothing was added")
    finally:
        journal.close()


def _estimate(work: Work, runnable: Sequence[PlannedCase]) -> str:
    sampling = work.plan.sampling
    compiled = sum(entry.case.is_compiled for entry in runnable)
    more = f", and {compiled * COMPILE_SECONDS:.0f} s or more of compilation" if compiled else ""
    if sampling.rounds is None:
        seconds = sampling.budget_seconds + REPORT_SECONDS
        return (
            f"about {seconds:.0f} s at most (the budget, and the reports){more}, unless the first round alone takes "
            "longer"
        )
    kinds = ["cpu" if entry.case.device_type == "cpu" else "accelerator" for entry in runnable]
    seconds = sampling.rounds * sum(VISIT_SECONDS[kind] for kind in kinds) + REPORT_SECONDS
    return f"roughly {seconds:.0f} s for {sampling.rounds} rounds of cases as small as the built-in ones{more}"
