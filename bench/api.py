"""For notebooks and scripts: measure, load and compare; returns pandas, prints nothing."""

import dataclasses
import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.commands import _measure
from bench.commands import run as run_command
from bench.commands._destination import point_latest_at
from bench.commands._options import Parser
from bench.commands._progress import Progress
from bench.commands._request import request_from
from bench.comparing.comparison import Comparison, compare
from bench.comparing.sides import Side, figures_of
from bench.errors import NothingToMeasureError, UsageError
from bench.measuring.task import IN_WORKER
from bench.reporting._columns import columns
from bench.results import frame
from bench.results.findings import Finding, findings_of
from bench.results.frame import Run
from bench.results.rows import rows
from bench.running.session import Interrupted
from bench.statistics import MARGIN_RATIO

Values = str | Sequence[str] | None
Numbers = int | Sequence[int] | None
Function = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Results:
    """A run that has been measured: tables, what it says, and how it stands against another."""

    _run: Run

    @property
    def directory(self) -> Path | None:
        """Where its journal lies."""
        return self._run.directory

    @functools.cached_property
    def frame(self) -> pd.DataFrame:
        """One row a case, with the columns of results.csv."""
        return self._run.cases

    @functools.cached_property
    def samples(self) -> pd.DataFrame:
        """One row a phase of a step, with the columns of samples.csv.gz."""
        return self._run.samples

    @functools.cached_property
    def findings(self) -> list[Finding]:
        """What it says of what people are told."""
        return findings_of(self._run)

    def compare(self, other: "Results", *, margin: float = MARGIN_RATIO) -> pd.DataFrame:
        """
        Hold this run against *other*, an earlier one.

        Args:
            other: What it was.
            margin: The smallest change of a time that matters, such as 0.02.

        Returns:
            One row a case; those that both have come first, the worst before others: `case`, `ratio` of this step
            over the other's with its ends, `verdict`, `why` there is none, and `changes` of memory and counters. Times
            are compared between equal machines only.
        """
        return _table(compare(_side(other, "other"), _side(self, "this"), margin))

    def __repr__(self) -> str:
        """Return what it is in a line."""
        statuses = ", ".join(f"{number} {status}" for status, number in self.frame["status"].value_counts().items())
        return f"<bench.Results of {len(self.frame)} cases ({statuses}) in {self.directory}>"

    def _repr_html_(self) -> str:
        """Return the table of the console as HTML, for a notebook; names of others are escaped."""
        measured = [row for row in rows(self._run) if row.is_measured]
        missing = len(self.frame) - len(measured)
        table = pd.DataFrame({column.header: column.cells for column in columns(measured, str)})
        more = f"<p>{missing} more not measured: see .frame</p>" if missing else ""
        return str(table.to_html(index=False, border=0)) + more if measured else f"<p>Nothing was measured.</p>{more}"


def run(
    workload: Values | Function | Sequence[str | Function] = None,
    *,
    device: Values = None,
    strategy: Values = None,
    precision: Values = None,
    compile: Values = None,  # noqa: A002 (the name of the axis)
    input: Values = None,  # noqa: A002 (the same)
    loop: Values = None,
    batch_size: Numbers = None,
    global_batch_size: Numbers = None,
    num_devices: Numbers = None,
    suite: str | None = None,
    rounds: int | None = None,
    budget: float | None = None,
    seed: int | None = None,
    label: str = "",
    out: str | os.PathLike[str] | None = None,
) -> Results:
    """
    Measure every combination of the values that are given, as the command line does, and return what was seen.

    Args:
        workload: Names as on the command line, or functions at the top of an importable file.
        device: Values of an axis; one or several. So are the following, up to *num_devices*.
        strategy: See above.
        precision: See above.
        compile: See above.
        input: See above.
        loop: See above.
        batch_size: Samples per device.
        global_batch_size: Samples over all devices; instead of *batch_size*.
        num_devices: Processes, or replicas.
        suite: Name or file; by default the suite of the command line.
        rounds: Exactly so many fresh workers a case.
        budget: Seconds, the start included.
        seed: Of data, parameters and order.
        label: Kept with the results.
        out: A new directory for the journal; by default one of its own below ``reports``.

    Raises:
        UsageError: If a value is not known, or a function cannot be found by other processes; one line.
        NothingToMeasureError: If no worker can be started; that a case cannot run here is a row of the results.
        KeyboardInterrupt: If it was interrupted; what was measured is on the disk.
    """
    if IN_WORKER in os.environ:
        raise UsageError(
            "bench.run was called while a worker imports this file for its workload; put the call below "
            "`if __name__ == '__main__':`, or the workload into a file of its own"
        )
    many: Mapping[str, Any] = {
        "workload": [spec_of(one) for one in _listed(workload)] or workload,
        "device": device,
        "strategy": strategy,
        "precision": precision,
        "compile": compile,
        "input": input,
        "loop": loop,
        "batch-size": batch_size,
        "global-batch-size": global_batch_size,
        "num-devices": num_devices,
    }
    if empty := [name for name, values in many.items() if isinstance(values, (list, tuple)) and not values]:
        raise UsageError(f"{empty[0]} has no values; leave it out for those of the suite")
    words = [f"--{name}={value}" for name, values in many.items() for value in _listed(values)]
    single = {"suite": suite, "rounds": rounds, "budget": budget, "seed": seed, "label": label or None, "out": out}
    words += [f"--{name}={value}" for name, value in single.items() if value is not None]
    parser = Parser(prog="bench.run", allow_abbrev=False)
    run_command.add_arguments(parser)
    request = request_from(parser.parse_args([*words, "--quiet"]))
    directory, ending, _ = _measure.measure(request, Progress(quiet=True))
    if isinstance(ending, Interrupted):
        raise KeyboardInterrupt(f"what was measured is in {directory}") from None
    if ending is not None:
        if directory is not None:
            ending.add_note(f"what was measured is in {directory}")
        raise ending
    if directory is None:
        raise NothingToMeasureError("nothing was measured")
    results = load(directory)
    if out is None and "ok" in set(results.frame["status"]):
        point_latest_at(directory)
    return results


def load(path: str | os.PathLike[str]) -> Results:
    """
    Return the results of the run in the directory, or of the journal, at *path*.

    Raises:
        JournalError: If there is no run; names file and line.
    """
    return Results(frame.load(Path(path)))


def _listed(values: Any) -> list[Any]:
    if values is None:
        return []
    return list(values) if isinstance(values, (list, tuple)) else [values]


def spec_of(workload: str | Function) -> str:
    """Return how *workload* is called on the command line."""
    if isinstance(workload, str):
        return workload
    name = getattr(workload, "__qualname__", type(workload).__name__)
    try:
        file = Path(inspect.getsourcefile(workload) or "")
    except TypeError:
        raise UsageError(f"workload {name!r} is no function; give a name, or a function at the top of a file") from None
    if "<" in name or "." in name:
        raise UsageError(f"workload '{name}' is inside of something; put it at the top of a file")
    if not file.is_file():  # of a notebook's cell there is none
        raise UsageError(
            f"workload '{name}' is in no file, where other processes could import it; begin its cell with "
            f"`%%writefile my_model.py` and give 'my_model.py:{name}'"
        )
    module = getattr(workload, "__module__", "")
    if "." in module and (file.parent / "__init__.py").is_file():  # its imports may be relative to its package
        return f"{module}:{name}"
    return f"{os.path.relpath(file)}:{name}"


def _side(results: Results, name: str) -> Side:
    plan = results._run.plan  # noqa: SLF001 (a friend)
    return Side(name=name, environment=plan.environment, cases=figures_of(plan, results._run.results))  # noqa: SLF001


def _table(found: Comparison) -> pd.DataFrame:
    records = [
        {
            "case": row.label,
            "ratio": row.ratio.value if row.ratio else None,
            "ratio_low": row.ratio.low if row.ratio else None,
            "ratio_high": row.ratio.high if row.ratio else None,
            "verdict": row.verdict,
            "why": "; ".join(word for word in (row.failure, row.gap, row.why) if word),
            "changes": {change.name: change.now - change.before for change in row.changes},
        }
        for row in found.rows
    ]
    only = [(label, "not in the other run") for label in found.new] + [
        (label, "not in this run") for label in found.vanished
    ]
    records += [{"case": label, "why": why, "changes": {}} for label, why in only]
    names = ["case", "ratio", "ratio_low", "ratio_high", "verdict", "why", "changes"]
    return pd.DataFrame(records, columns=names)
