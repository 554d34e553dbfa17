"""One visit: every way in which workers can end, as files and exit codes, and the row that comes of it."""

import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bench.case import Case
from bench.measuring.task import TASK_FILE, Answer, Checkout, Task, answer_file, log_file
from bench.record import to_plain
from bench.result import Measurement
from bench.running.server import Ending, Server, ServerDiedError
from bench.running.visit import LOG_LINES, LONG_LINE, Outcome, _interpret, perform, visit

LATER_NS = 2_000_000


@pytest.fixture(name="case")
def _case(make_case: Callable[..., Case]) -> Case:
    return make_case()


@pytest.fixture(name="ok")
def _ok(make_measurement: Callable[..., Measurement]) -> Answer:
    return Answer(status="ok", measurement=make_measurement())


def _error(message: str, failed_at_ns: int = 1_000_000, **fields: Any) -> Answer:
    return Answer(**{"status": "error", "message": message, "failed_at_ns": failed_at_ns, **fields})


def _oom(message: str, failed_at_ns: int = 1_000_000) -> Answer:
    return _error(message, failed_at_ns, status="oom")


def _leave(folder: Path, *answers: Answer | None) -> None:
    for rank, answer in enumerate(answers):
        if answer is not None:
            (folder / answer_file(rank)).write_text(json.dumps(to_plain(answer)))


def _outcome(
    folder: Path, case: Case, *answers: Answer | None, exit_codes: tuple[int | None, ...], timed_out: bool = False
) -> Outcome:
    """Return what a visit comes to whose ranks left *answers* (None: nothing) and ended with *exit_codes*."""
    _leave(folder, *answers)
    task = Task(case=case, num_processes=len(answers), deadline_seconds=30.0)
    return _interpret(Ending(timed_out=timed_out, exit_codes=exit_codes), folder, task)


def test_a_rank_that_leaves_a_measurement_is_ok(tmp_path: Path, case: Case, ok: Answer) -> None:
    outcome = _outcome(tmp_path, case, ok, exit_codes=(0,))
    assert outcome == Outcome(status="ok", reason=None, answer=ok, failure=None)


def test_with_several_ranks_the_measurement_is_that_of_the_first(tmp_path: Path, case: Case, ok: Answer) -> None:
    outcome = _outcome(tmp_path, case, ok, Answer(status="ok"), exit_codes=(0, 0))
    assert outcome.answer == ok


@pytest.mark.parametrize("exit_codes", [(-signal.SIGABRT, 0), (0, 1), (0, -signal.SIGTERM)])
def test_an_abort_after_the_results_were_left_is_a_flag(
    tmp_path: Path, case: Case, ok: Answer, exit_codes: tuple[int, int]
) -> None:
    outcome = _outcome(tmp_path, case, ok, Answer(status="ok"), exit_codes=exit_codes)
    assert (outcome.status, outcome.flags) == ("ok", ("teardown_abort",))


def test_a_tear_down_that_hangs_until_the_deadline_is_a_flag(tmp_path: Path, case: Case, ok: Answer) -> None:
    outcome = _outcome(tmp_path, case, ok, exit_codes=(-signal.SIGKILL,), timed_out=True)
    assert (outcome.status, outcome.flags) == ("ok", ("teardown_abort",))


def test_an_exception_is_an_error_with_its_message(tmp_path: Path, case: Case) -> None:
    outcome = _outcome(tmp_path, case, _error("ValueError: the data is wrong (bad.py:7)"), exit_codes=(1,))
    assert (outcome.status, outcome.reason) == ("error", "ValueError: the data is wrong (bad.py:7)")
    assert outcome.failure is not None
    assert (outcome.failure.message, outcome.failure.exit_code) == (outcome.reason, 1)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("workload file '/tmp/stepbench-x/side0/sub/wl.py' is not there", "workload file 'sub/wl.py' is not there"),
        ("workload module 'net' is not found from /tmp/stepbench-x/side0; give", "not found from the revision's root;"),
        ("module 'net' was imported from the working tree (/home/me/net.py)", "(/home/me/net.py)"),
    ],
)
def test_a_file_of_a_checkout_is_called_as_in_its_revision(
    tmp_path: Path, case: Case, message: str, reason: str
) -> None:
    """Its temporary folder is gone before anyone can look there."""
    _leave(tmp_path, _error(message))
    checkout = Checkout(root="/tmp/stepbench-x/side0", working_tree="/home/me")
    task = Task(case=case, num_processes=1, checkout=checkout)
    found = _interpret(Ending(timed_out=False, exit_codes=(1,)), tmp_path, task).reason
    assert found is not None
    assert reason in found
    assert "/tmp" not in found


def test_out_of_memory_on_one_rank_counts_more_than_an_earlier_error_on_another(tmp_path: Path, case: Case) -> None:
    answers = (_error("connection closed by peer", 1_000_000), _oom("can't allocate", LATER_NS))
    outcome = _outcome(tmp_path, case, *answers, exit_codes=(1, 1))
    assert (outcome.status, outcome.reason) == ("oom", "can't allocate")


@pytest.mark.parametrize(("first", "second"), [(1_000_000, LATER_NS), (LATER_NS, 1_000_000)])
def test_of_several_failures_the_earliest_is_the_reason(tmp_path: Path, case: Case, first: int, second: int) -> None:
    answers = (_error("rank 0 says", first), _error("rank 1 says", second))
    outcome = _outcome(tmp_path, case, *answers, exit_codes=(1, 1))
    assert outcome.reason == ("rank 0 says" if first < second else "rank 1 says")


def test_the_survivor_that_was_ended_says_nothing_against_the_rank_that_raised(tmp_path: Path, case: Case) -> None:
    outcome = _outcome(tmp_path, case, None, _error("ValueError"), exit_codes=(-signal.SIGTERM, 1))
    assert (outcome.status, outcome.reason) == ("error", "ValueError")


def test_a_rank_that_was_done_does_not_hide_the_failure_of_the_other(tmp_path: Path, case: Case, ok: Answer) -> None:
    outcome = _outcome(tmp_path, case, ok, _error("RuntimeError"), exit_codes=(0, 1))
    assert (outcome.status, outcome.answer) == ("error", None)


def test_a_worker_that_outlives_its_deadline_is_a_timeout_with_the_cure(tmp_path: Path, case: Case) -> None:
    outcome = _outcome(tmp_path, case, None, exit_codes=(-signal.SIGKILL,), timed_out=True)
    assert outcome.status == "timeout"
    assert outcome.reason == (
        "not done after 30 s and killed; raise --timeout, or see in the log's last lines where it hangs"
    )


def test_a_collective_that_hangs_because_one_rank_is_done_is_a_timeout(tmp_path: Path, case: Case, ok: Answer) -> None:
    outcome = _outcome(tmp_path, case, ok, None, exit_codes=(0, -signal.SIGKILL), timed_out=True)
    assert outcome.status == "timeout"


def test_the_error_of_one_rank_explains_the_hang_of_the_other(tmp_path: Path, case: Case) -> None:
    outcome = _outcome(tmp_path, case, None, _error("KeyError"), exit_codes=(-signal.SIGKILL, 1), timed_out=True)
    assert (outcome.status, outcome.reason) == ("error", "KeyError")


def test_a_collective_that_gives_up_after_the_deadline_is_not_why_it_was_missed(tmp_path: Path, case: Case) -> None:
    late = _error("Timed out waiting 30000ms for recv operation to complete", failed_at_ns=int(30.1e9))
    outcome = _outcome(tmp_path, case, late, None, exit_codes=(1, -signal.SIGKILL), timed_out=True)
    assert outcome.status == "timeout"


@pytest.mark.parametrize("exit_code", [0, 3])
def test_an_exit_without_an_answer_is_a_crash(tmp_path: Path, case: Case, exit_code: int) -> None:
    outcome = _outcome(tmp_path, case, None, exit_codes=(exit_code,))
    assert outcome.status == "crashed"
    assert outcome.reason == (f"a worker ended with exit code {exit_code} and left no result; something called exit")
    assert outcome.failure is not None
    assert outcome.failure.exit_code == exit_code


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (
            signal.SIGSEGV,
            "a worker was killed by SIGSEGV (a bug in native code; the log's last lines show the Python stack)",
        ),
        (signal.SIGKILL, "a worker was killed by SIGKILL (often the kernel's out-of-memory killer)"),
        (signal.SIGBUS, "a worker was killed by SIGBUS (often a full /dev/shm)"),
        (signal.SIGABRT, "a worker was killed by SIGABRT"),
        (signal.SIGRTMIN + 3, f"a worker was killed by signal {signal.SIGRTMIN + 3}"),
    ],
)
def test_a_signal_is_a_crash_with_its_name(tmp_path: Path, case: Case, number: int, reason: str) -> None:
    outcome = _outcome(tmp_path, case, None, exit_codes=(-number,))
    assert (outcome.status, outcome.reason) == ("crashed", reason)


@pytest.mark.parametrize("exit_code", [-signal.SIGKILL, 3, 0])
def test_what_a_rank_says_of_a_lost_peer_is_not_the_cause(tmp_path: Path, case: Case, exit_code: int) -> None:
    answers = (_error("Connection closed by peer [127.0.0.1]:1234"), None)
    outcome = _outcome(tmp_path, case, *answers, exit_codes=(1, exit_code))
    assert outcome.status == "crashed"
    assert outcome.failure is not None
    assert outcome.failure.exit_code == (exit_code or 1) or exit_code == 0
    assert "peer" not in str(outcome.reason)


def test_the_exit_code_that_tells_most_is_named(tmp_path: Path, case: Case) -> None:
    outcome = _outcome(tmp_path, case, None, None, exit_codes=(-signal.SIGTERM, 3))
    assert outcome.reason == "a worker ended with exit code 3 and left no result; something called exit"
    outcome = _outcome(tmp_path, case, None, None, exit_codes=(3, -signal.SIGSEGV))
    assert str(outcome.reason).startswith("a worker was killed by SIGSEGV")


@pytest.mark.parametrize("content", ['{"status": "ok", "measu', "", "[]", "null", '{"message": "no status"}', "\ud800"])
def test_an_answer_that_is_torn_or_is_none_counts_as_absent(tmp_path: Path, case: Case, content: str) -> None:
    (tmp_path / answer_file(0)).write_bytes(content.encode("utf-8", "surrogatepass"))
    outcome = _outcome(tmp_path, case, None, exit_codes=(-signal.SIGKILL,))
    assert outcome.status == "crashed"


def test_a_failure_keeps_the_last_lines_of_every_ranks_log(tmp_path: Path, case: Case) -> None:
    (tmp_path / log_file(0)).write_text("".join(f"line {number}\n" for number in range(100)))
    (tmp_path / log_file(1)).write_bytes(b"caf\xe9\n" + b"x" * (LONG_LINE + 50))
    outcome = _outcome(tmp_path, case, None, None, None, exit_codes=(-signal.SIGKILL, 0, 0))
    assert outcome.failure is not None
    tails = outcome.failure.log_tail
    assert tails["0"] == tuple(f"line {number}" for number in range(100 - LOG_LINES, 100))
    assert tails["1"] == ("caf\ufffd", "x" * LONG_LINE)
    assert tails["2"] == ()


def test_a_log_of_any_length_and_content_is_a_screenful_of_text(tmp_path: Path, case: Case) -> None:
    (tmp_path / log_file(0)).write_bytes(b"start\n" + b"\x00" * 10_000_000 + b"\n\x1b[31mred\x07\x1b[0m\n")
    outcome = _outcome(tmp_path, case, _error("line\x1b[2J one\n"), exit_codes=(1,))
    assert outcome.failure is not None
    tail = outcome.failure.log_tail["0"]
    assert tail[-1] == " [31mred  [0m"
    assert "start" not in tail
    assert all(len(line) <= LONG_LINE and line.isprintable() for line in tail)
    assert str(outcome.reason).isprintable()


class ScriptedServer:
    """Leaves what it is told to in the folder of the visit, or is dead."""

    def __init__(self, directory: Path, *answers: Answer, error: BaseException | None = None) -> None:
        self.directory = directory
        self.answers = answers
        self.error = error
        self.task: dict[str, Any] = {}
        self.order_arguments: tuple[Path, float] | None = None

    def order(self, directories: Sequence[Path]) -> None:
        (self.folder,) = directories
        self.task = json.loads((self.folder / TASK_FILE).read_text())
        (self.folder / "something of the workload's").write_text("x")

    def endings(self, timeout_seconds: float) -> list[Ending]:
        self.order_arguments = self.folder, timeout_seconds
        if self.error is not None:
            raise self.error
        _leave(self.folder, *self.answers)
        return [Ending(timed_out=False, exit_codes=(0,) * self.task["num_processes"])]


def _task(case: Case, **fields: Any) -> Task:
    return Task(case=case, deadline_seconds=12.5, **fields)


def test_a_visit_is_ordered_with_its_task_in_a_file(tmp_path: Path, case: Case, ok: Answer) -> None:
    server = ScriptedServer(tmp_path, ok, ok)
    outcome = perform(cast("Server", server), _task(case, num_processes=2))
    assert outcome.status == "ok"
    assert server.order_arguments is not None
    folder, timeout_seconds = server.order_arguments
    assert folder.parent == tmp_path
    assert (server.task["num_processes"], timeout_seconds) == (2, 12.5)
    assert server.task["case"] == to_plain(case)
    assert server.task["ordered_at_ns"] > 0


def test_a_server_that_dies_is_a_crashed_row_without_an_exit_code(tmp_path: Path, case: Case) -> None:
    server = ScriptedServer(tmp_path, error=ServerDiedError("the process that starts workers ended: Killed"))
    outcome = perform(cast("Server", server), _task(case))
    assert (outcome.status, outcome.reason) == ("crashed", "the process that starts workers ended: Killed")
    assert outcome.failure is not None
    assert outcome.failure.exit_code is None


@pytest.mark.parametrize("error", [None, ServerDiedError("gone"), KeyboardInterrupt()], ids=["ok", "dead", "interrupt"])
def test_the_folder_of_the_visit_is_gone_afterwards(
    tmp_path: Path, case: Case, ok: Answer, error: BaseException | None
) -> None:
    server = cast("Server", ScriptedServer(tmp_path, ok, error=error))
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            perform(server, _task(case))
    else:
        perform(server, _task(case))
    assert list(tmp_path.iterdir()) == []


def test_a_visit_becomes_a_result_of_its_round_and_server(tmp_path: Path, case: Case, ok: Answer) -> None:
    result = visit(cast("Server", ScriptedServer(tmp_path, ok)), 2, _task(case), round_index=5)
    assert (result.case, result.round, result.server, result.status) == (case, 5, 2, "ok")
    assert result.measurement == ok.measurement
    assert result.started_at.endswith("+00:00")
    assert result.duration_seconds > 0


def test_a_failed_visit_keeps_reason_and_failure(tmp_path: Path, case: Case) -> None:
    result = visit(cast("Server", ScriptedServer(tmp_path, _oom("can't allocate"))), 0, _task(case), round_index=0)
    assert (result.status, result.reason, result.measurement) == ("oom", "can't allocate", None)
    assert result.failure is not None


@pytest.mark.parametrize(
    ("is_compiling", "reason"),
    [
        (True, "not compiled after 600 s and killed; raise --compile-timeout, or see in the log's last lines"),
        (False, "not done after 12.5 s and killed; raise --timeout, or see in the log's last lines"),
    ],
)
def test_a_timeout_says_which_of_the_two_deadlines_was_missed(
    tmp_path: Path, case: Case, is_compiling: bool, reason: str
) -> None:
    ending = Ending(timed_out=True, is_compiling=is_compiling, exit_codes=(-signal.SIGKILL,))
    outcome = _interpret(ending, tmp_path, _task(case, compile_timeout_seconds=600.0))
    assert (outcome.status, (outcome.reason or "").partition(" where")[0]) == ("timeout", reason)
