"""What two sides come to: a row a case, and what the gate says of it."""

import dataclasses
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from bench.comparing.sides import BY_SOURCE, EXACT, MEMORY, Figures, Side
from bench.fingerprint import Difference, differences
from bench.flags import DOUBTFUL
from bench.metrics import WORK
from bench.result import FAILURES
from bench.statistics import (
    MARGIN_RATIO,
    Interval,
    Verdict,
    geometric_mean,
    rounds_needed,
    unpaired_ratio,
    verdict_of,
)

USUALLY_FAILS = ("memory", "counters")
"""Of runs apart in time the clock is advice: on shared machines a third and more of such alarms are false."""
GREW = " grew from "
"""Between the name of an exact figure and how it changed, in a sentence."""
STACK_KEYS = ("torch", "cuda", "cudnn", "nccl")
"""Hard keys on which counts depend besides the code."""
OF_ONE_MACHINE = {MEMORY, "allocated_bytes", "accessed_bytes"}
"""Libraries take scratch memory by the number of cores and what these can do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """An exact figure that the two sides do not share."""

    name: str
    before: int
    now: int

    @property
    def is_worse(self) -> bool:
        """Of all of them less is better."""
        return self.now > self.before

    @property
    def kind(self) -> str:
        """What `--fail-on` calls it; that a model has grown is no fault, so nothing but `any` asks for `work`."""
        if self.name in WORK:
            return "work"
        return "memory" if self.name == MEMORY else "counters"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One case that both sides have."""

    case_id: str
    label: str
    ratio: Interval | None = None
    """Current step over base step; None where it may not be told."""
    is_relative: bool = False
    """Whether both steps were first divided by their own run's reference, since the machines differ."""
    verdict: Verdict | None = None
    why: str = ""
    """Why there is no verdict, or why it is inconclusive."""
    base_seconds: float | None = None
    current_seconds: float | None = None
    compared: tuple[str, ...] = ()
    """The exact figures that were held against each other: those that the two machines must agree on."""
    changes: tuple[Change, ...] = ()
    """Those of them that differ."""
    gap: str = ""
    """What should have been compared and was not: the gate says nothing of it."""
    flags: tuple[str, ...] = ()
    failure: str = ""
    """How the case ended now, where it was ok before."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """All of it."""

    base: str
    current: str
    margin_ratio: float
    rows: tuple[Row, ...]
    """Worst first."""
    new: tuple[str, ...]
    vanished: tuple[str, ...]
    fixed: tuple[str, ...]
    """Failed in the base, each with how, and are ok now."""
    still_failing: tuple[str, ...]
    """Failed in the base, and fail now, each with how."""
    differences: tuple[Difference, ...]
    is_complete: bool = True
    """Whether nothing ended it early."""
    is_paired: bool = False
    """Whether the two took turns on one machine, so that their times may be compared whatever else differs."""
    notes: tuple[str, ...] = ()
    """Sentences that a reader has to know."""

    @property
    def is_comparable(self) -> bool:
        """Whether anything could be held against anything."""
        return any(row.ratio or row.compared or row.failure for row in self.rows)


def compare(
    base: Side, current: Side, margin_ratio: float = MARGIN_RATIO, *, is_same_question: bool = False
) -> Comparison:
    """
    Hold *current* against *base*, both taken at their own time.

    Args:
        base: What it was.
        current: What it is now.
        margin_ratio: The smallest change of a time that matters.
        is_same_question: Whether a case stays the same one though its model changed, since it is the change that is
            asked about, on one machine; of two stored runs it would be another case under the same name.
    """
    found = differences(base.environment, current.environment)
    same_stack = not any(difference.key in STACK_KEYS for difference in found)
    # Two interpreters of one machine may differ in what decides no count.
    same_machine = same_stack if is_same_question else not any(difference.is_hard for difference in found)
    rows = [
        _row(
            case_id,
            figures,
            current.cases[case_id],
            margin_ratio,
            same_machine=same_machine,
            same_stack=same_stack,
            is_same_question=is_same_question,
        )
        for case_id, figures in base.cases.items()
        if case_id in current.cases and _has_run(figures)
    ]
    return Comparison(
        base=base.name,
        current=current.name,
        margin_ratio=margin_ratio,
        rows=worst_first(rows),
        new=_only_in(current, base),
        vanished=_only_in(base, current),
        fixed=_failed_before(base, current, now="ok"),
        still_failing=_failed_before(base, current, now="failed"),
        differences=tuple(found),
        notes=tuple(
            f"The journal of {side.name} ends in the middle of a line: what came after it is not compared."
            for side in (base, current)
            if side.is_cut_off
        ),
    )


def worst_first(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return *rows* in the order in which a person wants to see them."""
    return tuple(sorted(rows, key=_badness, reverse=True))


def failures(comparison: Comparison, fail_on: AbstractSet[str]) -> list[tuple[Row, str]]:
    """
    Return the rows that *fail_on* does not let pass, each with one sentence; a case that broke never passes.

    A case that vanished has no row; for `any` it gets one here.

    Args:
        comparison: What was found.
        fail_on: Words of `--fail-on`: kinds of change, or names of `EXACT` figures.
    """
    found = []
    for row in comparison.rows:
        if row.failure:
            found.append((row, f"ran before and does not now: {row.failure}"))
        if row.verdict == "slower" and fail_on & {"slower", "any"}:
            assert row.ratio is not None
            found.append((row, f"slower by {row.ratio.value - 1:.1%}"))
        if row.verdict == "inconclusive" and fail_on & {"inconclusive", "any"}:
            found.append((row, f"inconclusive: {row.why}"))
        if row.gap and "any" in fail_on:
            found.append((row, row.gap))
        found += [
            (row, f"{change.name}{GREW}{change.before:,} to {change.now:,}")
            for change in row.changes
            if change.is_worse and fail_on & {change.kind, change.name, "any"}
        ]
    if "any" in fail_on:
        gone = "ran before, and is not in the current run"
        found += [(Row(case_id=label, label=label, gap=gone), gone) for label in comparison.vanished]
    return found


def _row(
    case_id: str,
    base: Figures,
    current: Figures,
    margin_ratio: float,
    *,
    same_machine: bool,
    same_stack: bool,
    is_same_question: bool,
) -> Row:
    row = Row(case_id=case_id, label=current.label, flags=tuple(dict.fromkeys((*base.flags, *current.flags))))
    if current.status in FAILURES:
        return dataclasses.replace(row, failure=_how(current))
    if not _has_run(current):
        return dataclasses.replace(row, gap=f"ran before, {current.status} now: {current.reason}".rstrip(": "))
    known = [name for name in WORK if name in base.exact and name in current.exact]
    work = [name for name in known if base.exact[name] != current.exact[name]]
    if work and not is_same_question:
        changed = f"{work[0]} was {base.exact[work[0]]:,} and is now {current.exact[work[0]]:,}"
        return dataclasses.replace(row, gap=f"another model under the same name: {changed}; `ab` compares them")
    names = [name for name in EXACT if same_machine or (same_stack and name not in OF_ONE_MACHINE)]
    sources = dict.fromkeys(source for source in (base.counters_source, current.counters_source) if source)
    two_ways = set(names) & BY_SOURCE if len(sources) > 1 else set()
    names = [name for name in names if name in base.exact and name not in two_ways]
    row = _with_exact(row, base, current, [*work, *names])
    if two_ways:
        counted = f"operators were counted by {' and by '.join(sources)}, and so are not compared"
        row = dataclasses.replace(row, gap="; ".join(word for word in (row.gap, counted) if word))
    if same_machine:
        ratio = unpaired_ratio(current.step_seconds, base.step_seconds)
        before, now = geometric_mean(base.step_seconds), geometric_mean(current.step_seconds)
        row = dataclasses.replace(row, ratio=ratio, base_seconds=before, current_seconds=now)
    elif base.speedups and current.speedups and base.reference == current.reference:
        # A speed-up is a time turned over, so the slowdown against the own reference is base over current.
        row = dataclasses.replace(row, ratio=unpaired_ratio(base.speedups, current.speedups), is_relative=True)
        row = dataclasses.replace(
            row, flags=tuple(dict.fromkeys((*row.flags, *base.reference_flags, *current.reference_flags)))
        )
    else:
        return dataclasses.replace(row, why="the machines differ, and there is no reference that ran on both")
    return _judged(row, min(len(base.step_seconds), len(current.step_seconds)), margin_ratio)


def _judged(row: Row, rounds: int, margin_ratio: float) -> Row:
    assert row.ratio is not None
    if doubts := [flag for flag in row.flags if flag in DOUBTFUL]:
        return dataclasses.replace(row, verdict="inconclusive", why=f"flagged {', '.join(doubts)}")
    verdict = verdict_of(row.ratio, margin_ratio)
    if verdict != "inconclusive":
        return dataclasses.replace(row, verdict=verdict)
    needed = rounds_needed(rounds, row.ratio, margin_ratio)
    why = "too close to the margin to tell" if needed is None else f"about {needed:,} rounds a side would tell"
    return dataclasses.replace(row, verdict=verdict, why="one worker a side" if row.ratio.low is None else why)


def _with_exact(row: Row, base: Figures, current: Figures, names: Sequence[str]) -> Row:
    """Return *row* with what the exact figures called *names*, all known of *base*, say."""
    compared = tuple(name for name in names if name in current.exact)
    tolerances = {MEMORY: base.memory_tolerance_bytes}
    changes = tuple(
        Change(name=name, before=base.exact[name], now=current.exact[name])
        for name in compared
        if abs(current.exact[name] - base.exact[name]) > tolerances.get(name, 0)
    )
    lost = [name for name in names if name not in compared]
    gap = f"not known now, and so not compared: {', '.join(lost)}" if lost else ""
    return dataclasses.replace(row, compared=compared, changes=changes, gap=gap)


def _has_run(figures: Figures) -> bool:
    return figures.status == "ok" and bool(figures.step_seconds)


def _only_in(side: Side, other: Side) -> tuple[str, ...]:
    """Return the cases that ran on *side* and are not even planned on the *other*."""
    return tuple(found.label for key, found in side.cases.items() if key not in other.cases and _has_run(found))


def _failed_before(base: Side, current: Side, *, now: str) -> tuple[str, ...]:
    """Return the cases that failed in *base* and are *now* ok, or failed again."""
    failed = [key for key, found in base.cases.items() if found.status in FAILURES and key in current.cases]
    endings = {key: "ok" if _has_run(current.cases[key]) else current.cases[key].status for key in failed}
    side = base if now == "ok" else current
    return tuple(
        f"{current.cases[key].label} ({_how(side.cases[key])})"
        for key, ending in endings.items()
        if ending == now or (now == "failed" and ending in FAILURES)
    )


def _how(figures: Figures) -> str:
    return f"{figures.status}: {figures.reason}".rstrip(": ")


def _badness(row: Row) -> tuple[bool, bool, bool, bool, float]:
    """Return what rows are sorted by: broken, with a change for the worse, slower, with a gap, then by ratio."""
    return (
        bool(row.failure),
        any(change.is_worse for change in row.changes),
        row.verdict == "slower",
        bool(row.gap),
        row.ratio.value if row.ratio else 0.0,
    )
