"""For programs: the whole comparison."""

import json

from bench.comparing.comparison import Comparison
from bench.comparing.formats._words import Failing
from bench.record import to_plain

SCHEMA_VERSION = 1
"""Raised whenever a field is meant otherwise."""
FILE_NAME = "comparison.json"


def render(comparison: Comparison, failing: Failing) -> str:
    """Return one object: the comparison's fields, and `failures` by case."""
    failed = [{"case_id": row.case_id, "reason": sentence} for row, sentence in failing]
    return json.dumps({"schema_version": SCHEMA_VERSION, **to_plain(comparison), "failures": failed}, indent=2) + "\n"
