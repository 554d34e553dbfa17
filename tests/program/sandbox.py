"""Runs the program as a person does, and finds whatever it leaves behind."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import psutil

PROGRAM = Path(__file__).parents[2] / "run_bench.py"
MARKER = "STEPBENCH_TEST_RUN"
SHARED_MEMORY = Path("/dev/shm")


@dataclasses.dataclass(kw_only=True)
class Sandbox:
    """One place to run the program in, whose processes and temp files can be told from everybody else's."""

    directory: Path
    """Where it is run."""
    program: Path = PROGRAM
    marker: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    temporary: Path = dataclasses.field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="sb")))
    """Not below pytest's folder: the path of a socket in it may have 107 characters."""
    shared_before: frozenset[str] = dataclasses.field(default_factory=lambda: frozenset(_shared_memory()))

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the program; the caller waits for its end."""
        return subprocess.Popen(
            [sys.executable, str(self.program), *arguments],
            cwd=self.directory,
            env=self._environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, deadline: float = 90.0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the program to its end; one that takes longer than *deadline* seconds fails the test."""
        with self.start(*arguments, **environment) as process:
            return self.wait(process, deadline)

    def wait(self, process: subprocess.Popen[str], deadline: float = 90.0) -> subprocess.CompletedProcess[str]:
        """Return how *process* ended and what it said."""
        try:
            out, err = process.communicate(timeout=deadline)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"not done after {deadline} s; it said:\n{out}\n{err}") from None
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def leftovers(self, patience_seconds: float = 10.0) -> list[str]:
        """Return what is left of the runs in here; a process that is about to end has some seconds for it."""
        end = time.monotonic() + patience_seconds
        while (left := self._left()) and time.monotonic() < end:
            time.sleep(0.1)
        return left

    def close(self) -> None:
        """Kill what a failed test left, and remove the temp folder."""
        for process in self.processes():
            process.kill()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def processes(self) -> list[psutil.Process]:
        """Return the living processes with the marker in their environment or the temp folder in their command."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def files(self) -> dict[str, bytes]:
        """Return all files and folders in the directory, with their content, to see that nothing was written."""
        return {
            str(path.relative_to(self.directory)): path.read_bytes() if path.is_file() else b""
            for path in self.directory.rglob("*")
            if "__pycache__" not in path.parts
        }

    def temporary_files(self) -> list[str]:
        """Return what lies in the folder for temporary files, where others may be taking things away meanwhile."""
        return [
            str(Path(folder, name))
            for folder, folders, names in os.walk(self.temporary)  # which passes over a folder that has just gone
            for name in (*folders, *names)
        ]

    def _left(self) -> list[str]:
        processes = [f"process {process.pid}" for process in self.processes()]
        files = [f"temp file {path}" for path in self.temporary_files()]
        return [*processes, *files, *(f"shared memory {name}" for name in _shared_memory() - self.shared_before)]

    def _is_ours(self, process: psutil.Process) -> bool:
        if process.pid == os.getpid():
            return False
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.environ().get(MARKER) == self.marker or str(self.temporary) in " ".join(process.cmdline())
        except psutil.Error:
            return False

    def _environment(self, added: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CI", "FORCE_COLOR")}
        # One thread: a second one spins while it waits, and here nobody looks at the figures.
        return {**kept, MARKER: self.marker, "TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1", **added}


def one_line(text: str) -> str:
    """Return *text* without its end, having checked that it is one line."""
    assert text.count("\n") == 1, text
    return text.rstrip("\n")


def _shared_memory() -> set[str]:
    """Return the shared memory of this machine, less what other people's living processes own."""
    names = {path.name for path in SHARED_MEMORY.iterdir()} if SHARED_MEMORY.is_dir() else set()
    return {
        name for name in names if not ((owner := re.match(r"torch_(\d+)_", name)) and psutil.pid_exists(int(owner[1])))
    }
