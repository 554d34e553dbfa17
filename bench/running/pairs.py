"""One pair: a fresh worker of each side, side by side, that take turns until their time is up."""

import dataclasses
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bench.case import Case
from bench.measuring.task import Task
from bench.pair import Pair, Played, Stage
from bench.result import SamplingPlan, Use
from bench.running.matrix import num_processes
from bench.running.pool import Place, Pool
from bench.running.server import Server
from bench.running.turns import MIN_TURNS, Player, Remote, Seats, SideEndedError, play
from bench.running.visit import Outcome, perform_together

PREPARATIONS = 2
"""Each side waits while the other one prepares."""
STEPS_OF_SHORTEST_TURN = 2
"""One untimed (`LEAD_STEPS` of the worker) and one timed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two: its code, what runs it, and what it trains."""

    pool: Pool
    place: Place
    case: Case


@dataclasses.dataclass(frozen=True, kw_only=True)
class Match:
    """What two sides play for."""

    base: Side
    head: Side
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
        turns = max(self.seconds, len((self.base, self.head)) * MIN_TURNS * STEPS_OF_SHORTEST_TURN * self.step_seconds)
        return PREPARATIONS * self.timeout_seconds + compiled * self.compile_timeout_seconds + turns


def play_pair(match: Match, index: int, *, head_first: bool) -> Pair:
    """
    Play *match* once and return the pair, however it ends.

    Args:
        match: Who plays.
        index: Of the pair; says whose server's turn it is.
        head_first: Whether the head is created first; chance must say so, since the order alone makes 0.5 %
            (docs/method.md).
    """
    started = time.monotonic()
    sides = (match.head, match.base) if head_first else (match.base, match.head)
    server = match.base.pool.server_index(index)
    pair = Pair(case=match.head.case, stage=match.stage, index=index, server=server, head_first=head_first)
    num_sides = 1 if match.is_in_one_process else 2
    folder = tempfile.TemporaryDirectory(prefix="turns-", dir=match.base.pool.server(index).directory)
    with folder, Seats(Path(folder.name), num_sides) as seats:
        table = _Table(match, sides, seats, index)
        outcomes = perform_together(table.orders, table.conduct)
    for side in sides:
        side.pool.replace_dead()
    seconds = round(time.monotonic() - started, 6)
    if bad := _first_bad(outcomes):
        broken = _name_of(sides[outcomes.index(bad)], match) if _is_to_blame(bad, outcomes) else ""
        reason = bad.reason or ""
        if bad.status == "oom":
            reason = f"the device does not hold both sides at once: {reason}"
        return dataclasses.replace(pair, status=bad.status, reason=reason, broken=broken, seconds=seconds)
    if table.ended_early:  # by the parent's clock, at whose end a side may still come to a good one
        reason = f"{table.ended_early}; raise --timeout"
        return dataclasses.replace(pair, status="timeout", reason=reason, seconds=seconds)
    played = [_played(turns, table.steps) for turns in table.turns]
    base, head = reversed(played) if head_first else played
    return dataclasses.replace(pair, steps=table.steps, base=base, head=head, seconds=seconds)


class _Table:
    """Where two sides play: their tasks, and what came of it."""

    def __init__(self, match: Match, sides: Sequence[Side], seats: Seats, index: int) -> None:
        self._match, self._sides, self._seats = match, sides, seats
        self._deadline = time.monotonic() + match.deadline_seconds
        self._servers = [side.pool.server(index) for side in sides]
        layout_seed = random.SystemRandom().randrange(2**32)
        self.tasks = [
            side.pool.task(
                side.case,
                place=side.place,
                num_processes=num_processes(side.case),
                deadline_seconds=match.deadline_seconds,
                turns_at=str(address),
                layout_seed=layout_seed,
                rivals=(sides[1].case,) if match.is_in_one_process else (),
            )
            for side, address in zip(sides, seats.addresses, strict=False)
        ]
        self.steps = 0
        self.turns: list[list[Use]] = [[], []]
        self.ended_early = ""
        """Why, where they did not play until their time was up."""

    @property
    def orders(self) -> list[tuple[Server, list[Task]]]:
        """Each server with its tasks."""
        found: dict[int, tuple[Server, list[Task]]] = {}
        for server, task in zip(self._servers, self.tasks, strict=False):
            found.setdefault(id(server), (server, []))[1].append(task)
        return list(found.values())

    def conduct(self) -> None:
        """Let them play; a side that ends early has an outcome that says why."""
        more_work = [self._match.more_work if side is self._match.head else 0.0 for side in self._sides]
        try:
            players = self._players()
            self.steps, self.turns = play(players, seconds=self._match.seconds, more_work=more_work)
        except SideEndedError as error:
            self.ended_early = str(error)
        finally:
            self._seats.leave()

    def _players(self) -> list[Player]:
        ways = [
            self._seats.wait_for(number, self._servers, self._deadline) for number in range(len(self._seats.addresses))
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
    them dies, or where memory is short: each side ran alone, and whoever comes second finds the device full.
    """
    failed = [outcome for outcome in outcomes if outcome.status != "ok" and not outcome.is_bystander]
    return len(outcomes) > 1 and failed == [bad] and bad.status != "oom"


def _name_of(side: Side, match: Match) -> Literal["base", "head"]:
    return "head" if side is match.head else "base"


def _played(uses: Sequence[Use], steps: int) -> Played:
    return Played(step_seconds=tuple(round(use.window_seconds / steps, 9) for use in uses), uses=tuple(uses))
