"""The parent's handle on one launcher, which is a fork server."""

import contextlib
import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from bench.errors import BenchError
from bench.registry import PACKAGE_DIR

StartMethod = Literal["forkserver", "spawn"]

LAUNCHER_GRACE_SECONDS = 15.0
"""How long after a visit's deadline the launcher must have answered; then it hangs itself."""
STOP_SECONDS = 5.0


class ServerDiedError(BenchError):
    """The launcher ended or stopped answering."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ending:
    """How the processes of one visit ended."""

    timed_out: bool
    is_compiling: bool = False
    """Whether it was the deadline of compilation that was missed."""
    is_bystander: bool = False
    """Whether it was ended because a visit beside it ended badly."""
    exit_codes: tuple[int | None, ...]


class Server:
    """
    One launcher process.

    Args:
        directory: Belongs to this server alone; the launcher removes it at the end.
        start_method: How it starts workers.
        environment: Of the parent, before anything was changed for the launcher.
        python: The interpreter, whose environment needs torch and nothing else of ours.
    """

    def __init__(
        self, directory: Path, start_method: StartMethod, environment: Mapping[str, str], python: str = sys.executable
    ) -> None:
        self.directory = directory
        self.start_method = start_method
        self.is_dead = False
        directory.mkdir(mode=0o700)
        self._log = (directory / "launcher.log").open("w+b")
        root = PACKAGE_DIR.parent if python == sys.executable else _harness_alone(directory)
        # -P and -c: neither the current folder nor a script's is on the path, where a user's own `bench` might be.
        command = f"import sys; sys.path.insert(0, {str(root)!r}); from bench.running.launcher import main; main()"
        self._process = subprocess.Popen(
            [
                *(python, "-P", "-c", command),
                *("--directory", str(directory), "--start-method", start_method),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=_launcher_environment(environment, directory, root),
            start_new_session=True,  # so that a terminal's Ctrl-C reaches the parent alone, and killpg reaches all
        )

    def order(self, directories: Sequence[Path]) -> None:
        """
        Start the tasks that lie in *directories*, side by side.

        Raises:
            ServerDiedError: If the launcher is gone.
        """
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps([str(directory) for directory in directories]).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._death("was gone before the visit") from None

    def endings(self, timeout_seconds: float) -> list[Ending]:
        """
        Block until the processes of the last order have ended.

        Args:
            timeout_seconds: After which they have ended, whatever they do.

        Raises:
            ServerDiedError: If the launcher is gone or does not answer.
        """
        answers = self._read_line(timeout_seconds + LAUNCHER_GRACE_SECONDS)
        return [Ending(**{**answer, "exit_codes": tuple(answer["exit_codes"])}) for answer in answers]

    def fileno(self) -> int:
        """Return what can be read once there are endings, or none will come."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def stop(self) -> None:
        """End the launcher and everything it started; safe to call twice."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):  # a launcher that was killed could not take its workers along
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _read_line(self, timeout_seconds: float) -> list[dict[str, Any]]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout_seconds)
        if not ready:
            raise self._death(f"did not answer within {timeout_seconds:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise self._death("ended")
        answers: list[dict[str, Any]] = json.loads(line)
        return answers

    def _death(self, how: str) -> ServerDiedError:
        self.is_dead = True
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return ServerDiedError(f"the process that starts workers {how}" + (f": {lines[-1]}" if lines else ""))


def _harness_alone(directory: Path) -> Path:
    """Return a folder with nothing but this package: another interpreter must not find what is installed beside it."""
    folder = directory / "harness"
    folder.mkdir()
    (folder / PACKAGE_DIR.name).symlink_to(PACKAGE_DIR, target_is_directory=True)
    return folder


def _launcher_environment(environment: Mapping[str, str], directory: Path, root: Path) -> dict[str, str]:
    return {
        **environment,
        # One thread in the server: OpenMP's threads do not survive the fork. Workers get their own number.
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # Counting devices must not initialise CUDA in the server, or every forked worker breaks.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "PYTHONPATH": str(root),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(directory),
    }
