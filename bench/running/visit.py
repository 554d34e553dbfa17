"""One visit: a task for the workers, and the result that their answers, exit codes and logs add up to."""

import contextlib
import dataclasses
import datetime
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.measuring.task import TASK_FILE, Answer, Checkout, Task, answer_file, log_file
from bench.record import from_plain, to_plain
from bench.result import CaseResult, Failure, Status
from bench.running.server import Ending, Server, ServerDiedError

LOG_BYTES, LOG_LINES, LONG_LINE = 65536, 30, 300
"""What is kept of a log: a reader wants a screenful."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a visit came to."""

    status: Status
    reason: str | None
    answer: Answer | None
    """Rank 0's, where it left one."""
    failure: Failure | None
    flags: tuple[str, ...] = ()
    is_bystander: bool = False
    """Whether it failed because a visit beside it did."""


def visit(server: Server, server_index: int, task: Task, round_index: int) -> CaseResult:
    """Run *task*'s case once on *server* and return its result, whatever happens to the workers or the launcher."""
    assert task.case is not None
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    started = time.monotonic()
    outcome = perform(server, task)
    return CaseResult(
        case=task.case,
        round=round_index,
        server=server_index,
        status=outcome.status,
        reason=outcome.reason,
        measurement=outcome.answer.measurement if outcome.answer else None,
        failure=outcome.failure,
        flags=outcome.flags,
        started_at=started_at,
        duration_seconds=round(time.monotonic() - started, 6),
    )


def perform(server: Server, task: Task) -> Outcome:
    """Order *task* from *server* and interpret how it ended; the folder of the visit is gone afterwards."""
    (outcome,) = perform_together([(server, [task])])
    return outcome


def perform_together(
    orders: Sequence[tuple[Server, Sequence[Task]]], conduct: Callable[[], None] = lambda: None
) -> list[Outcome]:
    """
    Run tasks side by side and interpret how each ended, in the order in which they are given.

    Args:
        orders: A server at most once, with its tasks, which start in this order.
        conduct: Called once all were ordered; the tasks end after it.
    """
    with contextlib.ExitStack() as folders:
        visits = [
            [folders.enter_context(_visit_folder(server, number, task)) for number, task in enumerate(tasks)]
            for server, tasks in orders
        ]
        servers = [server for server, _ in orders]
        deaths = [_order(server, own) for server, own in zip(servers, visits, strict=True)]
        if not all(deaths):  # with one gone the other one waits, and has to be told
            conduct()
        outcomes = []
        for server, own, death in zip(servers, visits, deaths, strict=True):
            outcomes += _crashed(own, death) if death else _outcomes(server, own)
        return outcomes


def _order(server: Server, visits: Sequence[tuple[Path, Task]]) -> ServerDiedError | None:
    """Start *visits* on *server*; return its death where it is gone."""
    try:
        server.order([folder for folder, _ in visits])
    except ServerDiedError as error:
        return error
    return None


def _crashed(visits: Sequence[tuple[Path, Task]], death: ServerDiedError) -> list[Outcome]:
    return [_failed("crashed", str(death), folder, task, exit_code=None) for folder, task in visits]


def _outcomes(server: Server, visits: Sequence[tuple[Path, Task]]) -> list[Outcome]:
    """Wait for the *visits* of one order, and return what each came to."""
    try:
        endings = server.endings(max(task.longest_seconds for _, task in visits))
    except ServerDiedError as error:
        return _crashed(visits, error)
    return [
        dataclasses.replace(_interpret(ending, *one), is_bystander=ending.is_bystander)
        for ending, one in zip(endings, visits, strict=True)
    ]


@contextlib.contextmanager
def _visit_folder(server: Server, number: int, task: Task) -> Iterator[tuple[Path, Task]]:
    """Make the folder of a visit with its task in it, which is stamped now."""
    folder = server.directory / f"visit{number}"
    folder.mkdir(mode=0o700)
    try:
        temporary = folder / "tmp"
        temporary.mkdir()
        environment = {**task.environment, "TMPDIR": str(temporary)}
        stamped = dataclasses.replace(task, environment=environment, ordered_at_ns=time.monotonic_ns())
        (folder / TASK_FILE).write_text(json.dumps(to_plain(stamped)), encoding="utf-8")
        yield folder, stamped
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _interpret(ending: Ending, folder: Path, task: Task) -> Outcome:
    answers = [_read_answer(folder, rank) for rank in range(task.num_processes)]
    failed = [answer for answer in answers if answer is not None and answer.status != "ok"]
    if ending.timed_out:  # a collective that gives up once the deadline has passed is not why it was missed
        deadline_ns = task.limit(folder).end_ns
        failed = [answer for answer in failed if (answer.failed_at_ns or 0) < deadline_ns]
    if all(answer is not None and answer.status == "ok" for answer in answers):
        # All results are on the disk, so what happened after them is a warning, not a failure.
        aborted = ending.timed_out or any(code != 0 for code in ending.exit_codes)
        flags = ("teardown_abort",) if aborted else ()
        return Outcome(status="ok", reason=None, answer=answers[0], failure=None, flags=flags)
    exit_code = _telling_exit_code(ending)
    vanished = not ending.timed_out and any(
        answer is None and code != -signal.SIGTERM for answer, code in zip(answers, ending.exit_codes, strict=True)
    )
    if failed and not vanished:  # a rank that vanished takes the others with it; what those say is not the cause
        first = min(failed, key=lambda answer: (answer.status != "oom", answer.failed_at_ns or 0))
        return _failed(first.status, first.message or first.status, folder, task, exit_code=exit_code)
    if ending.timed_out:
        reason = _timeout_reason(task, is_compiling=ending.is_compiling)
        return _failed("timeout", reason, folder, task, exit_code=exit_code)
    return _failed("crashed", _crash_reason(exit_code), folder, task, exit_code=exit_code)


def _timeout_reason(task: Task, *, is_compiling: bool) -> str:
    what, seconds, option = (
        ("compiled", task.compile_timeout_seconds, "--compile-timeout")
        if is_compiling
        else ("done", task.deadline_seconds, "--timeout")
    )
    return f"not {what} after {seconds:g} s and killed; raise {option}, or see in the log's last lines where it hangs"


def _telling_exit_code(ending: Ending) -> int | None:
    """Return the exit code that says most: not the SIGTERM that survivors get, nor the 1 of a rank that raised."""
    codes = [code for code in ending.exit_codes if code is not None]
    return min(codes, key=lambda code: (code == -signal.SIGTERM, code == 1, code == 0, code), default=None)


def _crash_reason(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"a worker ended with exit code {exit_code} and left no result; something called exit"
    name = signal.Signals(-exit_code).name if -exit_code in set(signal.Signals) else f"signal {-exit_code}"
    hint = {
        "SIGKILL": "often the kernel's out-of-memory killer",
        "SIGBUS": "often a full /dev/shm",
        "SIGSEGV": "a bug in native code; the log's last lines show the Python stack",
    }.get(name)
    return f"a worker was killed by {name}" + (f" ({hint})" if hint else "")


def _failed(status: Status, reason: str, folder: Path, task: Task, *, exit_code: int | None) -> Outcome:
    tails = {str(rank): _log_tail(folder / log_file(rank)) for rank in range(task.num_processes)}
    reason = _in_the_revision(_printable(reason), task.checkout)[:LONG_LINE]
    failure = Failure(message=reason, log_tail=tails, exit_code=exit_code)
    return Outcome(status=status, reason=reason, answer=None, failure=failure)


def _in_the_revision(reason: str, checkout: Checkout | None) -> str:
    """Return *reason* with files of a checkout as they are called there: its folder is gone before it is read."""
    if checkout is None:
        return reason
    return reason.replace(f"{checkout.root}{os.sep}", "").replace(checkout.root, "the revision's root")


def _read_answer(folder: Path, rank: int) -> Answer | None:
    try:
        plain = json.loads((folder / answer_file(rank)).read_text(encoding="utf-8"))
        answer: Answer = from_plain(Answer, plain)
    except (OSError, ValueError, KeyError, TypeError):  # absent, torn, or written by somebody else
        return None
    return answer


def _log_tail(path: Path) -> tuple[str, ...]:
    """Return the last lines of a log that may be gigabytes long and hold anything."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    return tuple(_printable(line)[:LONG_LINE] for line in lines[-LOG_LINES:])


def _printable(text: str) -> str:
    """Return *text* without the control characters that would move a terminal's cursor or change its colours."""
    return "".join(character if character.isprintable() else " " for character in text)
