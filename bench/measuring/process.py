"""What runs in a worker's process before and after the measuring: logs, environment, the watch over the parent."""

import contextlib
import faulthandler
import importlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch

from bench.errors import BenchError
from bench.measuring import checkout, layout
from bench.measuring.compiling import CACHE_VARIABLE
from bench.measuring.extras import with_extras
from bench.measuring.task import IN_WORKER, TASK_FILE, Answer, Task, answer_file, log_file, mark_compiling
from bench.measuring.training_step import StepError
from bench.measuring.turns import take_turns
from bench.measuring.worker import Worker, measure
from bench.record import from_plain, to_plain

OUT_OF_MEMORY_TEXTS = (
    "out of memory",
    "DefaultCPUAllocator: can't allocate",
    "not enough memory",
    "Storage size calculation overflowed",
    "ALLOC_FAILED",
    "ALLOCATION_FAILED",
)
"""How it is said where a bare RuntimeError is raised: torch's CPU allocator, cuBLAS, cuDNN 8 and cuDNN 9."""
MESSAGE_LENGTH = 500


def run_rank(rank: int, directory: str) -> None:
    """
    Run one rank of the task in *directory* and leave an answer file there; the entry point of every worker process.

    The answer is on the disk before tear-down, so that an abort afterwards loses nothing.
    """
    started_ns = time.monotonic_ns()
    folder = Path(directory)
    _send_output_to(folder / log_file(rank))
    _die_with_parent()
    task: Task = from_plain(Task, json.loads((folder / TASK_FILE).read_text(encoding="utf-8")))
    held = layout.drawn(task.layout_seed)
    try:
        _enter(task, rank)
        entered = checkout.enter(task.checkout) if task.checkout else None
        if task.function is not None:
            _leave_answer(folder, rank, Answer(status="ok", seen=_call(task.function, task.arguments)))
            return
        run = _run_in_turns if task.turns_at else _run
        worker = run(task, rank, folder, start_seconds=(started_ns - task.ordered_at_ns) / 1e9)
        if entered:
            checkout.check_imports(entered)
    except BaseException as error:  # noqa: BLE001 (whatever a user's file raises, SystemExit too, becomes a row)
        traceback.print_exc()
        _leave_answer(folder, rank, _answer_for(error))
        sys.exit(1)
    if worker.is_in_step:
        worker.ranks.leave()
    del held
    sys.stdout.flush()
    sys.stderr.flush()
    # Not by returning: that would free the worker, and DDP's reducer, when it holds the last reference to the process
    # group, waits under the GIL for gloo's thread, which waits for the GIL (2 of 12 visits hung there until killed).
    os._exit(0)


def _call(function: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    module, _, name = function.partition(":")
    seen: Mapping[str, Any] = getattr(importlib.import_module(module), name)(**arguments)
    return seen


def _run(task: Task, rank: int, folder: Path, *, start_seconds: float) -> Worker:
    assert task.case is not None
    deadline_seconds = task.deadline_seconds

    moments_ns: list[int] = []

    def mark() -> None:
        moments_ns.append(time.monotonic_ns())
        if rank == 0:
            mark_compiling(folder, *moments_ns)

    worker = Worker(
        task.case,
        rank=rank,
        rendezvous=folder / "rendezvous",
        deadline_seconds=deadline_seconds + task.compile_timeout_seconds,
        mark_compiling=mark,
    )
    measurement = measure(
        worker, ordered_at_ns=task.ordered_at_ns, start_seconds=start_seconds, deadline_seconds=deadline_seconds
    )
    _leave_answer(folder, rank, Answer(status="ok", measurement=measurement if rank == 0 else None))
    if task.with_extras:
        spent_seconds = (time.monotonic_ns() - task.ordered_at_ns) / 1e9 - (worker.compile_seconds or 0.0)
        remaining_seconds = deadline_seconds - spent_seconds
        measurement = with_extras(worker, measurement, remaining_seconds)
        _leave_answer(folder, rank, Answer(status="ok", measurement=measurement if rank == 0 else None))
    return worker


def _run_in_turns(task: Task, rank: int, folder: Path, *, start_seconds: float) -> Worker:
    """Run a task whose blocks the parent orders one by one; *start_seconds* is nobody's figure here."""
    del start_seconds
    assert task.case is not None
    workers = [
        Worker(case, rank=rank, rendezvous=folder / "rendezvous", deadline_seconds=task.deadline_seconds)
        for case in (task.case, *task.alternates)
    ]
    take_turns(workers, task.turns_at)
    _leave_answer(folder, rank, Answer(status="ok"))
    return workers[0]


def _answer_for(error: BaseException) -> Answer:
    text = _first_sentence(str(error))[:MESSAGE_LENGTH]
    if isinstance(error, (BenchError, StepError)):
        message = text
    else:
        message = f"{type(error).__name__}: {text}" if text else type(error).__name__
        message += _place_of(error)
    is_oom = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in OUT_OF_MEMORY_TEXTS)
    )
    return Answer(status="oom" if is_oom else "error", message=message, failed_at_ns=time.monotonic_ns())


def _first_sentence(text: str) -> str:
    """
    Return the first line, with the one that it announces.

    That is the next one after ``backend='inductor' raised:``, and what a compiler said.
    """
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    announced = len(lines) > 1 and lines[0].endswith("raised:")
    words = lines[: 2 if announced else 1]
    if "Output:" in lines[:-1]:
        words.append(f"({lines[lines.index('Output:') + 1]})")
    return " ".join(words)


def _place_of(error: BaseException) -> str:
    """Return `` (file.py:12)`` for the innermost frame outside torch and this package, if there is one."""
    # With the separator, so that a user's own folder `benchmarks` beside `bench` is not taken for this package.
    own = [f"{Path(__file__).parents[1]}{os.sep}", f"{Path(torch.__file__).parent}{os.sep}", "<frozen"]
    if CACHE_VARIABLE in os.environ:  # code that torch.compile has written
        own.append(os.environ[CACHE_VARIABLE])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(tuple(own))]
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


def _leave_answer(folder: Path, rank: int, answer: Answer) -> None:
    """Write the answer under another name first, so that a half-written one is never read."""
    path = folder / answer_file(rank)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(to_plain(answer)), encoding="utf-8")
    draft.replace(path)


def _enter(task: Task, rank: int) -> None:
    """Give this process the environment, folder and threads that the task says, not the launcher's."""
    os.environ.clear()
    os.environ.update(task.environment)
    os.environ[IN_WORKER] = "1"
    os.chdir(task.working_directory)
    tempfile.tempdir = None  # the launcher's is remembered; this process has its own TMPDIR
    # The launcher runs with a path of its own, so what the user's PYTHONPATH adds is added here.
    added = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and entry not in sys.path]
    sys.path[:0] = added
    torch.set_num_threads(task.num_threads)
    if task.case is not None and task.num_processes > 1:
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(task.num_processes))


def _send_output_to(path: Path) -> None:
    """Send everything that this process prints, C code included, to a file of its own."""
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 (no path of ours)
        os.dup2(nothing.fileno(), 0)  # it is the launcher's order pipe, which no child of a user's code may read
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False, encoding="utf-8", errors="replace")
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False, encoding="utf-8", errors="replace")
    faulthandler.enable(file=2)
    if hasattr(signal, "SIGUSR1"):  # the launcher asks with it where a worker hangs, before it kills it
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it ends the workers itself


def _die_with_parent() -> None:
    """
    Kill this process as soon as the launcher is gone, also from within a collective that hangs.

    A worker outlives a launcher that was killed with SIGKILL. The ranks forked after it hold its life line too: the
    last of them goes first, and the others follow.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        with contextlib.suppress(OSError):
            wait([sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="stepbench-parent-watch", daemon=True).start()
