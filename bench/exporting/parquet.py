"""The columns of results.csv with their types, as Parquet (extra `parquet`)."""

import io

from bench.errors import UsageError
from bench.results.frame import Run

ENDING = ".parquet"


def export(run: Run) -> bytes:
    """
    Return the table of *run*.

    Raises:
        UsageError: If pyarrow is not installed.
    """
    buffer = io.BytesIO()
    try:
        run.cases.to_parquet(buffer, engine="pyarrow", index=False)
    except ImportError:
        cure = "python -m pip install pyarrow"
        raise UsageError(f"--format 'parquet' needs pyarrow, which is not installed; {cure}") from None
    return buffer.getvalue()
