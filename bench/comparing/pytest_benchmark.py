"""Reads what pytest-benchmark wrote: `--benchmark-json` and `--benchmark-autosave` have one form."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import JournalError
from bench.record import from_plain
from bench.result import Environment

CPU_KEYS = {"brand_raw": "cpu_name", "arch": "cpu_arch", "count": "cores"}
"""What pytest-benchmark says of a processor, to the hard keys of ours."""
PLUGIN_KEY = "stepbench"
"""In `machine_info`: what our plugin for pytest adds."""
ROUND_KEY, ROUND_IS_WORKER = "stepbench_round", "worker"
"""In a benchmark's `extra_info`: each of its rounds is a fresh process."""
WORKERS_KEY = "stepbench_worker_seconds"
"""There too: the step of each of them."""
ENVIRONMENT_KEY = "stepbench_environment"
"""There too: where it was timed, as in a journal."""
_COMMIT_LENGTH = 9
_NO_COMMIT = {"unversioned", "unknown"}
"""What pytest-benchmark writes outside of a repository."""
SHORTEST_SECONDS, LONGEST_SECONDS = 1e-12, 1e9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is said of one."""

    environment: Environment
    seconds: Sequence[float]
    """
    One a worker, of those of ours.

    The rounds of another's are calls in one process, which say nothing of how processes differ; so it is one figure,
    their median, and no interval can be told.
    """
    columns: Mapping[str, Any]
    """Of ours those of results.csv; empty: it is another's."""

    def number(self, column: str) -> float | None:
        """Return a figure that is known of one of ours."""
        value = self.columns.get(column)
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Document:
    """What such a file says that is of use here."""

    benchmarks: Mapping[str, Benchmark]
    """By their full names."""
    environment: Environment
    """That of the first of ours, who saw more of it; else what the file says of its machine."""
    started_at: str
    """As it stands there: ISO 8601."""
    commit: str
    """With ``-dirty`` where files were changed; empty: not known."""


def read_document(path: Path) -> Document:
    """
    Return the content of a file.

    Raises:
        JournalError: If *path* is no such file; names file and line.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise JournalError(f"{path}: cannot be read ({error.strerror}); give a run or a .json file") from None
    except UnicodeDecodeError:
        raise JournalError(f"{path}:1: not JSON (not UTF-8 text)") from None
    except json.JSONDecodeError as error:
        raise JournalError(f"{path}:{error.lineno}: not JSON ({error.msg})") from None
    except RecursionError:
        raise JournalError(f"{path}:1: not a file of pytest-benchmark (nested too deeply)") from None
    return document_of(content, str(path))


def document_of(content: Any, name: str) -> Document:
    """
    Return what the content of a file called *name* says.

    Raises:
        JournalError: If it is not that of pytest-benchmark.
    """
    try:
        machine = _environment(content["machine_info"])
        benchmarks = {str(one["fullname"]): _benchmark(one, machine) for one in content["benchmarks"]}
        ours = [found.environment for found in benchmarks.values() if found.columns]
        return Document(
            benchmarks=benchmarks,
            environment=ours[0] if ours else machine,
            started_at=str(content.get("datetime") or ""),
            commit=_commit(content.get("commit_info") or {}),
        )
    except KeyError as error:
        raise JournalError(f"{name}:1: not a file of pytest-benchmark (it has no {error})") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise JournalError(f"{name}:1: not a file of pytest-benchmark ({error})") from None


def _commit(found: Mapping[str, Any]) -> str:
    known = str(found.get("id") or "")
    known = "" if known in _NO_COMMIT else known[:_COMMIT_LENGTH]
    return f"{known}-dirty" if known and found.get("dirty") else known


def is_time(seconds: float) -> bool:
    """Whether anything could take that long."""
    return SHORTEST_SECONDS < seconds < LONGEST_SECONDS


def _benchmark(found: Mapping[str, Any], machine: Environment) -> Benchmark:
    stats, extra = found["stats"], found.get("extra_info") or {}
    columns: Mapping[str, Any] = extra if extra.get(ROUND_KEY) == ROUND_IS_WORKER else {}
    # Without --benchmark-save-data the rounds are not stored.
    workers = columns.get(WORKERS_KEY) or (columns and stats.get("data"))
    seconds = [float(value) for value in (workers or [stats["median"]])]
    if wrong := [value for value in seconds if not is_time(value)]:
        raise ValueError(f"{wrong[0]} s is no time, in {found['fullname']}")
    known = columns.get(ENVIRONMENT_KEY)
    environment = machine if known is None else from_plain(Environment, known)
    return Benchmark(environment=environment, seconds=seconds, columns=columns)


def _environment(machine: Mapping[str, Any]) -> Environment:
    cpu, seen = machine.get("cpu") or {}, machine.get(PLUGIN_KEY) or {}
    minor = ".".join(str(machine.get("python_version", "")).split(".")[:2])
    return Environment(
        hard={
            **{key: str(cpu[theirs]) for theirs, key in CPU_KEYS.items() if theirs in cpu},
            **{
                key: ", ".join(value) if isinstance(value, list) else str(value) for key, value in seen.items() if value
            },
            "python": minor,
            "machine": str(machine.get("machine", "")),
        },
        soft={"hostname": str(machine.get("node", "")), "kernel": str(machine.get("release", ""))},
    )
