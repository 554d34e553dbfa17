"""Two sides take turns: the parent's end, which says whose turn it is and for how many steps."""

import itertools
import json
import math
import select
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from bench.errors import BenchError
from bench.record import from_plain
from bench.result import Use
from bench.running.server import Server

TURN_SECONDS = 0.1
"""Of a block: short, so that both sides see the same machine, and long against what a change of turns costs."""

MIN_TURNS = 2
"""Each has gone first once."""


class SideEndedError(BenchError):
    """A side ended, or does not answer, before its work was done; its own outcome says why."""


class TurnTaker(Protocol):
    """One side, as the parent sees it."""

    def prepare(self) -> float:
        """Build and warm up; return the seconds of a step."""

    def block(self, steps: int) -> Use:
        """Train *steps* steps."""


class SideSockets:
    """
    The sockets at which sides are waited for; a context manager, whose end ends the sides.

    Args:
        folder: Of the run's temporary files; its path is short enough for a socket.
        num_sides: How many will come.
    """

    def __init__(self, folder: Path, num_sides: int) -> None:
        self.addresses = [folder / f"turns{number}" for number in range(num_sides)]
        self._listeners = []
        self._connections: list[Connection] = []
        for address in self.addresses:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(address))
            listener.listen(1)
            self._listeners.append(listener)

    def __enter__(self) -> Self:
        """Return it; the sockets are there already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell every side that there is no more."""
        self.leave()
        for address in self.addresses:
            address.unlink(missing_ok=True)

    def leave(self) -> None:
        """Close the connections, at which the sides end; one that comes later finds nobody, and ends too."""
        for connection in self._connections:
            connection.close()
        for listener in self._listeners:
            listener.close()

    def wait_for(self, number: int, servers: Sequence[Server], deadline: float) -> "Connection":
        """
        Return the connection to side *number*.

        Args:
            number: Of the side.
            servers: Any of them tells, by having something to say, that a side has ended.
            deadline: By `time.monotonic`.

        Raises:
            SideEndedError: If it does not come.
        """
        listener = self._listeners[number]
        watched: list[socket.socket | Server] = [listener, *servers]
        ready, _, _ = select.select(watched, [], [], max(0.0, deadline - time.monotonic()))
        if listener not in ready:
            raise SideEndedError("a side did not begin")
        connection = Connection(listener.accept()[0], deadline)
        self._connections.append(connection)
        return connection


class Connection:
    """The way to one side."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._socket = connection
        self._lines = connection.makefile("rb")
        self._deadline = deadline

    def ask(self, **order: int) -> dict[str, Any]:
        """
        Send an order and wait for its answer.

        Raises:
            SideEndedError: If none comes.
        """
        try:
            self._socket.sendall(json.dumps(order).encode() + b"\n")
            self._socket.settimeout(max(0.001, self._deadline - time.monotonic()))
            line = self._lines.readline()
        except OSError:  # a time-out is one too
            line = b""
        if not line.endswith(b"\n"):
            raise SideEndedError("a side ended before its work was done")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Let the side know that there is no more."""
        self._lines.close()  # a socket stays open as long as a file of it does
        self._socket.close()


class Remote:
    """A side in another process."""

    def __init__(self, connection: Connection, member: int = 0) -> None:
        self._connection = connection
        self._member = member

    def prepare(self) -> float:
        """Build and warm up; return the seconds of a step."""
        return float(self._connection.ask(member=self._member, steps=0)["step_seconds"])

    def block(self, steps: int) -> Use:
        """Train *steps* steps."""
        turn: Use = from_plain(Use, self._connection.ask(member=self._member, steps=steps))
        return turn


def steps_of_one_more(share: float) -> int:
    """Return of how many steps one is about *share*: every turn has to hold as much of it, for a median over turns."""
    return round(1 / share)


def take_turns(
    sides: Sequence[TurnTaker],
    *,
    seconds: float,
    more_work: Sequence[float] = (0.0, 0.0),
    turn_seconds: float = TURN_SECONDS,
    now: Callable[[], float] = time.monotonic,
) -> tuple[int, list[list[Use]]]:
    """
    Let two sides take turns; return the steps of a turn, and each side's use of the processor in its turns.

    Who goes first changes with every turn, so that neither is always the one whose caches the other took.

    Args:
        sides: In the order in which they prepare, which matters: who is created first has other memory.
        seconds: How long, without the preparation; it ends with the even turn in which this has passed.
        more_work: Share of its steps that each side trains without their being counted, as if it were that much
            slower; in whole steps a turn, so that turns are longer where steps are.
        turn_seconds: Of one turn of one side.
        now: The clock.
    """
    step_seconds = math.prod(side.prepare() for side in sides) ** (1 / len(sides))
    whole = math.lcm(*(steps_of_one_more(share) for share in more_work if share))
    steps = whole * max(1, round(turn_seconds / step_seconds / whole))
    uses: list[list[Use]] = [[] for _ in sides]
    end = now() + seconds
    for turn in itertools.count():
        if turn >= MIN_TURNS and turn % 2 == 0 and now() >= end:
            return steps, uses
        for index in (0, 1) if turn % 2 == 0 else (1, 0):
            more = steps // steps_of_one_more(more_work[index]) if more_work[index] else 0
            uses[index].append(sides[index].block(steps + more))
    raise AssertionError  # count never ends
