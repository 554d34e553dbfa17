"""A run: the plan on the disk, rounds of visits, every result on the disk, and an end that can come at any time."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from bench.case import Case
from bench.result import CaseResult, Plan
from bench.running.journal import JournalWriter
from bench.running.matrix import PlannedCase, num_processes
from bench.running.pool import Pool
from bench.running.schedule import Schedule

INTERRUPTS = (
    (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if hasattr(signal, "SIGHUP") else (signal.SIGINT, signal.SIGTERM)
)


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP came; what was measured is safe."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = 128 + number


class Observer(Protocol):
    """Who wants to see a run go by."""

    def visit_begins(self, case: Case, round_index: int) -> None:
        """Hear that a visit starts."""

    def visit_ended(self, result: CaseResult, schedule: Schedule, elapsed_seconds: float) -> None:
        """Hear what it came to."""


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Ignore them for the seconds that the reports take; a Ctrl-C still ends the program."""
    if not _is_main_thread():
        yield
        return
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in INTERRUPTS if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_raised() -> Iterator[None]:
    """Raise `Interrupted` in the main thread, which alone hears them, for the signals that ask a program to end."""
    if not _is_main_thread():
        yield
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    # One that is ignored stays so: that is how nohup lets a program outlive its terminal.
    wanted = [number for number in INTERRUPTS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def run_rounds(
    *,
    plan: Plan,
    planned: Sequence[PlannedCase],
    earlier: Sequence[CaseResult],
    pool: Pool,
    journal: JournalWriter,
    observer: Observer,
    remaining_seconds: Callable[[], float],
) -> None:
    """
    Visit the cases of *plan* round by round until each has enough, or the budget is spent.

    Args:
        plan: Written in the journal already.
        planned: The matrix, with the reasons of those that cannot run.
        earlier: Results of the run that this one resumes; a round that it left half done is completed.
        pool: Where workers come from.
        journal: Takes every result before the next visit begins.
        observer: Is told.
        remaining_seconds: Says how much of the budget is left.
    """
    started = time.monotonic()
    done = {(result.case.id, result.round) for result in earlier}
    for entry in planned:
        if entry.status is not None and (entry.case.id, 0) not in done:
            result = CaseResult(case=entry.case, round=0, status=entry.status, reason=entry.reason)
            journal.write_result(result)
    cases = [entry.case for entry in planned if entry.status is None]
    schedule = Schedule(cases, plan.sampling, seed=plan.seed, budget_seconds=plan.sampling.budget_seconds)
    runnable = {case.id for case in cases}
    for result in earlier:
        if result.case.id in runnable:
            schedule.add(result, is_earlier=True)
    # Earlier rounds stay as they are: a case that waited in one of them would be paired with visits of long ago.
    round_index = max((result.round for result in earlier), default=0)
    while cases:
        visits = 0
        for case in schedule.order(round_index):
            if (case.id, round_index) in done:
                visits += 1
                continue
            if not schedule.may_visit(case, remaining_seconds() + schedule.compile_seconds):
                continue
            observer.visit_begins(case, round_index)
            result = pool.visit(
                case,
                num_processes=num_processes(case),
                round_index=round_index,
                timeout_seconds=plan.sampling.timeout_seconds,
                compile_timeout_seconds=plan.sampling.compile_timeout_seconds,
                with_extras=round_index == 0,
            )
            journal.write_result(result)
            schedule.add(result)
            observer.visit_ended(result, schedule, time.monotonic() - started)
            visits += 1
        if visits == 0:
            return
        round_index += 1
