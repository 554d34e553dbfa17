"""The words of the self-test: a finding, its verdict against a bar, and how long a check goes on asking."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from bench.errors import BenchError
from bench.running.pool import CallError, Pool
from bench.statistics import Interval, log_t_interval, paired_ratio

Verdict = Literal["holds", "undecidable", "fails"]
VERDICTS: tuple[Verdict, ...] = ("holds", "undecidable", "fails")
"""From best to worst: a check of several parts is as good as its worst."""

Seen = Mapping[str, Any]
"""What workers saw: a name to one figure a block."""

BLOCKS_PER_WORKER = 10
"""About two seconds of work, against some tenths for a worker's start; also the fewest that can be judged: a t interval
over fewer is narrow by chance too often (method.md, section 4)."""
LIMIT_SECONDS = 8.0
"""After which a check usually asks no further worker: seven checks are to take a minute or so at most."""
TIMEOUT_SECONDS = 30.0
"""Of one worker; the default of a run, ten times what any of them needs."""


class OutOfTimeError(BenchError):
    """A worker was killed at its deadline, so that nothing can be said."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check came to."""

    verdict: Verdict
    figure: str
    """What was found, for a person."""
    bar: str
    """What it was held against."""
    interval: Interval | None = None
    """Of the figure, where it has one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bar:
    """The bounds within which a figure has to be."""

    low: float
    high: float
    text: str

    def judge(self, interval: Interval) -> Verdict:
        """Return `holds` or `fails` only where the whole interval is on one side; without bounds it never is."""
        if interval.low is None or interval.high is None:
            return "undecidable"
        if self.low <= interval.low and interval.high <= self.high:
            return "holds"
        return "fails" if interval.low > self.high or interval.high < self.low else "undecidable"

    def judge_ratio(self, seen: Seen, numerator: str, denominator: str, *, name: str = "") -> Finding:
        """
        Return what the ratio of two of the figures that were *seen* says, over pairs of blocks.

        A record without pairs, or with what no clock can have measured, fails: the instrument contradicts itself.
        """
        tops, bottoms = seen.get(numerator, ()), seen.get(denominator, ())
        return self._finding(lambda: paired_ratio(tops, bottoms), len(tops), _percent, name)

    def judge_mean(self, seen: Seen, figure: str, show: Callable[[Interval], str]) -> Finding:
        """Return what the mean of a figure over blocks says; *show* makes it readable."""
        values = seen.get(figure, ())
        return self._finding(lambda: log_t_interval(values), len(values), show, "")

    def _finding(
        self, estimate: Callable[[], Interval], blocks: int, show: Callable[[Interval], str], name: str
    ) -> Finding:
        try:
            interval = estimate()
        except ValueError as error:
            return Finding(verdict="fails", figure=f"{name} no figure: {error}".lstrip(), bar=self.text)
        verdict = self.judge(interval) if blocks >= BLOCKS_PER_WORKER else "undecidable"
        return Finding(verdict=verdict, figure=f"{name} {show(interval)}".lstrip(), bar=self.text, interval=interval)


def worst_of(findings: Sequence[Finding]) -> Finding:
    """Return the finding of a check that has several parts."""
    return Finding(
        verdict=max((finding.verdict for finding in findings), key=VERDICTS.index),
        figure="; ".join(finding.figure for finding in findings),
        bar="; ".join(dict.fromkeys(finding.bar for finding in findings)),
    )


def decide(
    pool: Pool, function: str, judge: Callable[[Seen], Finding], *, limit_seconds: float = LIMIT_SECONDS
) -> Finding:
    """
    Ask fresh workers until *judge* can decide or the time of a check is up; what fails has to fail again.

    Noise is not as tame as an interval believes: beside busy neighbours one run in five put the bare loop's whole
    interval 1.7 % too high, and none did so twice.

    Args:
        pool: Where workers come from.
        function: As ``module:function``; takes a number of `blocks` and returns one figure for each under every name.
        judge: Is shown the figures of all workers so far.
        limit_seconds: The time of a check, twice if it fails.
    """
    first = _decide_once(pool, function, judge, limit_seconds)
    if first.verdict != "fails":
        return first
    second = _decide_once(pool, function, judge, limit_seconds)
    if second.verdict == "fails":
        return second
    return dataclasses.replace(second, verdict="undecidable", figure=f"{first.figure}, then {second.figure}")


def _decide_once(pool: Pool, function: str, judge: Callable[[Seen], Finding], limit_seconds: float) -> Finding:
    started = time.monotonic()
    seen: dict[str, list[float]] = {}
    for workers in itertools.count(1):
        for name, figures in ask(pool, function, blocks=BLOCKS_PER_WORKER).items():
            seen.setdefault(name, []).extend(figures)
        is_over = time.monotonic() - started >= limit_seconds
        # Looking at 10, 20, 40, ... blocks only: every further look is another chance for noise to pass or to fail.
        if is_over or workers.bit_count() == 1:
            finding = judge(seen)
            if is_over or finding.verdict != "undecidable":
                return finding
    raise AssertionError  # count never ends


def ask(pool: Pool, function: str, **arguments: Any) -> Seen:
    """
    Return what *function* saw in a fresh worker.

    Raises:
        OutOfTimeError: If it was not done at the deadline.
        CallError: If it ended badly otherwise.
    """
    started = time.monotonic()
    try:
        return pool.call(function, timeout_seconds=TIMEOUT_SECONDS, **arguments)
    except CallError as error:
        if time.monotonic() - started < TIMEOUT_SECONDS:
            raise
        raise OutOfTimeError(f"a worker was not done after {TIMEOUT_SECONDS:g} s") from error


def _percent(ratio: Interval) -> str:
    """Return *ratio* as the change that it means: +0.21 % [-0.10, +0.52]."""
    bounds = "" if ratio.low is None or ratio.high is None else f" [{_change(ratio.low)}, {_change(ratio.high)}]"
    return f"{_change(ratio.value)} %{bounds}"


def _change(ratio: float) -> str:
    return f"{100 * (ratio - 1):+z.2f}"  # z: never -0.00
