"""Tables of the pages, drawn from the tables of the code; imports no torch."""

import ast
import dataclasses
import inspect
from collections.abc import Iterable, Sequence

from bench import axes as known_axes
from bench import flags as known_flags
from bench import registry, suite, suite_file, workload
from bench.commands._axes import NUMBER_AXES
from bench.metrics import METRICS
from bench.results.frame import COLUMNS
from bench.workload_spec import canonical_workload

AXES = {
    "workload": "what is trained: a built-in model, or a function of yours",
    "device": "where; `accelerator` is what the machine has besides its CPU, `cuda:1` picks one",
    "strategy": "how the work is spread over devices",
    "precision": "how the arithmetic is done",
    "compile": "mode of `torch.compile`; `eager` is without it",
    "input": "where each step's batch comes from",
    "loop": "what the training loop does besides training",
    "batch_size": "samples per device",
    "global_batch_size": "samples over all devices",
    "num_devices": "ranks of ddp or replicas of data_parallel; on the CPU, processes",
    "num_nodes": "machines",
}
"""Of each axis, what it says."""
OTHER_COLUMNS = {
    "case_id": "the case: its axes and six hex digits over all of them, the same in every run",
    "status": "how it ended, the worst over its rounds",
    "reason": "one sentence where that is not ok",
    "rounds": "rounds that were ok, from which the figures come: as many fresh workers",
    "samples": "timed steps of all these rounds together",
    "step_seconds_low": "lower end of the 95 % interval of `step_seconds`, over rounds",
    "step_seconds_high": "its upper end",
    "item": "what `throughput_items_per_second` counts",
    "memory_source": "where `peak_allocated_bytes` comes from",
    "speedup": "how many times as fast as its reference the case is, over the rounds that both have",
    "speedup_low": "lower end of its 95 % interval",
    "speedup_high": "its upper end",
    "reference_case_id": "the case that it is compared with: the same workload and global batch size",
    "flops_per_second": "`step_flops` over `step_seconds`",
    "mfu_ratio": "that rate as a share of what the devices can do (MFU)",
    "peak_source": "where that comes from: `data sheet`, `given` or `measured`",
    "flops_source": "where the operations were counted: `meta` or `device`",
    "flags": "reasons to doubt the row, with spaces between them",
    "counters_source": "what counted: `dispatch` or `profiler`",
    "num_threads": "threads of each rank",
    "clock": "what timed: `host`, `event` or `synchronizing`",
    "notes": "sentences that a reader of the row should know",
    "break_even_steps": "after how many steps the compiled case has overtaken the same in eager mode",
    "memory_bytes_per_second": "`accessed_bytes` of all devices over `step_seconds`, where memory is the limit",
    "memory_bandwidth_ratio": "that rate as a share of what the memory can do",
    "energy_source": "where energy and power come from: `counter` or `samples`",
}
"""Columns of results.csv that are neither axes nor metrics."""
SUITE_KEYS = {
    "schema": "1, the version of the file's form",
    "summary": "what `list` says of the suite",
    "budget_seconds": "the run's time, where `--budget` gives none",
    "needs_accelerator": "whether a machine without an accelerator leaves the table out, and lists nothing as skipped",
}
"""Keys of a suite's file that are no axes."""


def columns() -> str:
    """
    Return the columns of results.csv in their order.

    Raises:
        ValueError: If one has no description here, or one that is described is none.
    """
    names = list(dict.fromkeys([*COLUMNS, *METRICS]))
    described = {**AXES, **OTHER_COLUMNS}
    _agree("columns of results.csv", names, {*described, *METRICS})
    rows = [
        (f"`{name}`", METRICS[name].summary, METRICS[name].better)
        if name in METRICS
        else (f"`{name}`", described[name], "")
        for name in names
    ]
    return _table(("column", "what it says", "better"), rows)


def flags() -> str:
    """Return the flags in the order of their table."""
    rows = [
        (f"`{flag.name}`", flag.meaning, flag.cure, "no" if flag.name in known_flags.DOUBTFUL else "yes")
        for flag in known_flags.FLAGS.values()
    ]
    return _table(("flag", "what it says", "what to do", "does the time count?"), rows)


def axes() -> str:
    """Return the axes that an option chooses, with the values that this version knows."""
    rows = []
    for axis, meaning in AXES.items():
        if axis == "num_nodes":  # has no option
            continue
        option = f"`--{axis.replace('_', '-')}`"
        rows.append((option, meaning, ", ".join(f"`{value}`" for value in _values(axis)) or "a whole number above 0"))
    return _table(("option", "what it says", "values"), rows)


def suites() -> str:
    """Return the built-in suites."""
    return _table(("suite", "cases"), [(f"`{name}`", suite.load(name).summary) for name in suite.names()])


def suite_keys() -> str:
    """
    Return the keys of a suite's file: those at its top, then those of a [[case]] table.

    Raises:
        ValueError: If one has no description here, or one that is described is none.
    """
    described = {**AXES, **SUITE_KEYS}
    del described["num_nodes"]
    top = [field.alias or name for name, field in suite_file.SuiteFile.model_fields.items() if name != "case"]
    tables = suite_file.CaseTable.model_fields
    _agree("keys of a suite", [*top, *tables], set(described))
    rows = [("the file", f"`{name}`", described[name]) for name in top]
    rows += [("`[[case]]`", f"`{name}`", described[name]) for name in tables]
    return _table(("in", "key", "what it says"), rows)


def workload_fields() -> str:
    """Return the fields of bench.Workload, each with the text that stands below it in the code."""
    texts = _texts_below(workload.Workload)
    rows = []
    for field in dataclasses.fields(workload.Workload):
        usual = "" if field.default is dataclasses.MISSING else f"`{field.default!r}`"
        rows.append((f"`{field.name}`", usual, texts[field.name]))
    return _table(("field", "if left out", "what it is"), rows)


def _values(axis: str) -> Sequence[str]:
    if axis == "workload":
        names = registry.names("workloads")
        return (*map(canonical_workload, names), "NAME:SIZE", "file.py:function", "package.module:function")
    return () if axis in NUMBER_AXES else known_axes.known_values(axis)


def _texts_below(record: type) -> dict[str, str]:
    """Return the string below each field of a dataclass in one line; empty where there is none."""
    (definition,) = ast.parse(inspect.getsource(record)).body
    assert isinstance(definition, ast.ClassDef)
    texts, last = {}, ""
    for node in definition.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.target.id
            texts[last] = ""
        elif last and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            texts[last] = " ".join(str(node.value.value).split())
    return texts


def _agree(what: str, names: Iterable[str], described: set[str]) -> None:
    unknown = set(names) ^ described
    if unknown:
        raise ValueError(f"{what}: {', '.join(sorted(unknown))}: not in both the code and docs/_ext/tables.py")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
