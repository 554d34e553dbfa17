"""The journal: a run's truth, one JSON line for the plan, one for every visit of a case, and one at the end."""

import contextlib
import dataclasses
import fcntl
import json
import os
from pathlib import Path
from typing import Any

from bench.errors import JournalError
from bench.record import from_plain, to_plain
from bench.result import SCHEMA_VERSION, CaseResult, Plan, Sitting

FILE_NAME = "results.jsonl"
_KINDS: dict[str, type] = {"plan": Plan, "result": CaseResult, "sitting": Sitting}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Journal:
    """What a journal holds."""

    plan: Plan
    results: tuple[CaseResult, ...]
    sittings: tuple[Sitting, ...] = ()
    result_lines: tuple[int, ...] = ()
    """On which line of the file each result stands, from 1."""
    is_cut_off: bool = False
    """Whether a last line was left out, since the machine died while it was written."""


class JournalWriter:
    """
    Appends lines to a journal, each on the disk before the next visit begins.

    Raises:
        JournalError: If the file cannot be written, or another process is writing it; from any of its calls.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise self._failure(error) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise JournalError(f"{path}: another process is writing it; wait, or take another directory") from None
        drop_torn_line(path)

    def write_plan(self, plan: Plan) -> None:
        """Write the first line."""
        self._append({"kind": "plan", **to_plain(plan)})

    def write_result(self, result: CaseResult) -> None:
        """Write one visit."""
        self._append({"kind": "result", **to_plain(result)})

    def write_sitting(self, sitting: Sitting) -> None:
        """Write what the run spent besides its visits."""
        self._append({"kind": "sitting", "schema_version": SCHEMA_VERSION, **to_plain(sitting)})

    def close(self) -> None:
        """Close the file; what was written is safe already."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _append(self, line: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> JournalError:
        return JournalError(f"{self._path}: cannot be written ({error.strerror}); what was measured before is kept")


def read(path: Path) -> Journal:
    """
    Read the journal at *path*, a file or the directory that holds one.

    A last line that was cut off (the machine died while it was written) is left out; any other damage is an error.

    Raises:
        JournalError: If there is no journal, or a line is not what a journal holds; names file and line.
    """
    path = file_of(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: cannot be read ({error.strerror}); give the directory of a run") from None
    complete = content[: content.rfind(b"\n") + 1]  # in bytes, since what was cut off may be no text at all
    lines = [_parse(path, number, line) for number, line in enumerate(complete.splitlines(), 1)]
    if not lines or lines[0]["kind"] != "plan":
        raise JournalError(f"{path}:1: a journal begins with its plan; this file does not")
    try:
        plan = from_plain(Plan, lines[0])
    except (KeyError, TypeError) as error:
        raise JournalError(f"{path}:1: not a plan ({error.args[0]})") from None
    records: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
    for number, line in enumerate(lines[1:], 2):
        if line["kind"] == "plan":
            raise JournalError(f"{path}:{number}: not a result (a second plan)")
        try:
            records[line["kind"]].append(from_plain(_KINDS[line["kind"]], line))
        except (KeyError, TypeError) as error:
            raise JournalError(f"{path}:{number}: not a {line['kind']} ({error.args[0]})") from None
    numbers = tuple(number for number, line in enumerate(lines, 1) if line["kind"] == "result")
    return Journal(
        plan=plan,
        results=tuple(records["result"]),
        sittings=tuple(records["sitting"]),
        result_lines=numbers,
        is_cut_off=len(complete) < len(content),
    )


def file_of(path: Path) -> Path:
    """Return the journal that *path* is, or that lies in the directory *path*."""
    return path / FILE_NAME if path.is_dir() else path


def drop_torn_line(path: Path) -> None:
    """Cut a half-written last line off, so that what is appended next starts on a line of its own."""
    with path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(line.decode())  # decoded here: json would guess UTF-16 from the bytes
    except UnicodeDecodeError:
        raise JournalError(f"{path}:{number}: not JSON (not UTF-8 text)") from None
    except json.JSONDecodeError as error:
        cure = "; is this a run? give its directory" if number == 1 else ""
        raise JournalError(f"{path}:{number}: not JSON ({error.msg}){cure}") from None
    except RecursionError:
        raise JournalError(f"{path}:{number}: not JSON of ours (nested too deeply)") from None
    if not isinstance(parsed, dict) or parsed.get("kind") not in _KINDS:
        raise JournalError(f"{path}:{number}: neither a plan nor a result")
    schema = parsed.get("schema_version")
    if schema != SCHEMA_VERSION:
        raise JournalError(
            f"{path}:{number}: written with schema {schema}, this version reads {SCHEMA_VERSION}; "
            "use the version of stepbench that wrote it"
        )
    return parsed
