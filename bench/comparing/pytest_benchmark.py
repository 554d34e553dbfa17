"""Reads what pytest-benchmark wrote: `--benchmark-json` and `--benchmark-autosave` have one form."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import JournalError
from bench.result import Environment

CPU_KEYS = ("brand_raw", "arch", "count")


def read_benchmarks(path: Path) -> tuple[Environment, Mapping[str, Sequence[float]]]:
    """
    Return the machine, and for each benchmark by its full name the seconds of its rounds.

    A file without its rounds (`--benchmark-json` has them, unless a plug-in dropped them) is of one figure a benchmark,
    the median, so that no interval can be told.

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
    try:
        seconds = {str(one["fullname"]): _rounds(one["stats"]) for one in content["benchmarks"]}
        return _environment(content["machine_info"]), seconds
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise JournalError(f"{path}:1: not a file of pytest-benchmark ({error})") from None


def _rounds(stats: Mapping[str, Any]) -> list[float]:
    return [float(value) for value in stats.get("data") or [stats["median"]]]


def _environment(machine: Mapping[str, Any]) -> Environment:
    cpu = machine.get("cpu") or {}
    hard = {f"cpu_{key}": str(cpu[key]) for key in CPU_KEYS if key in cpu}
    return Environment(
        hard={**hard, "python": str(machine.get("python_version", "")), "machine": str(machine.get("machine", ""))},
        soft={"hostname": str(machine.get("node", "")), "kernel": str(machine.get("release", ""))},
    )
