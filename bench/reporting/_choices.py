"""What the figures share that hold cases against each other: colours, points of throughput, and names for titles."""

from collections.abc import Mapping

from bench.case import Case
from bench.labels import cut_middle
from bench.reporting._plots import Point
from bench.reporting._style import fills
from bench.results.frame import Run
from bench.results.rows import Row

THROUGHPUT = "throughput (samples/s)"
_TITLE_LENGTH = 50


def colours(run: Run) -> Mapping[str, str]:
    """Return the colour of each case, by id: that of its bars elsewhere."""
    return {case_id: colour for case_id, (colour, _) in fills(run.plan.cases).items()}


def point(row: Row, x: float) -> Point:
    """Return the throughput of a measured case at *x*."""
    throughput = row.throughput
    assert throughput is not None
    return Point(x=x, y=throughput.value, low=throughput.low, high=throughput.high)


def name(case: Case) -> str:
    """Return the workload's name in a length for the title of a plot."""
    return cut_middle(case.workload, _TITLE_LENGTH)
