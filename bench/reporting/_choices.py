"""What the figures share that hold cases against each other: colours, points of throughput, and names for titles."""

from collections.abc import Iterable, Mapping

from bench.labels import cut_middle
from bench.reporting._plots import Point
from bench.reporting._style import fills
from bench.results.rows import Row

THROUGHPUT = "throughput (samples/s)"
_TITLE_LENGTH = 50


def colours(rows: Iterable[Row]) -> Mapping[tuple[str, str], str]:
    """Return the colour of each row, by key: that of its bars elsewhere."""
    return {key: colour for key, (colour, _) in fills(rows).items()}


def point(row: Row, x: float) -> Point:
    """Return the throughput of a measured case at *x*."""
    throughput = row.throughput
    assert throughput is not None
    return Point(x=x, y=throughput.value, low=throughput.low, high=throughput.high)


def name(row: Row) -> str:
    """Return the workload's name in a length for the title of a plot, behind the run's where there are several."""
    workload = cut_middle(row.case.workload, _TITLE_LENGTH)
    return f"{cut_middle(row.run_name, _TITLE_LENGTH)}: {workload}" if row.run_name else workload
