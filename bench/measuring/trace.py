"""One step under torch's profiler, as the events of its trace."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch._C._profiler import _ExperimentalConfig
from torch.profiler import ProfilerActivity, profile

Event = dict[str, Any]

_CPU = 0
"""`c10::DeviceType::CPU`, as an allocation's event names it."""


def trace_of(run: Callable[[], None], *, with_kernels: bool = False, all_threads: bool = False) -> list[Event]:
    """
    Return the profiler's events of *run*, in its trace's form: name, category, time, arguments.

    Args:
        run: Must have ended on the device too when it returns, or what runs later is missing.
        with_kernels: Whether to watch a CUDA device as well.
        all_threads: Whether to watch Python's other threads as well, which the profiler otherwise does not see; then it
            does not see the CPU's allocations.
    """
    # Only where it is wanted: an argument that is not public, and that another torch may lack.
    options = _ExperimentalConfig(profile_all_threads=True) if all_threads else None
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if with_kernels else [ProfilerActivity.CPU]
    with profile(activities=activities, profile_memory=True, experimental_config=options) as recorded:
        run()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "trace.json"
        recorded.export_chrome_trace(str(path))
        events: list[Event] = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    return events


def cpu_allocations_bytes(events: Sequence[Event]) -> list[int]:
    """Return every allocation on the CPU, in order; what was given back is negative."""
    found = sorted(
        (event["ts"], index, event["args"]["Bytes"])
        for index, event in enumerate(events)
        if event.get("name") == "[memory]" and event["args"]["Device Type"] == _CPU
    )
    return [size for _, _, size in found]


def num_kernels(events: Sequence[Event]) -> int:
    """Return how many kernels were launched, copies and fills not counted."""
    return sum(event.get("cat") == "kernel" for event in events)


def operators_between(events: Sequence[Event], start: float, end: float) -> list[str]:
    """Return the names of the operators that began between two times of the trace, nested ones too."""
    return [
        str(event["name"])
        for event in events
        if event.get("cat") == "cpu_op" and str(event["name"]).startswith("aten::") and start <= event["ts"] < end
    ]


def time_of(events: Sequence[Event], mark: str) -> float:
    """
    Return when the `torch.profiler.record_function` of that name ended.

    Raises:
        LookupError: If there was none.
    """
    for event in events:
        if event.get("name") == mark and event.get("cat") == "user_annotation":
            return float(event["ts"]) + float(event["dur"])
    raise LookupError(f"the profiler's trace has no '{mark}'")
