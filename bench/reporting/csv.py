"""Tables for further work: results.csv, a row a case, and samples.csv.gz, a row a timed phase of a step."""

from pathlib import Path

from bench.results.frame import Run

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
