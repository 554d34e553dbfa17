"""The records of two workers that take turns."""

import dataclasses
import math
import statistics
from typing import Literal

from bench.case import Case
from bench.flags import held_back_share, is_contended
from bench.result import Status, Use

Stage = Literal["first", "fresh", "canary"]
"""What a pair is for: a first look, the decision on what looked slower, or the base against itself."""


UNEQUAL_SHARE = 0.05
"""How much longer a driver or a quota may hold one side back than the other, as a share of its windows."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turns:
    """One side of a pair."""

    step_seconds: tuple[float, ...]
    """A turn each: its window over its steps."""
    uses: tuple[Use, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """One fresh worker of each side, side by side."""

    case: Case
    stage: Stage
    index: int
    server: int
    """The fork server that both came from, or the base where each has its own interpreter."""
    head_first: bool
    """Whether the head's worker was created and prepared first."""
    status: Status = "ok"
    reason: str = ""
    broken: Literal["", "base", "head"] = ""
    """Whose worker it was that ended badly, where that can be told."""
    log_tail: tuple[str, ...] = ()
    """What its workers wrote last, where it broke."""
    steps: int = 0
    """Of a turn."""
    base: Turns | None = None
    head: Turns | None = None
    seconds: float = 0.0
    """It took all in all."""

    @property
    def ratio(self) -> float:
        """The head's step over the base's: the median over turns, each next to the other side's in time."""
        assert self.base is not None
        assert self.head is not None
        logs = [
            math.log(head / base) for base, head in zip(self.base.step_seconds, self.head.step_seconds, strict=True)
        ]
        return math.exp(statistics.median(logs))

    @property
    def disturbance(self) -> str:
        """Why it says nothing; empty: it counts."""
        sides = [turns.uses for turns in (self.base, self.head) if turns]
        if not sides:
            return ""
        if is_contended([use for uses in sides for use in uses]):
            return "contended"
        if any(use.allocator_retries for uses in sides for use in uses):  # the device is too full for both
            return "allocator_retry"
        if any(use.compilations for uses in sides for use in uses):
            return "recompiled"
        # What holds both back alike changes neither's place: a card at its power limit is always held back.
        shares = [held_back_share(uses) for uses in sides]
        return "throttled" if max(shares) - min(shares) > UNEQUAL_SHARE else ""
