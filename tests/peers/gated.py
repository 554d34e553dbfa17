"""One comparison of two revisions by one tool: whether it raised the alarm."""

import dataclasses
from collections.abc import Mapping

from tests.peers.load import Load

FILE_NAME = "gates.jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Heard:
    """What a tool said."""

    seconds: float
    """Wall time of its commands, both sides and the comparison."""
    alarms: Mapping[str, bool]
    """Whether it calls the head slower, by the rule; a tool of one rule has one."""
    ratio: float | None
    """Head over base as the tool has it; None where it has none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gated:
    """A line of gates.jsonl: one tool on one revision in one repeat."""

    tool: str
    head: str
    repeat: int
    started_at: str
    """UTC, ISO 8601."""
    heard: Heard | None
    failure: str | None = None
    """Why there is nothing: the last lines that the tool wrote."""
    load: Load
