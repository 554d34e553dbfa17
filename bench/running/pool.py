"""The fork servers of a run, taken in turn, each proved by a canary before it is trusted."""

import dataclasses
import random
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.case import Case
from bench.errors import BenchError, NothingToMeasureError
from bench.measuring.task import COMPILED_FOLDER, Checkout, Task
from bench.record import from_plain
from bench.result import CaseResult, DeviceInfo, Environment, Failure, SamplingPlan
from bench.running import machine
from bench.running.server import Server, StartMethod
from bench.running.visit import Outcome, perform, visit

MAX_DIRECTORY_LENGTH = 60
"""Multiprocessing adds up to 40 characters, such as /12/pymp-abcdefgh/listener-abcdefgh."""
CANARY_SECONDS = 60.0
"""Includes the imports of the server, which a cold disk stretches to tens of seconds."""


PROBE = "bench.measuring.probe:look"
INDUCTOR = ("torch._inductor.compile_fx",)
"""What torch.compile imports with the first step, in 1.5 s; none of it starts a thread."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a workload's code lies."""

    name: str = ""
    """What tells it from other places of the same run."""
    working_directory: Path
    """Where the relative path of a workload file begins."""
    checkout: Checkout | None = None
    """The revision, where it is not the user's working tree that is measured."""


class CallError(BenchError):
    """A worker that was to call a function did not come to its end; the text says how it ended."""


def usual_start_method() -> StartMethod:
    """Return forkserver where the platform has one."""
    return "forkserver" if sys.platform.startswith(("linux", "darwin")) else "spawn"


class Pool:
    """
    Starts servers and sends visits to them; a context manager, so that none outlives the run.

    Args:
        num_servers: Rounds go to them in turn.
        start_method: Falls back to spawn, with a note, where a fork server fails its canary.
        environment: The user's variables, as they were when the program began.
        python: The workers' interpreter.
    """

    def __init__(
        self, num_servers: int, start_method: StartMethod, environment: Mapping[str, str], python: str = sys.executable
    ) -> None:
        self.python = python
        self.start_method = start_method
        self.notes: list[str] = []
        self._num_servers = num_servers
        self._user_environment = dict(environment)
        self.directory = _make_directory()
        """For temporary files; short enough for a socket's path."""
        self._servers: list[Server] = []
        self._num_started = 0
        self._first_layout = random.SystemRandom().randrange(2**32)
        self.place = Place(working_directory=Path.cwd())
        """Of workloads, where a visit names no other; a resumed run goes on in the directory where it began."""
        self.environment = Environment()

    def __enter__(self) -> Self:
        """Start the servers side by side, then prove each."""
        try:
            self._start_servers()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process and remove every file of the pool."""
        self.stop()

    def visit(
        self,
        case: Case,
        *,
        num_processes: int,
        round_index: int,
        timeout_seconds: float,
        compile_timeout_seconds: float = SamplingPlan.compile_timeout_seconds,
        with_extras: bool,
        place: Place | None = None,
    ) -> CaseResult:
        """Run *case* once, in fresh processes of the server whose turn it is in *round_index*."""
        index = self.server_index(round_index)
        task = self.task(
            case,
            place=place,
            num_processes=num_processes,
            deadline_seconds=timeout_seconds,
            with_extras=with_extras,
            layout_seed=self._first_layout + round_index,
            compile_timeout_seconds=compile_timeout_seconds if case.is_compiled else 0.0,
        )
        result = visit(self._servers[index], index, task, round_index)
        self.replace_dead()
        return result

    def server_index(self, round_index: int) -> int:
        """Return the number of the server whose turn it is."""
        return round_index % len(self._servers)

    def server(self, round_index: int) -> Server:
        """Return that server."""
        return self._servers[self.server_index(round_index)]

    def task(self, case: Case, *, place: Place | None = None, **fields: Any) -> Task:
        """
        Return an order for workers of *case*.

        Each case and place has a directory of its own for what torch.compile makes, empty at first and shared by its
        rounds, so that no figure depends on yesterday's cache or on another case. A workload may also compile by
        itself.
        """
        place = place or self.place
        own = self.directory / COMPILED_FOLDER / place.name
        # Cases that share a process share its directory too, whichever of them comes first.
        cache = own / min(one.id for one in (case, *fields.get("alternates", ())))
        cached = {"TORCHINDUCTOR_CACHE_DIR": str(cache), "TRITON_CACHE_DIR": str(cache / "triton")}
        if place.checkout:  # two revisions of one extension would build it anew in turn
            cached["TORCH_EXTENSIONS_DIR"] = str(own / "torch_extensions")
        return self._task(
            case=case,
            checkout=place.checkout,
            working_directory=str(place.working_directory),
            environment={**machine.worker_environment(self._user_environment), **cached},
            # Elsewhere Inductor might ask the devices something, and a device that is initialised in a fork server
            # breaks every worker.
            imports=INDUCTOR if case.is_compiled and case.device_type == "cpu" else (),
            **fields,
        )

    def call(self, function: str, *, timeout_seconds: float, **arguments: Any) -> Mapping[str, Any]:
        """
        Return what *function* ("module:function") returns for *arguments* in a fresh worker, as plain values.

        Raises:
            CallError: If the worker did not end well.
        """
        layout_seed = random.SystemRandom().randrange(2**32)
        task = self._task(
            function=function, arguments=arguments, deadline_seconds=timeout_seconds, layout_seed=layout_seed
        )
        outcome = perform(self._servers[0], task)
        self.replace_dead()
        if outcome.answer is None or outcome.answer.seen is None:
            raise CallError(_failure_of(outcome) or f"{function} left no answer")
        return outcome.answer.seen

    def stop(self) -> None:
        """End every server; safe to call twice."""
        for server in self._servers:
            server.stop()
        self._servers = []
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start_servers(self) -> None:
        self._servers = [self._new_server() for _ in range(self._num_servers)]
        looks = [self._look(self._servers[0])]
        for server in self._servers[1:]:
            if _complaint_about(looks[-1]):  # each further canary that hangs would cost a minute
                break
            looks.append(self._look(server))
        if self.start_method == "forkserver" and (complaint := _complaint_about(looks[-1])):
            self.notes.append(
                f"the fork server failed its canary ({complaint}); workers are spawned instead, at 2-5 s each"
            )
            self.start_method = "spawn"
            for server in self._servers:
                server.stop()
            self._servers = [self._new_server()]
            looks = [self._look(self._servers[0])]
        if complaint := _failure_of(looks[0]):
            raise NothingToMeasureError(f"no worker can be started here: {complaint}")
        assert looks[0].answer is not None
        self.environment = self._environment_from(looks[0].answer.seen or {})

    def _new_server(self) -> Server:
        self._num_started += 1
        self.directory.mkdir(mode=0o700, exist_ok=True)  # the last launcher to end removes it
        return Server(self.directory / str(self._num_started), self.start_method, self._user_environment, self.python)

    def _look(self, server: Server) -> Outcome:
        """Send *server* its canary."""
        return perform(server, self._task(function=PROBE, deadline_seconds=CANARY_SECONDS))

    def replace_dead(self) -> None:
        """Start another server in the place of each that died; a dead launcher has taken its workers with it."""
        for index, server in enumerate(self._servers):
            if server.is_dead:
                self._replace(index)

    def _replace(self, index: int) -> None:
        self._servers[index].stop()
        self._servers[index] = self._new_server()
        if complaint := _failure_of(self._look(self._servers[index])):
            raise NothingToMeasureError(f"a process that starts workers died and cannot be replaced: {complaint}")

    def _task(self, **fields: Any) -> Task:
        num_processes = fields.get("num_processes", 1)
        usual = {
            "working_directory": str(self.place.working_directory),
            "environment": machine.worker_environment(self._user_environment),
        }
        threads = machine.threads_per_rank(num_processes, self._user_environment)
        return Task(num_threads=threads, **{**usual, **fields})

    def _environment_from(self, seen: Mapping[str, Any]) -> Environment:
        return Environment(
            devices=from_plain(tuple[DeviceInfo, ...], seen.get("devices", [])),
            hard={**machine.hard_keys(self._user_environment), **seen.get("hard", {})},
            soft={**machine.soft_keys(), **seen.get("soft", {})},
            start_method=self.start_method,
        )


def _failure_of(outcome: Outcome) -> str | None:
    if outcome.status == "ok":
        return None
    failure = outcome.failure or Failure(message=outcome.status)
    last_lines = [lines[-1] for lines in failure.log_tail.values() if lines]
    return "; ".join([failure.message, *last_lines])


def _complaint_about(look: Outcome) -> str | None:
    """Return why a fork server must not be used, if its canary says so."""
    if complaint := _failure_of(look):
        return complaint
    seen = (look.answer.seen if look.answer else None) or {}
    if not seen.get("preloaded"):
        return "the libraries were not preloaded in it"
    if seen.get("inherited_device"):
        return "a device was initialised in it"
    return None


def _make_directory() -> Path:
    """Make the run's folder for temporary files, where the path of a socket in it fits into its 108 bytes."""
    directory = Path(tempfile.mkdtemp(prefix="stepbench-"))
    if len(str(directory)) <= MAX_DIRECTORY_LENGTH:
        return directory
    directory.rmdir()
    return Path(tempfile.mkdtemp(prefix="stepbench-", dir="/tmp"))
