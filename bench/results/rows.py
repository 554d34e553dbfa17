"""The rows of a run's frame with None where the frame is empty."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench.case import Case
from bench.flags import DOUBTFUL
from bench.results.frame import Run
from bench.results.once import once
from bench.statistics import Interval


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One case and its columns."""

    case: Case
    columns: Mapping[str, Any]
    """Those that are not empty."""
    run_name: str = ""
    """Which run it is of; empty: there is only one."""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others, also from the same case of another run."""
        return self.run_name, self.case.id

    @property
    def status(self) -> str:
        """The worst over the rounds."""
        return str(self.columns["status"])

    @property
    def reason(self) -> str:
        """Why the row is not ok; empty where it is."""
        return str(self.columns.get("reason", ""))

    @property
    def flags(self) -> tuple[str, ...]:
        """Reasons to doubt the row."""
        return tuple(str(self.columns["flags"]).split())

    @property
    def is_doubtful(self) -> bool:
        """Whether a flag says that its time may be wrong."""
        return not DOUBTFUL.isdisjoint(self.flags)

    @property
    def is_measured(self) -> bool:
        """Whether the row may be shown as a figure."""
        return self.status == "ok" and "step_seconds" in self.columns

    def number(self, column: str) -> float | None:
        """Return a column's value; None where it is empty."""
        value = self.columns.get(column)
        return None if value is None else float(value)

    def interval(self, column: str) -> Interval | None:
        """Return a column with its bounds; None where it is empty."""
        value = self.number(column)
        if value is None:
            return None
        return Interval(value=value, low=self.number(f"{column}_low"), high=self.number(f"{column}_high"))

    @property
    def throughput(self) -> Interval | None:
        """Samples per second, with the bounds of the step time turned over."""
        value, step = self.number("throughput_samples_per_second"), self.interval("step_seconds")
        if value is None or step is None:
            return None
        if step.low is None or step.high is None:
            return Interval(value=value)
        high = value * step.value / step.low if step.low > 0 else math.inf  # two wild rounds reach down to 0
        return Interval(value=value, low=value * step.value / step.high, high=high)


@once
def rows(run: Run) -> list[Row]:
    """Return one row a case, in the order of the plan."""
    cases = {case.id: case for case in run.plan.cases}
    found = []
    for record in run.cases.to_dict("records"):
        columns = {str(name): value for name, value in record.items() if not pd.isna(value)}
        found.append(Row(case=cases[columns["case_id"]], columns=columns))
    return found
