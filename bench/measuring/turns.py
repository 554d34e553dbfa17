"""
A worker that takes turns: it trains a block when the parent says so, and stands still in between.

The parent holds one socket to each side, on rank 0. An order and its answer are a JSON line each:
``{"member": 0, "steps": 0}`` builds and warms up and is answered by ``{"step_seconds": ...}``; with steps above 0 it
trains a block and is answered by its `Use`. The end of the socket is the end of the work.
"""

import contextlib
import io
import json
import socket
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any, Self

import torch

from bench.measuring import arithmetic
from bench.measuring.worker import LEAD_STEPS, Worker
from bench.record import to_plain
from bench.result import Use

SPIN_SECONDS = 0.02
"""OpenMP's threads go on spinning for 4 to 12 ms after their work (docs/method.md): nobody else has a turn then."""
LONGEST_SPIN_SECONDS = 0.3
"""LLVM's and Intel's OpenMP spin for 200 ms unless KMP_BLOCKTIME says otherwise; for ever is nobody's turn."""
LOOK_SECONDS = 0.002
"""How long one has to look to see whether a thread is spinning."""
_END = -1


def take_turns(workers: Sequence[Worker], address: str) -> None:
    """
    Serve orders for *workers*, who are members of one side, until there is no more.

    Args:
        workers: This rank's; several only where there is one rank.
        address: Path of the parent's socket, used by rank 0.
    """
    ranks = workers[0].ranks
    switches = _Switches() if len(workers) > 1 else None
    with contextlib.ExitStack() as stack:
        parent = stack.enter_context(_Parent(address)) if ranks.rank == 0 else None
        while (member := ranks.agree(parent.member() if parent else 0)) != _END:
            steps = ranks.agree(parent.steps if parent else 0)
            worker = workers[member]
            with switches.of(member) if switches else contextlib.nullcontext():
                answer = _block(worker, steps) if steps else _prepare(worker)
            if parent:
                parent.answer(answer)


def _prepare(worker: Worker) -> dict[str, Any]:
    worker.prepare()
    _stand_still(worker)
    return {"step_seconds": worker.warm_step_seconds}


def _block(worker: Worker, steps: int) -> dict[str, Any]:
    block = worker.run_block(steps, LEAD_STEPS)
    _stand_still(worker)
    threads = torch.get_num_threads() * worker.ranks.world_size
    use = Use(
        usage=block.usage,
        window_seconds=block.wall_seconds,
        num_threads=threads,
        allocator_retries=block.incidents.allocator_retries or 0,
        compilations=block.incidents.compilations,
    )
    plain: dict[str, Any] = to_plain(use)
    return plain


def _stand_still(worker: Worker) -> None:
    """Wait until none of this worker's threads takes a core from who comes next."""
    if worker.device.is_accelerator or torch.get_num_threads() == 1:
        return
    time.sleep(SPIN_SECONDS)
    end = time.monotonic() + LONGEST_SPIN_SECONDS
    while time.monotonic() < end:
        used_seconds = time.process_time()
        time.sleep(LOOK_SECONDS)
        if time.process_time() - used_seconds < LOOK_SECONDS / 2:
            return


class _Switches:
    """Gives each member the process's switches as it left them; they are part of a precision."""

    def __init__(self) -> None:
        self._initial = arithmetic.switches()
        self._left: dict[int, arithmetic.Switches] = {}

    @contextlib.contextmanager
    def of(self, member: int) -> Iterator[None]:
        arithmetic.set_switches(self._left.get(member, self._initial))
        yield
        self._left[member] = arithmetic.switches()


class _Parent:
    """The parent's end of the socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._lines: IO[bytes] = io.BytesIO()
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):  # it left, as the other side has ended
            self._socket.connect(address)
            self._lines = self._socket.makefile("rb")
        self.steps = 0
        """Of the last order."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def member(self) -> int:
        """Wait for an order and return whose it is; `_END` where there is no more."""
        try:
            line = self._lines.readline()
        except ConnectionResetError:  # it left before it had taken notice of this side
            return _END
        if not line:
            return _END
        order = json.loads(line)
        self.steps = int(order["steps"])
        return int(order["member"])

    def answer(self, answer: dict[str, Any]) -> None:
        """Answer the last order."""
        self._socket.sendall(json.dumps(answer).encode() + b"\n")
