"""What `export` does once its options are parsed."""

import argparse
import sys

from bench import registry
from bench.errors import UsageError, unknown_value
from bench.results import frame
from bench.results.frame import Run
from bench.results.rows import rows


def run(options: argparse.Namespace) -> int:
    """Write the run in the form that was asked for, to the file or to standard output."""
    known = {name.replace("_", "-"): name for name in registry.names("exporting")}
    if options.format not in known:
        raise unknown_value("", options.format, tuple(known), "--format: ")
    module = registry.load("exporting", known[options.format])
    found = frame.load(options.run)
    content: bytes = module.export(found)
    if options.out is None:
        if module.ENDING == ".parquet" and sys.stdout.isatty():
            raise UsageError("--format 'parquet' is not for a terminal; name a file with --out")
        sys.stdout.buffer.write(content)
        _warn_of_doubts(found)
        return 0
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"--out '{options.out}' cannot be written ({error.strerror}); name a file that can be"
        ) from None
    print(options.out, file=sys.stderr)
    _warn_of_doubts(found)
    return 0


def _warn_of_doubts(run: Run) -> None:
    """Name the cases whose flags most of these forms cannot carry."""
    doubtful = [row.case.slug for row in rows(run) if row.is_measured and row.is_doubtful]
    if doubtful:
        print(f"warning: in doubt, see their flags: {', '.join(doubtful)}", file=sys.stderr)
