"""Reads what pytest-benchmark wrote: `--benchmark-json` and `--benchmark-autosave` have one form."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import JournalError
from bench.result import Environment

CPU_KEYS = ("brand_raw", "arch", "count")
ROUND_KEY, ROUND_IS_WORKER = "stepbench_round", "worker"
"""In a benchmark's `extra_info`: each of its rounds is a fresh process."""
WORKERS_KEY = "stepbench_worker_seconds"
"""There too: the step of each of them."""
_COMMIT_LENGTH = 9
SHORTEST_SECONDS, LONGEST_SECONDS = 1e-12, 1e9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Document:
    """What such a file says that is of use here."""

    environment: Environment
    seconds: Mapping[str, Sequence[float]]
    """Of the rounds of each benchmark, by its full name."""
    started_at: str
    """As it stands there: ISO 8601."""
    commit: str
    """With ``-dirty`` where files were changed; empty: not known."""


def read_document(path: Path) -> Document:
    """
    Return the content of a file.

    The rounds of a benchmark are calls in one process, which say nothing of how processes differ; so it is one figure,
    their median, and no interval can be told. Of our own benchmarks, where each round is a process, all are.

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
    try:
        seconds = {str(one["fullname"]): _workers(one) for one in content["benchmarks"]}
        return Document(
            environment=_environment(content["machine_info"]),
            seconds=seconds,
            started_at=str(content.get("datetime") or ""),
            commit=_commit(content.get("commit_info") or {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise JournalError(f"{path}:1: not a file of pytest-benchmark ({error})") from None


def _commit(found: Mapping[str, Any]) -> str:
    known = str(found.get("id") or "")[:_COMMIT_LENGTH]
    return f"{known}-dirty" if known and found.get("dirty") else known


def worker_seconds(benchmark: Mapping[str, Any]) -> Sequence[float]:
    """Return the steps of a benchmark of ours, one a worker; none: it is another's."""
    extra = benchmark.get("extra_info") or {}
    if extra.get(ROUND_KEY) != ROUND_IS_WORKER:
        return ()
    # Without --benchmark-save-data the rounds are not stored.
    return extra.get(WORKERS_KEY) or benchmark["stats"].get("data") or ()


def is_time(seconds: float) -> bool:
    """Whether anything could take that long."""
    return SHORTEST_SECONDS < seconds < LONGEST_SECONDS


def _workers(benchmark: Mapping[str, Any]) -> list[float]:
    stats = benchmark["stats"]
    known = worker_seconds(benchmark)
    seconds = [float(value) for value in (known or [stats["median"]])]
    if wrong := [value for value in seconds if not is_time(value)]:
        raise ValueError(f"{wrong[0]} s is no time, in {benchmark['fullname']}")
    return seconds


def _environment(machine: Mapping[str, Any]) -> Environment:
    cpu = machine.get("cpu") or {}
    minor = ".".join(str(machine.get("python_version", "")).split(".")[:2])
    return Environment(
        hard={
            **{f"cpu_{key}": str(cpu[key]) for key in CPU_KEYS if key in cpu},
            "python": minor,
            "machine": str(machine.get("machine", "")),
        },
        soft={"hostname": str(machine.get("node", "")), "kernel": str(machine.get("release", ""))},
    )
