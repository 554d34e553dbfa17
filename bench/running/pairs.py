"""One pair: a fresh worker of each side, side by side, that take turns until their time is up."""

import dataclasses
import random
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bench.case import Case
from bench.measuring.task import Task
from bench.pair import Pair, Stage, Turns
from bench.result import SamplingPlan, Use
from bench.running.matrix import num_processes
from bench.running.pool import Place, Pool
from bench.running.server import Server
from bench.running.turns import MIN_TURNS, Remote, SideEndedError, SideSockets, TurnTaker, steps_of_one_more, take_turns
from bench.running.visit import Outcome, perform_together

PREPARATIONS = 2
"""Each side waits while the other one prepares."""
LEAD_STEPS = 1
"""Of a turn, as of a worker's block: before its clock starts."""
SIDES = 2
OF_SHORT_MEMORY = (-signal.SIGKILL, -signal.SIGBUS)
"""How the kernel ends a process for which there is no memory, or no /dev/shm."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairSide:
    """One of the two: its code, what runs it, and what it trains."""

    pool: Pool
    place: Place
    case: Case


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairPlan:
    """What two sides are run for, and for how long."""

    base: PairSide
    head: PairSide
    stage: Stage
    seconds: float
    """Of taking turns."""
    timeout_seconds: float
    """Of preparing one side."""
    more_work: float = 0.0
    """Share of its steps that the head trains besides."""
    is_in_one_process: bool = False
    """Whether one worker holds both."""
    compile_timeout_seconds: float = SamplingPlan.compile_timeout_seconds
    """Of compiling one side, where it compiles."""
    step_seconds: float = 0.0
    """Of the slower side, as far as it is known: the fewest turns may take longer than `seconds`."""

    @property
    def deadline_seconds(self) -> float:
        """After which its workers have ended."""
        compiled = sum(side.case.is_compiled for side in (self.base, self.head))
        turns = max(self.seconds, least_turns_seconds(self.step_seconds, self.more_work))
        return PREPARATIONS * self.timeout_seconds + compiled * self.compile_timeout_seconds + turns


def least_turns_seconds(step_seconds: float, more_work: float = 0.0) -> float:
    """Return what the fewest turns take that both sides must have, in which *more_work* is whole steps."""
    steps = steps_of_one_more(more_work) + 1 if more_work else 1
    return SIDES * MIN_TURNS * (LEAD_STEPS + steps) * step_seconds


def run_pair(plan: PairPlan, index: int, *, head_first: bool) -> Pair:
    """
    Run *plan* once and return the pair, however it ends.

    Args:
        plan: The two sides, and how long.
        index: Of the pair; says whose server's turn it is.
        head_first: Whether the head is created first; chance must say so, since the order alone makes 0.5 %
            (docs/method.md).
    """
    started = time.monotonic()
    sides = (plan.head, plan.base) if head_first else (plan.base, plan.head)
    server = plan.base.pool.server_index(index)
    pair = Pair(case=plan.head.case, stage=plan.stage, index=index, server=server, head_first=head_first)
    num_sides = 1 if plan.is_in_one_process else 2
    folder = tempfile.TemporaryDirectory(prefix="turns-", dir=plan.base.pool.server(index).directory)
    with folder, SideSockets(Path(folder.name), num_sides) as sockets:
        run = _PairRun(plan, sides, sockets, index)
        outcomes = perform_together(run.orders, run.let_them_take_turns)
    for side in sides:
        side.pool.replace_dead()
    seconds = round(time.monotonic() - started, 6)
    if bad := _first_bad(outcomes):
        broken = _name_of(sides[outcomes.index(bad)], plan) if _is_to_blame(bad, outcomes) else ""
        reason = bad.reason or ""
        if bad.status == "oom":
            reason = f"the device does not hold both sides at once: {reason}"
        tail = bad.failure.last_lines if bad.failure else ()
        return dataclasses.replace(
            pair, status=bad.status, reason=reason, broken=broken, seconds=seconds, log_tail=tail
        )
    if run.ended_early:  # by the parent's clock, at whose end a side may still come to a good one
        reason = f"{run.ended_early}; raise --timeout"
        return dataclasses.replace(pair, status="timeout", reason=reason, seconds=seconds)
    both = [_turns_of(uses, run.steps) for uses in run.uses]
    base, head = reversed(both) if head_first else both
    return dataclasses.replace(pair, steps=run.steps, base=base, head=head, seconds=seconds)


class _PairRun:
    """One run of a plan: the tasks of its sides, and what came of it."""

    def __init__(self, plan: PairPlan, sides: Sequence[PairSide], sockets: SideSockets, index: int) -> None:
        self._plan, self._sides, self._sockets = plan, sides, sockets
        self._deadline = time.monotonic() + plan.deadline_seconds
        self._servers = [side.pool.server(index) for side in sides]
        layout_seed = random.SystemRandom().randrange(2**32)
        self.tasks = [
            side.pool.task(
                side.case,
                place=side.place,
                num_processes=num_processes(side.case),
                deadline_seconds=plan.deadline_seconds,
                turns_at=str(address),
                layout_seed=layout_seed,
                alternates=(sides[1].case,) if plan.is_in_one_process else (),
            )
            for side, address in zip(sides, sockets.addresses, strict=False)
        ]
        self.steps = 0
        self.uses: list[list[Use]] = [[], []]
        self.ended_early = ""
        """Why, where they did not take turns until their time was up."""

    @property
    def orders(self) -> list[tuple[Server, list[Task]]]:
        """Each server with its tasks."""
        found: dict[int, tuple[Server, list[Task]]] = {}
        for server, task in zip(self._servers, self.tasks, strict=False):
            found.setdefault(id(server), (server, []))[1].append(task)
        return list(found.values())

    def let_them_take_turns(self) -> None:
        """Let both take turns; a side that ends early has an outcome that says why."""
        more_work = [self._plan.more_work if side is self._plan.head else 0.0 for side in self._sides]
        try:
            connected = self._connected_sides()
            self.steps, self.uses = take_turns(connected, seconds=self._plan.seconds, more_work=more_work)
        except SideEndedError as error:
            self.ended_early = str(error)
        finally:
            self._sockets.leave()

    def _connected_sides(self) -> list[TurnTaker]:
        ways = [
            self._sockets.wait_for(number, self._servers, self._deadline)
            for number in range(len(self._sockets.addresses))
        ]
        if len(ways) == 1:
            return [Remote(ways[0], member) for member in range(len(self._sides))]
        return [Remote(way) for way in ways]


def _first_bad(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the outcome that tells what went wrong: of a side that did not merely end with the other."""
    bad = [outcome for outcome in outcomes if outcome.status != "ok"]
    return min(bad, key=lambda outcome: outcome.is_bystander, default=None)


def _is_to_blame(bad: Outcome, outcomes: Sequence[Outcome]) -> bool:
    """
    Whether *bad* tells that its own side is broken.

    Not where one worker holds both, where it only ended with the other, where both failed, as they do when what started
    them dies, or where memory is short: each side ran alone, and whoever comes second finds the device full,
    or is whom the kernel kills.
    """
    if bad.failure is not None and bad.failure.exit_code in OF_SHORT_MEMORY:
        return False
    failed = [outcome for outcome in outcomes if outcome.status != "ok" and not outcome.is_bystander]
    return len(outcomes) > 1 and failed == [bad] and bad.status != "oom"


def _name_of(side: PairSide, plan: PairPlan) -> Literal["base", "head"]:
    return "head" if side is plan.head else "base"


def _turns_of(uses: Sequence[Use], steps: int) -> Turns:
    return Turns(step_seconds=tuple(round(use.window_seconds / steps, 9) for use in uses), uses=tuple(uses))
