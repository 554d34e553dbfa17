"""Tables for further work: results.csv, a row a case, and samples.csv.gz, a row a timed phase of a step."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench.results.frame import Run, typed
from bench.results.side_by_side import RUN_RATIO, rows_of

_FLOATS = "%.9g"
"""The clocks resolve about 50 ns, which nine digits hold for steps of up to a minute."""


def write(run: Run, directory: Path) -> list[Path]:
    """Write both tables; the same run gives the same bytes."""
    results, samples = directory / "results.csv", directory / "samples.csv.gz"
    run.cases.to_csv(results, index=False, float_format=_FLOATS, lineterminator="\n")
    # Without a fixed time the compressed file differs every time that it is written.
    compression = {"method": "gzip", "mtime": 0, "compresslevel": 6}
    run.samples.to_csv(samples, index=False, float_format=_FLOATS, lineterminator="\n", compression=compression)
    return [results, samples]


def write_beside(runs: Sequence[Run], directory: Path) -> list[Path]:
    """Write results.csv with the rows of all *runs*, each with its run's name and its ratio to the first run."""
    path = directory / "results.csv"
    ratios = [f"{RUN_RATIO}{ending}" for ending in ("", "_low", "_high")]
    columns = ["run", *runs[0].cases.columns, *ratios]
    found = [{"run": row.run_name, **row.columns} for row in rows_of(runs)]
    table = typed(pd.DataFrame(found, columns=columns, dtype=object))
    table.to_csv(path, index=False, float_format=_FLOATS, lineterminator="\n")
    return [path]
