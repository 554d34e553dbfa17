"""A worker that takes turns, with scripted workers and a real socket at whose other end the test sits."""

import contextlib
import dataclasses
import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from bench.measuring import arithmetic, turns
from bench.measuring.arithmetic import Switches
from bench.measuring.incidents import Incidents
from bench.measuring.ranks import Ranks
from bench.measuring.turns import take_turns
from bench.measuring.worker import LEAD_STEPS, Worker
from bench.record import from_plain
from bench.result import Usage, Use

DEADLINE_SECONDS = 10.0
USAGE = Usage(cpu_seconds=0.25, involuntary_switches=3, run_delay_seconds=0.001)


@dataclasses.dataclass
class Block:
    """What a worker says of a block, as far as turns ask."""

    wall_seconds: float
    incidents: Incidents
    usage: Usage = USAGE


class ScriptedDevice:
    """Is what the test wants it to be."""

    is_accelerator = True


class ScriptedWorker:
    """Writes down what it is told to do, and how the switches stand then."""

    warm_step_seconds = 0.004

    def __init__(
        self, log: list[Any], name: str = "a", *, ranks: Ranks | None = None, wants: Switches | None = None
    ) -> None:
        self.log, self.name, self.ranks, self.wants = log, name, ranks or Ranks(), wants
        self.device = ScriptedDevice()
        self.incidents = Incidents(allocator_retries=None, skipped_steps=None, compilations=0)
        self.seen: list[Switches] = []

    def prepare(self) -> None:
        self.log.append((self.name, "prepare"))
        self.seen.append(arithmetic.switches())
        if self.wants:
            arithmetic.set_switches(self.wants)

    def run_block(self, steps: int, lead_steps: int) -> Block:
        assert lead_steps == LEAD_STEPS
        self.log.append((self.name, steps))
        self.seen.append(arithmetic.switches())
        return Block(wall_seconds=steps * 0.004, incidents=self.incidents)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FollowingRanks(Ranks):
    """A rank that is not the first: hears from a list what rank 0 decides."""

    decisions: Iterator[int]

    def agree(self, value: int) -> int:
        assert value == 0, "only rank 0 has anything to say"
        return next(self.decisions)


@pytest.fixture(name="address")
def _address() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="turns-") as name:  # short enough for a socket's path
        yield Path(name, "socket")


@contextlib.contextmanager
def _parent_of(workers: Sequence[ScriptedWorker], address: Path) -> Iterator[Callable[..., Any]]:
    """Let *workers* take turns in a thread; yield what gives them an order and returns the answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.settimeout(DEADLINE_SECONDS)
        listener.bind(str(address))
        listener.listen(1)
        thread = threading.Thread(target=take_turns, args=(cast("Sequence[Worker]", workers), str(address)))
        thread.start()
        with listener.accept()[0] as way, way.makefile("rwb") as lines:
            way.settimeout(DEADLINE_SECONDS)

            def order(member: int, steps: int) -> Any:
                lines.write(json.dumps({"member": member, "steps": steps}).encode() + b"\n")
                lines.flush()
                return json.loads(lines.readline())

            yield order
            assert thread.is_alive()
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive(), "the end of the socket is the end of the work"


def test_no_steps_mean_to_prepare_and_the_answer_is_what_a_step_takes(address: Path) -> None:
    log: list[Any] = []
    with _parent_of([ScriptedWorker(log)], address) as order:
        assert order(0, 0) == {"step_seconds": 0.004}
    assert log == [("a", "prepare")]


def test_steps_mean_a_block_and_the_answer_is_how_it_was_treated(address: Path) -> None:
    log: list[Any] = []
    with _parent_of([ScriptedWorker(log)], address) as order:
        order(0, 0)
        answers = [from_plain(Use, order(0, steps)) for steps in (25, 26)]
    assert log == [("a", "prepare"), ("a", 25), ("a", 26)]
    assert [use.window_seconds for use in answers] == pytest.approx([0.1, 0.104])
    assert {use.usage for use in answers} == {USAGE}
    assert {use.num_threads for use in answers} == {torch.get_num_threads()}


def test_the_threads_of_a_use_are_those_of_all_ranks(address: Path) -> None:
    worker = ScriptedWorker([], ranks=Ranks(world_size=2))
    with _parent_of([worker], address) as order:
        assert order(0, 1)["num_threads"] == 2 * torch.get_num_threads()


def test_an_order_goes_to_the_member_that_it_names(address: Path) -> None:
    log: list[Any] = []
    with _parent_of([ScriptedWorker(log, "a"), ScriptedWorker(log, "b")], address) as order:
        for member, steps in ((1, 0), (0, 0), (0, 2), (1, 2)):
            order(member, steps)
    assert log == [("b", "prepare"), ("a", "prepare"), ("a", 2), ("b", 2)]


def test_a_parent_that_has_nothing_to_say_ends_it(address: Path) -> None:
    with _parent_of([ScriptedWorker([])], address):
        pass


@pytest.mark.parametrize("is_there", [False, True], ids=["no socket", "a socket without a listener"])
def test_a_parent_that_has_left_already_ends_it_too(address: Path, is_there: bool) -> None:
    if is_there:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
            gone.bind(str(address))
    log: list[Any] = []
    take_turns([cast("Worker", ScriptedWorker(log))], str(address))
    assert log == []


def test_what_a_worker_raises_is_not_kept_from_its_process(address: Path) -> None:
    class Raising(ScriptedWorker):
        def prepare(self) -> None:
            raise ValueError("the labels are wrong")

    def serve() -> None:
        with listener.accept()[0] as way:
            way.sendall(b'{"member": 0, "steps": 0}\n')
            assert way.recv(1) == b""

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.settimeout(DEADLINE_SECONDS)
        listener.bind(str(address))
        listener.listen(1)
        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ValueError, match="the labels are wrong"):
            take_turns([cast("Worker", Raising([]))], str(address))
        thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive()


def test_a_rank_that_is_not_the_first_does_what_rank_0_says_and_asks_nobody(tmp_path: Path) -> None:
    log: list[Any] = []
    decisions = iter([0, 0, 0, 7, 0, 8, turns._END])  # member and steps, until there is no more
    worker = ScriptedWorker(log, ranks=FollowingRanks(rank=1, world_size=2, decisions=decisions))
    take_turns([cast("Worker", worker)], str(tmp_path / "nobody is here"))
    assert log == [("a", "prepare"), ("a", 7), ("a", 8)]
    assert next(decisions, None) is None


@pytest.mark.parametrize(
    ("is_accelerator", "threads", "naps"), [(False, 2, 2), (False, 1, 0), (True, 2, 0)], ids=["cpu", "one", "device"]
)
def test_threads_that_spin_are_waited_for_before_the_other_side_s_turn(
    address: Path, monkeypatch: pytest.MonkeyPatch, is_accelerator: bool, threads: int, naps: int
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr("time.process_time", lambda: 1.0)
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    worker = ScriptedWorker([])
    monkeypatch.setattr(worker.device, "is_accelerator", is_accelerator)
    with _parent_of([worker], address) as order:
        order(0, 0)
        order(0, 5)
    assert slept == [turns.SPIN_SECONDS, turns.LOOK_SECONDS] * naps


@pytest.mark.parametrize(("spinning", "looks"), [(0, 1), (3, 4), (10**9, None)], ids=["still", "a while", "for ever"])
def test_threads_are_waited_for_as_long_as_they_spin_and_no_longer_than_is_sensible(
    monkeypatch: pytest.MonkeyPatch, spinning: int, looks: int | None
) -> None:
    """Some libraries' threads spin ten times as long as others'."""
    slept: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.process_time", lambda: min(len(slept), 1 + spinning) * turns.LOOK_SECONDS)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    worker = ScriptedWorker([])
    monkeypatch.setattr(worker.device, "is_accelerator", False)
    turns._stand_still(cast("Worker", worker))
    assert slept[0] == turns.SPIN_SECONDS
    if looks is not None:
        assert len(slept) == 1 + looks
    assert sum(slept) <= turns.SPIN_SECONDS + turns.LONGEST_SPIN_SECONDS + turns.LOOK_SECONDS


def test_what_happened_to_the_allocator_and_the_compiler_is_told(address: Path) -> None:
    worker = ScriptedWorker([])
    worker.incidents = Incidents(allocator_retries=2, skipped_steps=None, compilations=1)
    with _parent_of([worker], address) as order:
        use = from_plain(Use, order(0, 3))
    assert (use.allocator_retries, use.compilations) == (2, 1)


@pytest.fixture(name="usual")
def _usual(torch_as_it_was: None) -> Iterator[Switches]:
    usual = Switches(tf32=(False, False), onednn=True)
    found = arithmetic.switches()
    arithmetic.set_switches(usual)
    yield usual
    arithmetic.set_switches(found)


def test_members_have_each_the_switches_that_they_left(address: Path, usual: Switches) -> None:
    tf32, slow = Switches(tf32=(True, True), onednn=True), Switches(tf32=(False, True), onednn=False)
    first, second = ScriptedWorker([], "a", wants=tf32), ScriptedWorker([], "b", wants=slow)
    with _parent_of([first, second], address) as order:
        for member, steps in ((0, 0), (1, 0), (0, 1), (1, 1), (1, 1), (0, 1)):
            order(member, steps)
    assert first.seen == [usual, tf32, tf32]
    assert second.seen == [usual, slow, slow]


def test_a_worker_that_is_alone_keeps_the_process_s_switches(address: Path, usual: Switches) -> None:
    wanted = Switches(tf32=(True, False), onednn=False)
    worker = ScriptedWorker([], wants=wanted)
    with _parent_of([worker], address) as order:
        order(0, 0)
        order(0, 1)
    assert worker.seen == [usual, wanted]
    assert arithmetic.switches() == wanted
