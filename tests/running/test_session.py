"""A run's rounds with a scripted pool: what is on the disk when, what a resumed run repeats, how a signal ends it."""

import dataclasses
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bench.case import Case
from bench.errors import NothingToMeasureError
from bench.measuring.task import TASK_FILE, Answer, answer_file
from bench.record import to_plain
from bench.result import CaseResult, Environment, Measurement, Plan, SamplingPlan
from bench.running import journal
from bench.running.journal import JournalWriter
from bench.running.matrix import PlannedCase
from bench.running.pool import PROBE, Pool
from bench.running.schedule import Schedule
from bench.running.server import Ending, Server, ServerDiedError
from bench.running.session import INTERRUPTS, Interrupted, interrupts_held, interrupts_raised, run_rounds


@dataclasses.dataclass(kw_only=True)
class ScriptedPool:
    """Answers visits without a process, and looks at the journal while one would run."""

    path: Path
    result_of: Callable[[Case, int], CaseResult]
    visits: list[tuple[str, int]] = dataclasses.field(default_factory=list)
    on_disk: list[int] = dataclasses.field(default_factory=list)
    """How many results the journal held when each visit began."""
    orders: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def visit(self, case: Case, **order: Any) -> CaseResult:
        self.on_disk.append(len(journal.read(self.path).results))
        self.visits.append((case.id, order["round_index"]))
        self.orders.append(order)
        return self.result_of(case, order["round_index"])


class Listener:
    """Hears a run go by."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def visit_begins(self, case: Case, round_index: int) -> None:
        self.heard.append(f"begin {case.id} {round_index}")

    def visit_ended(self, result: CaseResult, schedule: Schedule, elapsed_seconds: float) -> None:
        assert elapsed_seconds >= 0
        self.heard.append(f"end {result.case.id} {result.round}: {schedule.rounds_of(result.case)} ok")


Run = Callable[..., tuple[ScriptedPool, Listener]]


@pytest.fixture(name="cases")
def _cases(make_case: Callable[..., Case]) -> list[Case]:
    return [make_case(workload=f"w{number}") for number in range(4)]


@pytest.fixture(name="result_of")
def _result_of(make_measurement: Callable[..., Measurement]) -> Callable[[Case, int], CaseResult]:
    def result_of(case: Case, round_index: int) -> CaseResult:
        return CaseResult(
            case=case, round=round_index, status="ok", measurement=make_measurement(), duration_seconds=1.0
        )

    return result_of


@pytest.fixture(name="run")
def _run(tmp_path: Path, result_of: Callable[[Case, int], CaseResult]) -> Run:
    """Return what runs the rounds of some cases against a journal in the test's folder, or goes on with it."""
    path = tmp_path / journal.FILE_NAME

    def run(
        planned: Sequence[Case | PlannedCase],
        *,
        results: Callable[[Case, int], CaseResult] = result_of,
        remaining: Callable[[], float] = lambda: 1e6,
        **sampling: Any,
    ) -> tuple[ScriptedPool, Listener]:
        entries = [entry if isinstance(entry, PlannedCase) else PlannedCase(case=entry) for entry in planned]
        plan = Plan(
            cases=tuple(entry.case for entry in entries), sampling=SamplingPlan(**sampling), environment=Environment()
        )
        earlier = journal.read(path).results if path.exists() else ()
        is_new = not path.exists()
        writer = JournalWriter(path)
        if is_new:
            writer.write_plan(plan)
        pool, listener = ScriptedPool(path=path, result_of=results), Listener()
        try:
            run_rounds(
                plan=plan,
                planned=entries,
                earlier=earlier,
                pool=cast("Pool", pool),
                journal=writer,
                observer=listener,
                remaining_seconds=remaining,
            )
        finally:
            writer.close()
        return pool, listener

    return run


def _results(tmp_path: Path) -> list[tuple[str, int]]:
    return [(result.case.id, result.round) for result in journal.read(tmp_path / journal.FILE_NAME).results]


def _send(number: signal.Signals) -> None:
    """Send this process a signal and wait for it."""
    os.kill(os.getpid(), number)
    time.sleep(5)


def _broken_after(visits: int, result_of: Callable[[Case, int], CaseResult]) -> Callable[[Case, int], CaseResult]:
    """Return a script in which the visit after so many never ends."""
    left = iter(range(visits))

    def results(case: Case, round_index: int) -> CaseResult:
        if next(left, None) is None:
            raise Interrupted(signal.SIGINT)
        return result_of(case, round_index)

    return results


def test_every_round_visits_each_case_once(run: Run, cases: list[Case]) -> None:
    pool, _ = run(cases, rounds=3)
    assert [round_index for _, round_index in pool.visits] == [0] * 4 + [1] * 4 + [2] * 4
    assert sorted(pool.visits) == sorted((case.id, number) for case in cases for number in range(3))


def test_every_result_is_in_the_journal_before_the_next_visit_begins(
    run: Run, cases: list[Case], tmp_path: Path
) -> None:
    pool, _ = run(cases, rounds=2)
    assert pool.on_disk == list(range(8))
    assert _results(tmp_path) == pool.visits


def test_cases_that_cannot_run_are_written_first_and_never_visited(run: Run, cases: list[Case], tmp_path: Path) -> None:
    skipped = PlannedCase(case=cases[1], status="skipped", reason="needs 1 CUDA device, found 0")
    senseless = PlannedCase(case=cases[3], status="unsupported", reason="no sense")
    pool, _ = run([cases[0], skipped, cases[2], senseless], rounds=1)
    written = journal.read(tmp_path / journal.FILE_NAME).results
    assert [(result.case, result.status, result.reason) for result in written[:2]] == [
        (cases[1], "skipped", "needs 1 CUDA device, found 0"),
        (cases[3], "unsupported", "no sense"),
    ]
    assert {case_id for case_id, _ in pool.visits} == {cases[0].id, cases[2].id}
    assert pool.on_disk == [2, 3]


def test_a_run_of_skipped_cases_ends_without_a_visit(run: Run, cases: list[Case], tmp_path: Path) -> None:
    pool, _ = run([PlannedCase(case=case, status="skipped", reason="no") for case in cases])
    assert pool.visits == []
    assert len(_results(tmp_path)) == 4


def test_memory_is_only_measured_in_the_first_round(run: Run, cases: list[Case]) -> None:
    pool, _ = run(cases[:2], rounds=3)
    assert [order["with_extras"] for order in pool.orders] == [True, True, False, False, False, False]


def test_a_visit_has_the_ranks_of_its_case_and_the_deadline_of_the_plan(
    run: Run, make_case: Callable[..., Case]
) -> None:
    deadlines = {"timeout_seconds": 7.0, "compile_timeout_seconds": 70.0}
    pool, _ = run([make_case(strategy="ddp", num_devices=2)], rounds=1, **deadlines)
    assert pool.orders == [{"num_processes": 2, "round_index": 0, **deadlines, "with_extras": True}]


def test_a_case_that_fails_is_one_row_and_the_others_go_on(
    run: Run, cases: list[Case], result_of: Callable[[Case, int], CaseResult], tmp_path: Path
) -> None:
    def results(case: Case, round_index: int) -> CaseResult:
        good = result_of(case, round_index)
        return dataclasses.replace(good, status="oom", measurement=None) if case == cases[2] else good

    run(cases, results=results, rounds=3)
    seen = _results(tmp_path)
    assert [entry for entry in seen if entry[0] == cases[2].id] == [(cases[2].id, 0)]
    assert len(seen) == 1 + 3 * 3


def test_the_observer_hears_of_each_visit_before_and_after(run: Run, cases: list[Case]) -> None:
    _, listener = run(cases[:1], rounds=2)
    case_id = cases[0].id
    assert listener.heard == [
        *(f"begin {case_id} 0", f"end {case_id} 0: 1 ok"),
        *(f"begin {case_id} 1", f"end {case_id} 1: 2 ok"),
    ]


def test_the_rounds_end_with_the_budget(run: Run, cases: list[Case]) -> None:
    now = iter(range(100))  # it is asked before each visit, and one takes 1.0 in the script
    pool, _ = run(cases, remaining=lambda: 7.5 - next(now), target_ratio=1e-9, budget_seconds=7.5)
    assert len(pool.visits) == 7
    assert max(round_index for _, round_index in pool.visits) == 1


def test_a_resumed_run_completes_a_half_done_round_in_the_order_in_which_it_began(
    run: Run, cases: list[Case], result_of: Callable[[Case, int], CaseResult], tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        run(cases, results=_broken_after(6, result_of), rounds=3)
    first = _results(tmp_path)
    assert len(first) == 6
    resumed, _ = run(cases, rounds=3)
    (tmp_path / journal.FILE_NAME).unlink()
    uninterrupted, _ = run(cases, rounds=3)
    assert first + resumed.visits == uninterrupted.visits


@pytest.mark.parametrize("done", [0, 1, 3, 4, 7, 8])
def test_wherever_a_run_was_cut_short_no_visit_is_repeated(
    run: Run, cases: list[Case], result_of: Callable[[Case, int], CaseResult], tmp_path: Path, done: int
) -> None:
    skipped = PlannedCase(case=cases[3], status="skipped", reason="no")
    if done < 6:
        with pytest.raises(Interrupted):
            run([*cases[:3], skipped], results=_broken_after(done, result_of), rounds=2)
    else:
        run([*cases[:3], skipped], rounds=2)
    run([*cases[:3], skipped], rounds=2)
    seen = _results(tmp_path)
    assert len(set(seen)) == len(seen)
    assert sorted(seen) == sorted([*((case.id, number) for case in cases[:3] for number in range(2)), (cases[3].id, 0)])


def test_a_resumed_run_leaves_failed_cases_alone(
    run: Run, cases: list[Case], result_of: Callable[[Case, int], CaseResult]
) -> None:
    def results(case: Case, round_index: int) -> CaseResult:
        good = result_of(case, round_index)
        return dataclasses.replace(good, status="error", measurement=None) if case == cases[0] else good

    run(cases, results=results, rounds=1)
    resumed, _ = run(cases, rounds=2)
    assert sorted(resumed.visits) == sorted((case.id, 1) for case in cases[1:])


def test_a_case_that_waited_in_an_earlier_round_is_not_paired_with_it_later(
    run: Run, cases: list[Case], tmp_path: Path, result_of: Callable[[Case, int], CaseResult]
) -> None:
    writer = JournalWriter(tmp_path / journal.FILE_NAME)
    plan = Plan(cases=tuple(cases[:2]), sampling=SamplingPlan(), environment=Environment())
    writer.write_plan(plan)
    for case, round_index in ((cases[0], 0), (cases[1], 0), (cases[0], 1), (cases[0], 2)):
        writer.write_result(result_of(case, round_index))
    writer.close()
    resumed, _ = run(cases[:2], target_ratio=0.5)
    assert min(round_index for _, round_index in resumed.visits) == 2
    assert (cases[1].id, 2) in resumed.visits


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=str,
)
def test_a_signal_that_asks_to_end_raises_with_its_exit_status(number: signal.Signals, status: int) -> None:
    with pytest.raises(Interrupted) as caught, interrupts_raised():
        _send(number)
    assert caught.value.exit_status == status
    assert str(caught.value) == number.name


def test_an_interrupt_passes_code_that_catches_every_exception() -> None:
    assert not issubclass(Interrupted, Exception)


def test_the_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in INTERRUPTS]
    with interrupts_raised():
        assert [signal.getsignal(number) for number in INTERRUPTS] != before
    assert [signal.getsignal(number) for number in INTERRUPTS] == before
    with pytest.raises(Interrupted), interrupts_raised():
        _send(signal.SIGTERM)
    assert [signal.getsignal(number) for number in INTERRUPTS] == before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with interrupts_raised():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_reports_are_finished_whatever_asks_to_end_but_ctrl_c() -> None:
    before = [signal.getsignal(number) for number in INTERRUPTS]
    with interrupts_held():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            _send(signal.SIGINT)
    assert [signal.getsignal(number) for number in INTERRUPTS] == before


def test_a_signal_during_a_visit_leaves_the_journal_whole(
    run: Run, cases: list[Case], result_of: Callable[[Case, int], CaseResult], tmp_path: Path
) -> None:
    def results(case: Case, round_index: int) -> CaseResult:
        if len(_results(tmp_path)) == 2:
            _send(signal.SIGTERM)
        return result_of(case, round_index)

    with pytest.raises(Interrupted), interrupts_raised():
        run(cases, results=results, rounds=1)
    assert len(_results(tmp_path)) == 2


class ScriptedServer:
    """A server whose ranks answer at once, or that is dead."""

    def __init__(self, directory: Path, answer: Answer, *, is_dead: bool = False) -> None:
        self.directory = directory
        self.answer = answer
        self.is_dead = is_dead
        self.tasks: list[dict[str, Any]] = []
        self.stops = 0
        directory.mkdir(exist_ok=True)

    def order(self, directories: Sequence[Path]) -> None:
        if self.is_dead:
            raise ServerDiedError("the process that starts workers ended")
        (directory,) = directories
        self.tasks.append(json.loads((directory / TASK_FILE).read_text()))
        for rank in range(self.tasks[-1]["num_processes"]):
            (directory / answer_file(rank)).write_text(json.dumps(to_plain(self.answer)))

    def endings(self, timeout_seconds: float) -> list[Ending]:
        assert timeout_seconds >= self.tasks[-1]["deadline_seconds"]
        return [Ending(timed_out=False, exit_codes=(0,) * self.tasks[-1]["num_processes"])]

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture(name="servers")
def _servers(tmp_path: Path, make_measurement: Callable[..., Measurement]) -> list[ScriptedServer]:
    answer = Answer(status="ok", measurement=make_measurement())
    return [ScriptedServer(tmp_path / f"server{number}", answer) for number in range(3)]


@pytest.fixture(name="pool")
def _pool(servers: list[ScriptedServer]) -> Iterator[Pool]:
    pool = Pool(3, "forkserver", {"HOME": "/home/me"})
    pool._servers = cast("list[Server]", servers)
    yield pool
    pool.stop()


def _visit(pool: Pool, case: Case, round_index: int) -> CaseResult:
    return pool.visit(case, num_processes=1, round_index=round_index, timeout_seconds=5.0, with_extras=False)


def test_rounds_go_to_the_servers_in_turn(pool: Pool, servers: list[ScriptedServer], cases: list[Case]) -> None:
    results = [_visit(pool, case, round_index) for round_index in range(4) for case in cases[:2]]
    assert [result.server for result in results] == [0, 0, 1, 1, 2, 2, 0, 0]
    assert [len(server.tasks) for server in servers] == [4, 2, 2]


def test_a_worker_gets_the_users_variables_and_a_folder_for_temp_files_that_ends_with_the_visit(
    pool: Pool, servers: list[ScriptedServer], cases: list[Case]
) -> None:
    _visit(pool, cases[0], 1)
    environment = servers[1].tasks[0]["environment"]
    assert environment["HOME"] == "/home/me"
    temporary = Path(environment["TMPDIR"])
    assert temporary.is_relative_to(servers[1].directory)  # its launcher removes that, also when the parent is killed
    assert not temporary.exists()


def test_each_case_has_a_folder_of_its_own_for_what_its_rounds_compile(
    pool: Pool, servers: list[ScriptedServer], cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_user_environment", {"TORCHINDUCTOR_CACHE_DIR": "/yesterday"})
    for case, round_index in ((cases[0], 0), (cases[0], 1), (cases[1], 0)):
        _visit(pool, case, round_index)
    first, second, other = servers[0].tasks[0], servers[1].tasks[0], servers[0].tasks[1]
    folders = [task["environment"]["TORCHINDUCTOR_CACHE_DIR"] for task in (first, second, other)]
    assert folders[0] == folders[1] != folders[2]
    assert all(Path(folder).is_relative_to(pool.directory) for folder in folders)
    assert first["environment"]["TRITON_CACHE_DIR"].startswith(folders[0])


@pytest.mark.parametrize(
    ("axes", "compiling"),
    [
        ({"compile": "default"}, (600.0, ["torch._inductor.compile_fx"])),
        ({"compile": "max_autotune", "device": "cuda"}, (600.0, [])),  # whose drivers the server must not touch
        ({}, (0.0, [])),
    ],
)
def test_a_compiled_case_has_a_deadline_more(
    pool: Pool, servers: list[ScriptedServer], make_case: Callable[..., Case], axes: dict[str, Any], compiling: Any
) -> None:
    _visit(pool, make_case(**axes), 0)
    (task,) = servers[0].tasks
    assert (task["compile_timeout_seconds"], task["imports"]) == compiling
    assert task["deadline_seconds"] == 5.0


def test_a_server_that_died_is_a_crashed_row_and_another_takes_its_place(
    pool: Pool, servers: list[ScriptedServer], cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = ScriptedServer(tmp_path / "spare", servers[0].answer)
    monkeypatch.setattr(pool, "_new_server", lambda: spare)
    dead = servers[0]
    dead.is_dead = True
    assert _visit(pool, cases[0], 0).status == "crashed"
    assert dead.stops == 1
    assert _visit(pool, cases[1], 0).status == "ok"
    assert [task["function"] for task in spare.tasks] == [PROBE, None]


def test_a_server_that_cannot_be_replaced_ends_the_run(
    pool: Pool, servers: list[ScriptedServer], cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    servers[0].is_dead = True
    monkeypatch.setattr(pool, "_new_server", lambda: servers[0])
    with pytest.raises(NothingToMeasureError, match="died and cannot be replaced"):
        _visit(pool, cases[0], 0)


def test_the_folder_of_a_pool_is_gone_after_it(servers: list[ScriptedServer]) -> None:
    pool = Pool(3, "forkserver", {})
    pool._servers = cast("list[Server]", servers)
    folder = pool.directory
    assert folder.is_dir()
    pool.stop()
    pool.stop()
    assert not folder.exists()
    assert [server.stops for server in servers] == [1, 1, 1]
