"""A file of JSON lines, one for each finished piece of a long measurement, so that it can be stopped and continued."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.running.journal import drop_torn_line


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Write *record* at the end of *path*; it is on the disk when this returns."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())


def continued(path: Path) -> list[dict[str, Any]]:
    """Return what *path* holds, to be continued: a line that was cut off is removed, so that the next one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    drop_torn_line(path)
    return read(path)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of *path*; none where it is not there."""
    if not path.is_file():
        return []
    text = path.read_bytes()
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]
