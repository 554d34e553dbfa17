"""
The launcher: a process between the parent and its workers, which is a fork server where the platform can fork.

It imports the libraries once, starts the ranks of each visit through `torch.multiprocessing.start_processes`, enforces
the deadline, and ends with everything it started as soon as the parent closes its standard input, by design or by
death. Running it apart keeps torch out of the parent, and the parent's `__main__` (a notebook, a script without a
guard) out of the workers. It has one thread, as a process that forks must; multiprocessing's own fork server would be
a second process that imports torch.
"""

import argparse
import contextlib
import ctypes
import functools
import importlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TextIO

from bench.measuring.task import COMPILED_FOLDER, TASK_FILE, Limit, Task
from bench.record import from_plain

GRACE_SECONDS = 1.0
"""What the other ranks get after one failed; torch's own default would be 30 s for one that ignores SIGTERM."""
STACK_SECONDS = 0.2
"""What a hanging worker gets to write its stack."""
MAX_LOOKS, LOOK_SECONDS = 100, 0.005
"""How often to look for strays: a zombie stays until its parent has waited for it."""
COMPILING_LOOK_SECONDS = 1.0
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (not a temp file of ours: torch's segments are looked for here)
PR_SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h: orphans below this process become its children, also those in sessions of their own."""


class Session:
    """The processes that this launcher is answerable for: its descendants, and all that share its session."""

    def __init__(self) -> None:
        self._own_sid = os.getsid(0)
        self._kept = {os.getpid()}
        self._reaps = sys.platform == "linux"
        if self._reaps:
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def keep_present(self) -> None:
        """Take what runs now (a resource tracker) for what should stay between visits."""
        self._kept |= self._pids()

    def kill_strays(self) -> None:
        """Kill all that a visit left behind, and remove the shared memory of the killed."""
        self._kill_all_but(self._kept)

    def kill_all(self) -> None:
        """Kill everything but this process."""
        self._kill_all_but({os.getpid()})

    def _kill_all_but(self, kept: set[int]) -> None:
        for _ in range(MAX_LOOKS):  # again, since the children of a killed one become ours
            if not (strays := self._pids() - kept):
                return
            self._kill(strays)
            time.sleep(LOOK_SECONDS)

    def _pids(self) -> set[int]:
        """Return who is alive; read from /proc at 0.5 ms a look, where psutil's tree of all processes takes 3 ms."""
        pids = {pid for pid in _everyone() if _sid_of(pid) == self._own_sid}
        for children in Path("/proc/self/task").glob("*/children"):
            with contextlib.suppress(OSError):  # that thread has ended
                pids |= {int(pid) for pid in children.read_text(encoding="ascii").split()}
        return pids

    def _kill(self, pids: set[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            if self._reaps:
                with contextlib.suppress(ChildProcessError):  # it has a parent of its own that is still there
                    os.waitpid(pid, 0)
            for segment in SHARED_MEMORY.glob(f"torch_{pid}_*"):
                segment.unlink(missing_ok=True)


def _everyone() -> list[int]:
    """Return all processes; where there is no /proc psutil knows, which another environment may lack."""
    if Path("/proc/self").exists():
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return list(importlib.import_module("psutil").pids())


def _sid_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


class ParentGoneError(Exception):
    """The parent closed the pipe or is dead; nothing may stay behind."""


def main() -> None:
    """Serve orders, one JSON line each on standard input, until it closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--start-method", choices=("forkserver", "spawn"), required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = _take_standard_output()
    session = Session()
    try:
        _serve_orders(answers, session, options.start_method)
    except (ParentGoneError, BrokenPipeError):
        pass
    finally:
        session.kill_all()
        shutil.rmtree(options.directory, ignore_errors=True)
        _remove_folder_of_run(options.directory.parent)


def _remove_folder_of_run(folder: Path) -> None:
    """Remove *folder* if this was the last launcher of the run; what the run compiled lies in it."""
    with contextlib.suppress(OSError):
        if {entry.name for entry in folder.iterdir()} <= {COMPILED_FOLDER}:
            shutil.rmtree(folder, ignore_errors=True)


def _serve_orders(answers: TextIO, session: Session, start_method: str) -> None:
    is_fork_server = start_method == "forkserver"
    if is_fork_server:
        importlib.import_module("bench.measuring.preload")
        # A worker that outlived this process would keep the parent waiting for an answer.
        os.register_at_fork(after_in_child=answers.close)
    from torch.multiprocessing.spawn import start_processes  # noqa: PLC0415 (after the preload, which sets threads)

    if not is_fork_server:
        resource_tracker.ensure_running()  # what a spawned process needs; it stays
    session.keep_present()
    for line in iter(sys.stdin.readline, ""):
        directories = [Path(directory) for directory in json.loads(line)]
        tasks = [_task_in(directory) for directory in directories]
        if is_fork_server:
            for task in tasks:
                sys.modules["bench.measuring.preload"].import_more(task.imports)
        start = functools.partial(start_processes, join=False, start_method="fork" if is_fork_server else "spawn")
        endings = _serve([Visit(start, *one) for one in zip(tasks, directories, strict=True)])
        session.kill_strays()  # before the answer, so that none is left when the next order comes
        answers.write(json.dumps(endings) + "\n")
        answers.flush()


def _task_in(directory: Path) -> Task:
    task: Task = from_plain(Task, json.loads((directory / TASK_FILE).read_text(encoding="utf-8")))
    return task


class Visit:
    """The processes of one task, which start at once."""

    def __init__(self, start: Callable[..., Any], task: Task, directory: Path) -> None:
        from bench.measuring.process import run_rank  # noqa: PLC0415 (needs torch, which main imports late)

        self._task, self._directory = task, directory
        self._survivors: set[int] = set()
        """Ranks that lived when another failed: what join() does to them then is not what happened to them."""
        self._limit: Limit | None = None
        """The one that was missed."""
        self.is_bystander = False
        """Whether it was ended because of another visit."""
        self._context = start(run_rank, args=(str(directory),), nprocs=task.num_processes)

    @property
    def sentinels(self) -> list[int]:
        """Of the processes that have not been joined."""
        return list(self._context.sentinels)

    @property
    def patience_seconds(self) -> float:
        """How long to wait before the next look at the clock."""
        left_seconds = max(0.0, (self._task.limit(self._directory).end_ns - time.monotonic_ns()) / 1e9)
        # It changes when compilation begins or ends, which nothing tells this process.
        return min(left_seconds, COMPILING_LOOK_SECONDS) if self._task.compile_timeout_seconds else left_seconds

    def has_ended(self) -> bool:
        """Take note of what has ended; end the rest where a rank failed or the deadline has passed."""
        from torch.multiprocessing.spawn import ProcessException  # noqa: PLC0415 (as above)

        processes = self._context.processes
        self._survivors = {rank for rank, process in enumerate(processes) if process.is_alive()}
        try:
            if self._context.join(timeout=0, grace_period=GRACE_SECONDS):
                self._survivors = set()
                return True
        except ProcessException as error:
            self._survivors.discard(error.error_index)
            print(error, file=sys.stderr)
            return True
        limit = self._task.limit(self._directory)
        if time.monotonic_ns() < limit.end_ns:
            return False
        self._limit, self._survivors = limit, set()
        _kill(processes)
        return True

    def end(self) -> None:
        """End it because of another."""
        self.is_bystander = True
        for process in self._context.processes:
            process.kill()
        for process in self._context.processes:
            process.join()

    @property
    def ending(self) -> dict[str, Any]:
        """The answer to the parent, once it has ended."""
        return {
            "timed_out": self._limit is not None,
            "is_compiling": self._limit is not None and self._limit.is_compiling,
            "is_bystander": self.is_bystander,
            "exit_codes": [
                -signal.SIGTERM if rank in self._survivors else process.exitcode
                for rank, process in enumerate(self._context.processes)
            ],
        }


def _serve(visits: Sequence[Visit]) -> list[dict[str, Any]]:
    """Wait until all *visits* have ended; where one ends badly the others end too, since they wait for each other."""
    stdin, running = sys.stdin.fileno(), list(visits)
    while running:
        sentinels = [sentinel for visit in running for sentinel in visit.sentinels]
        # No order comes before the answer to this one, so what there is to read of the parent is its end.
        if stdin in wait([*sentinels, stdin], timeout=min(visit.patience_seconds for visit in running)):
            raise ParentGoneError
        ended = [visit for visit in running if visit.has_ended()]
        running = [visit for visit in running if visit not in ended]
        if any(visit.ending["timed_out"] or any(visit.ending["exit_codes"]) for visit in ended):
            for visit in running:
                visit.end()
            break
    return [visit.ending for visit in visits]


def _kill(processes: list[Any]) -> None:
    """Let each process write its stack to its log, then kill it."""
    for process in processes:
        if process.is_alive() and hasattr(signal, "SIGUSR1"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGUSR1)
    time.sleep(STACK_SECONDS)
    for process in processes:
        process.kill()
    for process in processes:
        process.join()


def _take_standard_output() -> TextIO:
    """Keep standard output for answers, and send whatever else is printed to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    main()
