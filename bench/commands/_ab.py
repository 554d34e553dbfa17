"""What `ab` does once its options are parsed: counters first, then pairs in two stages, then the verdict."""

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from bench import registry
from bench.commands import _compare, _contests, _sides
from bench.commands._calibrate import calibrate
from bench.commands._contests import Contest, Contests
from bench.commands._destination import make_directory
from bench.commands._gate import Gate
from bench.commands._progress import Progress
from bench.comparing.comparison import USUALLY_FAILS, Comparison, compare, failures
from bench.comparing.formats._words import change
from bench.comparing.sides import Side
from bench.comparing.two_stages import Decision, decide, decided
from bench.pair import Pair
from bench.record import to_plain
from bench.running.session import Interrupted, interrupts_held, interrupts_raised
from bench.statistics import MARGIN_RATIO

BUDGET_SECONDS = 80.0
"""For a case that goes through both stages; with the start its answer takes less than 100 s on two cores. One that does
not look slower takes a quarter of it."""
TIMEOUT_SECONDS = 30.0
"""As of a run."""
FAILS = ("slower", *USUALLY_FAILS)
"""Sides that take turns differ in time by what they are, so time may fail too."""
PAIRS_FILE = "pairs.jsonl"


def run(options: argparse.Namespace) -> int:
    """Measure, compare, print, and return the exit status; nothing of the sides is left, whatever happens."""
    _sides.check(options)
    _contests.check(options)
    _compare.check_format(options.format)
    fail_on = _compare.what_fails(options.fail_on, () if options.axis else FAILS)
    if options.out is not None:
        options.out = options.out.absolute()
        make_directory(options.out)
    say = Progress(quiet=options.quiet).say
    work: Work | None = None
    status = 0
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(interrupts_raised())
            sides = stack.enter_context(_sides.places(options))
            say(_names(*sides))
            choice = _contests.chosen(options, sides[1])
            base, head = stack.enter_context(_sides.settings(options, sides, say))
            gate = Gate(
                base=base,
                head=head,
                budget_seconds=options.budget or BUDGET_SECONDS,
                timeout_seconds=options.timeout or TIMEOUT_SECONDS,
                say=say,
                keep=stack.enter_context(_raw_pairs(options.out)),
            )
            work = Work(gate=gate, contests=_contests.contests(choice, base, head), options=options)
            if options.calibrate:
                return calibrate(gate, work.contests.able, options.calibrate, work.margin_ratio)
            work.measure()
    except Interrupted as interrupted:
        status = interrupted.exit_status
        print(f"{interrupted}: what is known by now follows", file=sys.stderr)
    if work is None:
        return status
    with interrupts_held():
        shown = _show(work.comparison(is_interrupted=status != 0), options, fail_on)
    return status or shown


@dataclasses.dataclass(kw_only=True)
class Work:
    """What is to be done and what is known so far, so that it can be told whenever the measuring ends."""

    gate: Gate
    contests: Contests
    options: argparse.Namespace
    pairs: list[Pair] = dataclasses.field(default_factory=list)

    @property
    def margin_ratio(self) -> float:
        """The smallest change that matters."""
        return self.options.margin or MARGIN_RATIO

    def measure(self) -> None:
        """Run each side once, then, unless counters are all that is wanted, let them take turns."""
        able = self.contests.able
        self.gate.say(f"memory and counters of {len(able)} cases, one run a side")
        for contest in able:
            self.gate.run_once(contest)
            for row in self._exact([contest]).rows:
                if said := row.failure or row.gap or "; ".join(map(change, row.changes)):
                    self.gate.say(f"{contest.label}: {said}")
        ran = {row.case_id for row in self._exact(able).rows if not row.failure and not row.gap}
        sound = [contest for contest in able if contest.key in ran]
        if sound and not self.options.counters_only:
            self.gate.two_stages(sound, self.margin_ratio, into=self.pairs)

    def comparison(self, *, is_interrupted: bool) -> Comparison:
        """Return what is known."""
        decisions = dict(decide(self.pairs, self.margin_ratio))
        for pair in self.pairs:
            if pair.status != "ok":
                why = f"a pair broke: {pair.status}: {pair.reason}"
                decisions[pair.case.id] = Decision(verdict="inconclusive", why=why)
        why_not = "interrupted" if is_interrupted else ""
        if is_interrupted:
            decisions = {
                key: dataclasses.replace(found, verdict="inconclusive", why=why_not) for key, found in decisions.items()
            }
        reached = [contest for contest in self.contests.able if all(self.gate.figures(contest))]
        found = decided(self._exact(reached), decisions, why_not)
        notes = [f"{_names(self.gate.base, self.gate.head)}.", *self._sentences(is_interrupted)]
        return dataclasses.replace(found, new=self.contests.new, notes=tuple(notes), margin_ratio=self.margin_ratio)

    def _sentences(self, is_interrupted: bool) -> Iterator[str]:
        if self.pairs:
            dropped = sum(bool(pair.disturbance) for pair in self.pairs)
            rest = f", of which {dropped} were disturbed and do not count" if dropped else ""
            yield f"Fresh workers of both took turns on this machine, in {len(self.pairs)} pairs{rest}."
        if self.options.axis:
            axis, values = self.options.axis
            yield f"Modes: {axis} {values[0]} is the base of {', '.join(values[1:])}."
        if self.contests.unable:
            yield f"Cannot run here: {', '.join(self.contests.unable)}."
        if is_interrupted:
            yield "Interrupted before the clock could decide anything."

    def _exact(self, contests: Sequence[Contest]) -> Comparison:
        """Return what the single runs of both sides say."""
        known = {contest.key: self.gate.figures(contest) for contest in contests}
        base, head = (
            Side(
                name=setting.name,
                environment=setting.pool.environment,
                cases={key: own for key, figures in known.items() if (own := figures[number])},
            )
            for number, setting in enumerate((self.gate.base, self.gate.head))
        )
        return compare(base, head, self.margin_ratio, is_same_question=True)


def _names(base: _sides.Named, head: _sides.Named) -> str:
    return f"Base: {base.name}; head: {head.name}" if base.place != head.place else f"Base and head: {base.name}"


def _show(comparison: Comparison, options: argparse.Namespace, fail_on: AbstractSet[str]) -> int:
    """Print the comparison, leave it in every format where that was asked for, and return the exit status."""
    failing = failures(comparison, fail_on)
    if options.out is not None:
        for name in registry.names("comparing/formats"):
            module = registry.load("comparing/formats", name)
            (options.out / module.FILE_NAME).write_text(module.render(comparison, failing), encoding="utf-8")
    print(registry.load("comparing/formats", options.format).render(comparison, failing), end="")
    return _compare.conclude(comparison, failing, fail_on)


@contextlib.contextmanager
def _raw_pairs(directory: Path | None) -> Iterator[Callable[[Pair], None]]:
    """Yield what writes each pair, a line of JSON, where a directory was given."""
    if directory is None:
        yield lambda _: None
        return
    with (directory / PAIRS_FILE).open("a", encoding="utf-8", buffering=1) as file:
        yield lambda pair: print(json.dumps(to_plain(pair), separators=(",", ":")), file=file)
