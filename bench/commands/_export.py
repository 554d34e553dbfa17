"""What `export` does once its options are parsed."""

import argparse
import sys

from bench import registry
from bench.errors import UsageError, unknown_value
from bench.results import frame


def run(options: argparse.Namespace) -> int:
    """Write the run in the form that was asked for, to the file or to standard output."""
    known = {name.replace("_", "-"): name for name in registry.names("exporting")}
    if options.format not in known:
        raise unknown_value("", options.format, tuple(known), "--format: ")
    module = registry.load("exporting", known[options.format])
    content: bytes = module.export(frame.load(options.run))
    if options.out is None:
        if module.ENDING == ".parquet" and sys.stdout.isatty():
            raise UsageError("--format 'parquet' is not for a terminal; name a file with --out")
        sys.stdout.buffer.write(content)
        return 0
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"--out '{options.out}' cannot be written ({error.strerror}); name a file that can be"
        ) from None
    print(options.out, file=sys.stderr)
    return 0
