"""Says on standard error how a run goes: a bar on a terminal, a plain line a case otherwise."""

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from bench.case import Case
from bench.result import CaseResult, Plan
from bench.running.schedule import Schedule


class Progress:
    """
    Watches a run.

    The bar is drawn between visits only: a thread that redraws it ten times a second would take its time from the
    worker on a machine with few cores.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._is_terminal = sys.stderr.isatty() and not os.environ.get("CI")
        console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
        self._bar = Bar(*columns, console=console, auto_refresh=False, transient=True, disable=quiet)
        self._task: TaskID | None = None
        self._plan: Plan | None = None
        self._cases: Sequence[Case] = ()
        self._num_visits = 0

    def __enter__(self) -> Self:
        """Show the bar on a terminal."""
        if self._is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._is_terminal:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Say one line."""
        if self._quiet:
            return
        if self._is_terminal:
            self._bar.console.print(text, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def is_idle(self) -> bool:
        """Whether no visit has ended yet."""
        return self._num_visits == 0

    def plan(self, plan: Plan, cases: Sequence[Case]) -> None:
        """Say what is to be done."""
        self._plan, self._cases = plan, cases
        sampling = plan.sampling
        until = counted(sampling.rounds, "round") if sampling.rounds else f"about {sampling.budget_seconds:.0f} s"
        until += ", compilation apart" if any(case.is_compiled for case in cases) else ""
        others = len(plan.cases) - len(cases)
        rest = f", {others} cannot run here" if others else ""
        self.say(f"{counted(len(cases), 'case')}{rest}; each in fresh processes, round by round, for {until}")
        if self._is_terminal:
            self._task = self._bar.add_task("round 1", total=1.0, left="")

    def visit_begins(self, case: Case, round_index: int) -> None:
        """Show which case is running."""
        if self._task is not None:
            self._bar.update(self._task, description=f"round {round_index + 1}: {case.slug}", refresh=True)

    def visit_ended(self, result: CaseResult, schedule: Schedule, elapsed_seconds: float) -> None:
        """Show what came of it: on a terminal the bar moves, else the first visit of each case is a line."""
        assert self._plan is not None
        self._num_visits += 1
        if result.status != "ok":
            self.say(f"{result.case.slug}: {result.status}: {result.reason}")
        if self._task is not None:
            done, left = self._how_far(schedule, elapsed_seconds)
            self._bar.update(self._task, completed=done, left=left, refresh=True)
        elif result.round == 0 and result.measurement is not None:
            step_ms = 1e3 * result.measurement.window_seconds / result.measurement.window_steps
            count = f"[{self._num_visits}/{len(self._cases)}]"
            self.say(f"{count} {result.case.slug}: {step_ms:.3g} ms a step in the first round")

    def _how_far(self, schedule: Schedule, elapsed_seconds: float) -> tuple[float, str]:
        assert self._plan is not None
        sampling = self._plan.sampling
        if sampling.rounds is None:
            counted_seconds = elapsed_seconds - schedule.compile_seconds
            left = max(0.0, sampling.budget_seconds - counted_seconds)
            return min(1.0, counted_seconds / sampling.budget_seconds), f"at most {left:.0f} s left"
        done = sum(min(sampling.rounds, schedule.rounds_of(case)) for case in self._cases)
        total = sampling.rounds * len(self._cases)
        left = elapsed_seconds / max(1, done) * (total - done)
        return done / total, f"about {left:.0f} s left"


def counted(number: int, what: str) -> str:
    """Return ``1 case`` or ``3 cases``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
