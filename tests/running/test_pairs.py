"""A pair with scripted servers, whose workers are threads: who runs where, and what is said when one does not."""

import dataclasses
import json
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bench.case import Case
from bench.measuring.task import TASK_FILE, Answer, Task, answer_file
from bench.measuring.worker import LEAD_STEPS
from bench.record import from_plain, to_plain
from bench.result import Usage, Use
from bench.running import pairs
from bench.running.pairs import PairPlan, PairSide, run_pair
from bench.running.pool import Place, Pool
from bench.running.server import Ending, Server, ServerDiedError

DEADLINE_SECONDS = 10.0
USAGE = Usage(cpu_seconds=0.1, involuntary_switches=0)
BASE, HEAD = Path("/revisions/base"), Path("/revisions/head")
STEP_SECONDS = {str(BASE): 0.01, str(HEAD): 0.02}
"""By working directory; of an alternate in the same process ten times as much."""
EXIT_CODES = {
    "crashes": -signal.SIGSEGV,
    "is killed": -signal.SIGKILL,
    "cannot begin": 3,
    "raises": 1,
    "is full": 1,
    "aborts at its end": 6,
}


@dataclasses.dataclass
class Script:
    """What goes wrong, and what was seen."""

    mishaps: dict[str, str] = dataclasses.field(default_factory=dict)
    """Working directory to what its worker does: one of `EXIT_CODES`, or never answers."""
    orders: list[list[Task]] = dataclasses.field(default_factory=list)
    """A list of tasks for every order to a server."""
    steps: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    """Working directory to the steps of each block."""


class ScriptedServer:
    """Runs each task in a thread; like a launcher it ends the others where one failed."""

    def __init__(self, directory: Path, script: Script, *, is_dead: bool = False) -> None:
        directory.mkdir()
        self.directory, self.script, self.is_dead = directory, script, is_dead
        self._heard, self._says = os.pipe()
        self._workers: list[threading.Thread] = []
        self._codes: list[int] = []
        if is_dead:
            os.write(self._says, b"x")

    def fileno(self) -> int:
        return self._heard

    def close(self) -> None:
        os.close(self._heard)
        os.close(self._says)

    def order(self, directories: Sequence[Path]) -> None:
        if self.is_dead:
            raise ServerDiedError("the process that starts workers was gone before the visit")
        tasks: list[Task] = [
            from_plain(Task, json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))) for folder in directories
        ]
        self.script.orders.append(tasks)
        self._codes = [0 for _ in tasks]
        self._workers = [
            threading.Thread(target=self._work, args=(number, task, folder))
            for number, (task, folder) in enumerate(zip(tasks, directories, strict=True))
        ]
        for worker in self._workers:
            worker.start()

    def endings(self, timeout_seconds: float) -> list[Ending]:
        assert timeout_seconds > 0
        for worker in self._workers:
            worker.join(DEADLINE_SECONDS)
            assert not worker.is_alive()
        if not any(self._codes):
            return [Ending(timed_out=False, exit_codes=(0,)) for _ in self._codes]
        return [
            Ending(timed_out=False, exit_codes=(code or -signal.SIGKILL,), is_bystander=not code)
            for code in self._codes
        ]

    def _work(self, number: int, task: Task, folder: Path) -> None:
        side = task.working_directory
        mishap = self.script.mishaps.get(side, "")
        if mishap in EXIT_CODES:
            self._codes[number] = EXIT_CODES[mishap]
        if mishap == "cannot begin":
            os.write(self._says, b"x")
            return
        self._take_turns(task, mishap)
        if mishap == "is full":
            _leave(folder, Answer(status="oom", message="CUDA out of memory", failed_at_ns=1))
        elif mishap == "raises":
            _leave(folder, Answer(status="error", message="ValueError: of the head", failed_at_ns=1))
        elif not any(self._codes) or mishap == "aborts at its end":
            _leave(folder, Answer(status="ok"))

    def _take_turns(self, task: Task, mishap: str) -> None:
        side = task.working_directory
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
            way.settimeout(DEADLINE_SECONDS)
            try:
                way.connect(task.turns_at)
                for line in way.makefile("rb"):
                    order = json.loads(line)
                    if order["steps"] and mishap in EXIT_CODES:
                        return
                    if mishap == "never answers":
                        continue
                    self.script.steps.setdefault(side, []).append(order["steps"])
                    way.sendall(json.dumps(_answer(side, **order)).encode() + b"\n")
            except OSError:  # the parent has left
                return


def _answer(side: str, member: int, steps: int) -> Any:
    step_seconds = STEP_SECONDS[side] * 10**member
    if steps == 0:
        return {"step_seconds": step_seconds}
    return to_plain(Use(usage=USAGE, window_seconds=steps * step_seconds, num_threads=1))


def _leave(folder: Path, answer: Answer) -> None:
    (folder / answer_file(0)).write_text(json.dumps(to_plain(answer)), encoding="utf-8")


class ScriptedPool:
    """Has as many scripted servers as it is told to."""

    def __init__(self, directory: Path, script: Script, servers: Sequence[bool] = (True, True, True)) -> None:
        directory.mkdir()
        self.directory = directory
        self.servers = [
            ScriptedServer(directory / str(number), script, is_dead=not lives) for number, lives in enumerate(servers)
        ]
        self.replaced = 0

    def server_index(self, round_index: int) -> int:
        return round_index % len(self.servers)

    def server(self, round_index: int) -> Server:
        return cast("Server", self.servers[self.server_index(round_index)])

    def task(self, case: Case, *, place: Place, **fields: Any) -> Task:
        return Task(case=case, working_directory=str(place.working_directory), **fields)

    def replace_dead(self) -> None:
        self.replaced += 1


@dataclasses.dataclass
class Setup:
    """Where pairs are run."""

    folder: Path
    script: Script
    case: Case
    pools: list[ScriptedPool] = dataclasses.field(default_factory=list)

    def pool(self, servers: Sequence[bool] = (True, True, True)) -> ScriptedPool:
        self.pools.append(ScriptedPool(self.folder / f"pool{len(self.pools)}", self.script, servers))
        return self.pools[-1]

    def plan(self, base: ScriptedPool, head: ScriptedPool | None = None, **fields: Any) -> PairPlan:
        sides = {
            "base": PairSide(pool=cast("Pool", base), place=Place(working_directory=BASE), case=self.case),
            "head": PairSide(pool=cast("Pool", head or base), place=Place(working_directory=HEAD), case=self.case),
        }
        return PairPlan(**{"stage": "first", "seconds": 0.0, "timeout_seconds": 5.0, **sides, **fields})

    def modes(self, *cases: Case) -> PairPlan:
        """Return a plan of two modes of one revision."""
        pool = self.pool()
        base, head = (
            PairSide(pool=cast("Pool", pool), place=Place(working_directory=BASE), case=case) for case in cases
        )
        return dataclasses.replace(self.plan(pool), base=base, head=head, is_in_one_process=True)

    @property
    def left(self) -> list[str]:
        """What is in the folders of pools and servers."""
        return [
            str(path.relative_to(self.folder))
            for pool in self.pools
            for path in pool.directory.rglob("*")
            if path not in [server.directory for server in pool.servers]
        ]


@pytest.fixture(name="setup")
def _setup(make_case: Callable[..., Case]) -> Iterator[Setup]:
    with tempfile.TemporaryDirectory(prefix="pairs-") as name:  # short enough for a socket's path
        setup = Setup(folder=Path(name), script=Script(), case=make_case())
        yield setup
        for pool in setup.pools:
            for server in pool.servers:
                server.close()


def _where(tasks: Sequence[Task]) -> list[str]:
    return [task.working_directory for task in tasks]


@pytest.mark.parametrize("head_first", [False, True])
def test_whoever_is_created_first_base_and_head_are_what_they_are(setup: Setup, head_first: bool) -> None:
    pair = run_pair(setup.plan(setup.pool()), 4, head_first=head_first)
    assert (pair.status, pair.reason, pair.head_first) == ("ok", "", head_first)
    assert (pair.case, pair.stage, pair.index) == (setup.case, "first", 4)
    assert pair.base is not None
    assert pair.head is not None
    assert (pair.base.step_seconds, pair.head.step_seconds) == ((0.01, 0.01), (0.02, 0.02))
    assert pair.ratio == pytest.approx(2.0)
    assert pair.steps == 7  # 0.1 s over the square root of 0.01 and 0.02
    assert [use.window_seconds for use in pair.base.uses] == pytest.approx([0.07, 0.07])
    assert pair.seconds > 0
    (tasks,) = setup.script.orders
    assert _where(tasks) == ([str(HEAD), str(BASE)] if head_first else [str(BASE), str(HEAD)])


def test_both_workers_come_from_the_server_whose_turn_it_is(setup: Setup) -> None:
    plan = setup.plan(setup.pool())
    pairs = [run_pair(plan, index, head_first=False) for index in range(4)]
    assert [pair.server for pair in pairs] == [0, 1, 2, 0]
    assert [len(tasks) for tasks in setup.script.orders] == [2] * 4
    for tasks in setup.script.orders:
        assert len({task.turns_at for task in tasks}) == 2
        assert len({task.layout_seed for task in tasks}) == 1
    assert len({tasks[0].layout_seed for tasks in setup.script.orders}) == 4


def test_two_interpreters_get_one_worker_each(setup: Setup) -> None:
    pair = run_pair(setup.plan(setup.pool(), setup.pool()), 0, head_first=True)
    assert pair.ratio == pytest.approx(2.0)
    assert [_where(tasks) for tasks in setup.script.orders] == [[str(HEAD)], [str(BASE)]]


def test_only_the_head_trains_more(setup: Setup) -> None:
    plan = setup.plan(setup.pool(), more_work=0.5)
    for head_first in (False, True):
        pair = run_pair(plan, 0, head_first=head_first)
        assert pair.ratio == pytest.approx(2.0 * 1.5, rel=0.1)
    assert setup.script.steps == {str(BASE): [0, 8, 8] * 2, str(HEAD): [0, 12, 12] * 2}


def test_a_worker_has_time_for_both_preparations_and_all_turns(setup: Setup) -> None:
    run_pair(setup.plan(setup.pool(), seconds=0.001, timeout_seconds=5.0), 0, head_first=False)
    assert {task.deadline_seconds for task in setup.script.orders[0]} == {10.001}


@pytest.mark.parametrize("two_pools", [False, True], ids=["one pool", "two pools"])
@pytest.mark.parametrize("head_first", [False, True])
@pytest.mark.parametrize(
    ("mishap", "outcome"),
    [
        ("crashes", "crashed: a worker was killed by SIGSEGV"),
        ("raises", "error: ValueError: of the head"),
        ("cannot begin", "crashed: a worker ended with exit code 3"),
    ],
)
def test_a_side_that_fails_is_why_the_pair_does_and_not_the_one_that_ended_with_it(
    setup: Setup, mishap: str, outcome: str, head_first: bool, two_pools: bool
) -> None:
    setup.script.mishaps[str(HEAD)] = mishap
    pair = run_pair(setup.plan(setup.pool(), setup.pool() if two_pools else None), 0, head_first=head_first)
    assert f"{pair.status}: {pair.reason}".startswith(outcome)
    assert (pair.base, pair.head, pair.disturbance) == (None, None, "")
    assert setup.left == []


@pytest.mark.parametrize(
    ("mishaps", "broken"),
    [
        ({HEAD: "crashes"}, "head"),
        ({BASE: "raises"}, "base"),
        ({HEAD: "is full"}, ""),  # both ran alone; who comes second finds the device full
        ({HEAD: "is killed"}, ""),  # the same of the host's memory, where the kernel chooses
        ({HEAD: "crashes", BASE: "crashes"}, ""),  # as when what started them is killed
        ({BASE: "aborts at its end"}, ""),  # its result was safe, and the head was only ended with it
    ],
)
def test_a_side_is_blamed_only_for_what_it_did_itself(setup: Setup, mishaps: dict[Path, str], broken: str) -> None:
    setup.script.mishaps.update({str(side): mishap for side, mishap in mishaps.items()})
    for head_first in (False, True):
        pair = run_pair(setup.plan(setup.pool()), 0, head_first=head_first)
        assert pair.status != "ok"
        assert pair.broken == broken
    if "is full" in mishaps.values():
        assert pair.reason == "the device does not hold both sides at once: CUDA out of memory"


def test_slow_steps_have_time_for_the_fewest_turns(setup: Setup) -> None:
    run_pair(setup.plan(setup.pool(), seconds=0.5, timeout_seconds=5.0, step_seconds=5.0), 0, head_first=False)
    # Two sides, two turns each, of a step that is not timed and one that is.
    assert {task.deadline_seconds for task in setup.script.orders[0]} == {2 * 5.0 + 2 * 2 * 2 * 5.0}


def test_the_untimed_steps_of_a_turn_are_those_of_a_worker_s_block() -> None:
    """The parent's side has no torch to look there."""
    assert pairs.LEAD_STEPS == LEAD_STEPS


def test_modes_of_one_revision_share_a_process(setup: Setup, make_case: Callable[..., Case]) -> None:
    other = make_case(precision="amp_bf16")
    plan = setup.modes(setup.case, other)
    for head_first, ratio in ((False, 10.0), (True, 0.1)):  # the alternate is ten times as slow
        pair = run_pair(plan, 0, head_first=head_first)
        assert (pair.status, pair.case) == ("ok", other)
        assert pair.ratio == pytest.approx(ratio)
    first, second = setup.script.orders
    assert [(task.case, task.alternates) for task in first] == [(setup.case, (other,))]
    assert [(task.case, task.alternates) for task in second] == [(other, (setup.case,))]


def test_the_folders_of_a_pair_are_gone_afterwards(setup: Setup) -> None:
    run_pair(setup.plan(setup.pool(), setup.pool()), 0, head_first=False)
    assert setup.left == []


@pytest.mark.parametrize("living", [(True, False), (False, True), (False, False)])
def test_a_server_that_is_gone_is_told_at_once_and_replaced(setup: Setup, living: tuple[bool, bool]) -> None:
    base, head = (setup.pool([lives]) for lives in living)
    pair = run_pair(setup.plan(base, head, timeout_seconds=1e6), 0, head_first=False)
    assert (pair.status, pair.reason) == ("crashed", "the process that starts workers was gone before the visit")
    assert (base.replaced, head.replaced) == (1, 1)
    assert setup.left == []


def test_a_pair_whose_time_is_up_before_its_turns_is_a_timeout(setup: Setup) -> None:
    setup.script.mishaps[str(HEAD)] = "never answers"
    pair = run_pair(setup.plan(setup.pool(), timeout_seconds=0.05), 0, head_first=False)
    assert (pair.status, pair.base, pair.head) == ("timeout", None, None)
    assert pair.reason.endswith("; raise --timeout")
