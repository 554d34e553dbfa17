"""One run of one tool: what it said, and how long it took to say it."""

import dataclasses
import math
from collections.abc import Mapping

from tests.peers.load import Load

FILE_NAME = "units.jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observation:
    """What a tool says of the step."""

    wall_seconds: float
    """Of the tool's command, from outside: interpreter, imports, calibration and all."""
    figure_seconds: float
    low_seconds: float
    high_seconds: float
    """The bounds that it claims; tools.py says what each claims."""
    process_seconds: tuple[float, ...]
    """The step's time in each fresh process that counted."""
    fixed_seconds: float
    """What of the wall time does not grow with the number of processes."""
    detail: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def log_half_width(self) -> float:
        """Half of the claimed interval on the logarithm; infinite where it reaches down to zero."""
        return math.log(self.high_seconds / self.low_seconds) / 2 if self.low_seconds > 0 else math.inf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unit:
    """A line of units.jsonl: one tool in one repeat."""

    tool: str
    repeat: int
    started_at: str
    """UTC, ISO 8601."""
    observation: Observation | None
    failure: str | None = None
    """Why there is none: the last lines that the tool wrote."""
    load: Load
