"""Taking turns: who has one when and for how long, and what becomes of a side that does not come or stops answering."""

import contextlib
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bench.record import to_plain
from bench.result import Usage, Use
from bench.running.server import Server
from bench.running.turns import Connection, Remote, SideEndedError, SideSockets, take_turns

DEADLINE_SECONDS = 10.0
"""Of what should be there at once."""
SOON_SECONDS = 0.05
USE = Use(usage=Usage(cpu_seconds=0.1, involuntary_switches=2), window_seconds=0.1, num_threads=2)


class ScriptedTurnTaker:
    """Takes its time on a clock that it shares with the others, and writes down what happens."""

    def __init__(self, name: str, step_seconds: float, clock: list[float], log: list[tuple[str, int]]) -> None:
        self.name, self.step_seconds, self.clock, self.log = name, step_seconds, clock, log

    def prepare(self) -> float:
        self.log.append((self.name, 0))
        self.clock[0] += 7.0
        return self.step_seconds

    def block(self, steps: int) -> Use:
        self.log.append((self.name, steps))
        self.clock[0] += steps * self.step_seconds
        return Use(usage=USE.usage, window_seconds=steps * self.step_seconds, num_threads=1)


class ScriptedTurns:
    """Two scripted sides that have taken turns."""

    def __init__(self, step_seconds: Sequence[float] = (0.01, 0.01), **options: Any) -> None:
        clock = [1000.0]
        self.log: list[tuple[str, int]] = []
        sides = [ScriptedTurnTaker(name, seconds, clock, self.log) for name, seconds in zip("ab", step_seconds)]  # noqa: B905
        self.steps, self.turns = take_turns(sides, now=lambda: clock[0], **options)

    @property
    def blocks(self) -> list[tuple[str, int]]:
        return self.log[2:]

    def steps_of(self, name: str) -> list[int]:
        return [steps for who, steps in self.blocks if who == name]


def test_both_prepare_first_in_the_order_in_which_they_are_given() -> None:
    assert ScriptedTurns(seconds=0.0).log[:2] == [("a", 0), ("b", 0)]


def test_who_goes_first_changes_with_every_turn() -> None:
    order = "".join(name for name, _ in ScriptedTurns(seconds=0.8).blocks)
    assert order == "abba" * (len(order) // 4)


def test_each_has_gone_first_once_however_little_time_there_is() -> None:
    scripted = ScriptedTurns(seconds=0.0)
    assert [name for name, _ in scripted.blocks] == ["a", "b", "b", "a"]
    assert [len(turns) for turns in scripted.turns] == [2, 2]


@pytest.mark.parametrize(("seconds", "turns"), [(0.4, 2), (0.41, 4), (0.8, 4), (0.81, 6)])
def test_it_ends_with_the_even_turn_in_which_the_time_is_up_and_preparing_does_not_count(
    seconds: float, turns: int
) -> None:
    scripted = ScriptedTurns(seconds=seconds)  # of two blocks of 0.1 s a turn
    assert [len(uses) for uses in scripted.turns] == [turns, turns]


def test_a_turn_has_as_many_steps_for_both_and_fills_its_time_between_them() -> None:
    scripted = ScriptedTurns(step_seconds=(0.01, 0.04), seconds=0.0)  # 0.02 s is in the middle of both
    assert scripted.steps == 5
    assert set(scripted.blocks) == {("a", 5), ("b", 5)}
    assert [use.window_seconds for use in scripted.turns[1]] == [0.2, 0.2]


def test_a_turn_has_a_step_at_least() -> None:
    scripted = ScriptedTurns(step_seconds=(3.0, 3.0), seconds=0.0)
    assert (scripted.steps, set(scripted.blocks)) == (1, {("a", 1), ("b", 1)})


@pytest.mark.parametrize("step_seconds", [0.1, 0.05, 0.033, 0.001])
@pytest.mark.parametrize(("share", "whole"), [(0.03, 33), (0.05, 20), (0.10, 10)])
def test_work_that_is_not_counted_has_its_share_in_every_turn(step_seconds: float, share: float, whole: int) -> None:
    """A median over turns would not see a step that is added to some of them only."""
    scripted = ScriptedTurns((step_seconds,) * 2, seconds=1.0, more_work=(0.0, share))
    assert scripted.steps % whole == 0
    assert scripted.steps >= max(whole, 0.7 / step_seconds * 0.1)
    assert set(scripted.steps_of("a")) == {scripted.steps}
    assert set(scripted.steps_of("b")) == {scripted.steps + scripted.steps // whole}
    ratios = [slow.window_seconds / quick.window_seconds for quick, slow in zip(*scripted.turns, strict=True)]
    assert ratios == pytest.approx([1 + 1 / whole] * len(ratios))


class Teller:
    """A server, as far as it can be waited for: it has something to say once it was told to."""

    def __init__(self) -> None:
        self._own, self._other = socket.socketpair()

    def fileno(self) -> int:
        return self._own.fileno()

    def tell(self) -> None:
        self._other.send(b"x")

    def close(self) -> None:
        self._own.close()
        self._other.close()


@pytest.fixture(name="folder")
def _folder() -> Iterator[Path]:
    """Return a folder whose path is short enough for a socket, which that of a test need not be."""
    with tempfile.TemporaryDirectory(prefix="turns-") as name:
        yield Path(name)


@pytest.fixture(name="teller")
def _teller() -> Iterator[Teller]:
    teller = Teller()
    yield teller
    teller.close()


def _answer(text: bytes) -> Callable[[socket.socket], None]:
    """Return a side that answers its first order with *text* and is gone."""

    def serve(way: socket.socket) -> None:
        way.recv(100)
        way.sendall(text)

    return serve


@contextlib.contextmanager
def _side(address: Path, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """Run the other end of a connection in a thread, which has ended afterwards."""

    def run() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
            way.settimeout(DEADLINE_SECONDS)
            way.connect(str(address))
            serve(way)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive()


def _connected(sockets: SideSockets, teller: Teller, number: int = 0, seconds: float = DEADLINE_SECONDS) -> Connection:
    return sockets.wait_for(number, [cast("Server", teller)], time.monotonic() + seconds)


def test_an_order_is_a_line_and_so_is_its_answer(folder: Path, teller: Teller) -> None:
    orders: list[dict[str, Any]] = []

    def serve(way: socket.socket) -> None:
        for line in way.makefile("rb"):
            orders.append(json.loads(line))
            answer = to_plain(USE) if orders[-1]["steps"] else {"step_seconds": 0.004}
            way.sendall(json.dumps(answer).encode() + b"\n")

    with SideSockets(folder, 1) as sockets, _side(sockets.addresses[0], serve):
        way = _connected(sockets, teller)
        side, alternate = Remote(way), Remote(way, member=1)
        assert (side.prepare(), alternate.prepare()) == (0.004, 0.004)
        assert alternate.block(12) == USE
        sockets.leave()
    assert orders == [{"member": 0, "steps": 0}, {"member": 1, "steps": 0}, {"member": 1, "steps": 12}]


def test_a_side_hears_the_end_also_while_somebody_still_holds_the_way_to_it(folder: Path, teller: Teller) -> None:
    heard: list[bytes] = []
    with SideSockets(folder, 1) as sockets, _side(sockets.addresses[0], lambda way: heard.append(way.recv(1))):
        way = _connected(sockets, teller)
        sockets.leave()
        with pytest.raises(SideEndedError):
            way.ask(steps=1)
    assert heard == [b""]


@pytest.mark.parametrize("last_words", [b"", b'{"step_sec'], ids=["at once", "amid its answer"])
def test_a_side_that_closes_has_ended(folder: Path, teller: Teller, last_words: bytes) -> None:
    with SideSockets(folder, 1) as sockets, _side(sockets.addresses[0], _answer(last_words)):
        side = Remote(_connected(sockets, teller))
        with pytest.raises(SideEndedError, match="ended before its work was done"):
            side.prepare()
        with pytest.raises(SideEndedError, match="ended before its work was done"):
            side.block(1)


def test_a_side_that_does_not_answer_by_the_deadline_has_ended(folder: Path, teller: Teller) -> None:
    is_over = threading.Event()

    def wait(_: socket.socket) -> None:
        is_over.wait(DEADLINE_SECONDS)

    with SideSockets(folder, 1) as sockets, _side(sockets.addresses[0], wait):
        way = _connected(sockets, teller, seconds=SOON_SECONDS)
        with pytest.raises(SideEndedError, match="ended before its work was done"):
            way.ask(member=0, steps=1)
        is_over.set()


def test_a_side_that_never_comes_is_not_waited_for_once_a_server_has_something_to_say(
    folder: Path, teller: Teller
) -> None:
    quiet = Teller()
    teller.tell()
    servers = [cast("Server", quiet), cast("Server", teller)]
    with (
        SideSockets(folder, 1) as sockets,
        contextlib.closing(quiet),
        pytest.raises(SideEndedError, match="did not begin"),
    ):
        sockets.wait_for(0, servers, time.monotonic() + 1e6)


@pytest.mark.parametrize("seconds", [SOON_SECONDS, -1.0])
def test_a_side_that_never_comes_is_waited_for_until_the_deadline(folder: Path, teller: Teller, seconds: float) -> None:
    with SideSockets(folder, 1) as sockets, pytest.raises(SideEndedError, match="did not begin"):
        _connected(sockets, teller, seconds=seconds)


def test_a_side_that_came_is_heard_although_its_server_has_something_to_say(folder: Path, teller: Teller) -> None:
    teller.tell()
    with SideSockets(folder, 1) as sockets, _side(sockets.addresses[0], _answer(b"{}\n")):
        while True:
            with contextlib.suppress(SideEndedError):
                way = _connected(sockets, teller)
                break
        assert way.ask(steps=1) == {}


def test_each_side_has_a_socket_of_its_own(folder: Path, teller: Teller) -> None:
    with (
        SideSockets(folder, 2) as sockets,
        _side(sockets.addresses[1], _answer(b'{"step_seconds": 2}\n')),
        _side(sockets.addresses[0], _answer(b'{"step_seconds": 1}\n')),
    ):
        assert len({*sockets.addresses}) == 2
        assert [Remote(_connected(sockets, teller, number)).prepare() for number in (0, 1)] == [1.0, 2.0]


def test_a_side_that_comes_when_all_is_over_is_not_kept_waiting(folder: Path) -> None:
    with SideSockets(folder, 2) as sockets:
        early = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        early.connect(str(sockets.addresses[0]))
        sockets.leave()
        with early, contextlib.suppress(ConnectionResetError):
            early.settimeout(DEADLINE_SECONDS)
            assert early.recv(1) == b""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as late, pytest.raises(ConnectionRefusedError):
            late.connect(str(sockets.addresses[1]))


def test_nothing_is_left_of_the_sockets(folder: Path, teller: Teller) -> None:
    with SideSockets(folder, 2) as sockets:
        assert sorted(path.name for path in folder.iterdir()) == ["turns0", "turns1"]
        sockets.leave()
    assert list(folder.iterdir()) == []
