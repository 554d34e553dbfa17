"""What `ab` does once its options are parsed: counters first, then pairs in two stages, then the verdict."""

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from bench import registry
from bench.commands import _compare, _compared_cases, _sides
from bench.commands._calibrate import calibrate, runs_ahead
from bench.commands._compared_cases import ComparedCase, ComparedCases
from bench.commands._destination import make_directory
from bench.commands._formats import told
from bench.commands._gate import Gate, both_ran
from bench.commands._progress import Progress, counted
from bench.comparing.comparison import USUALLY_FAILS, Comparison, Row, compare, failures, worst_first
from bench.comparing.formats._words import change
from bench.comparing.sides import Side
from bench.comparing.two_stages import Decision, decide, decided
from bench.errors import BenchError, UsageError
from bench.pair import Pair
from bench.record import to_plain
from bench.result import SamplingPlan
from bench.running.session import Interrupted, interrupts_held, interrupts_raised
from bench.statistics import MARGIN_RATIO

CPU_BUDGET_SECONDS, ACCELERATOR_BUDGET_SECONDS = 80.0, 240.0
"""For a case that goes through both stages; with the start its answer takes less than 100 s on two cores. One that does
not look slower takes a quarter of it. An accelerator warms up for two seconds in each of a pair's workers."""
TIMEOUT_SECONDS = 30.0
"""As of a run."""
FAILS = ("slower", *USUALLY_FAILS)
"""Sides that take turns differ in time by what they are, so time may fail too."""
NOT_THERE = ("is not found", "is not there", "has no function")
"""What a worker says of a workload that its side does not have (bench/measuring/loading.py)."""
PAIRS_FILE = "pairs.jsonl"
EXIT_INTERRUPTED = 128
"""And above: a signal came."""


def run(options: argparse.Namespace) -> int:
    """Measure, compare, print, and return the exit status; nothing of the sides is left, whatever happens."""
    _sides.check(options)
    _compared_cases.check(options)
    _compare.check_format(options.format)
    fail_on = _compare.what_fails(options.fail_on, () if options.axis else FAILS)
    if options.dry_run:
        options.out = None
    if options.out is not None:
        options.out = options.out.absolute()
        make_directory(options.out)
    work: Work | None = None
    status, ended_by = 0, ""
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(interrupts_raised())
            work = _begin(options, stack)
            if options.dry_run:
                return _show_plan(work)
            if options.calibrate:
                return calibrate(work.gate, work.cases.able, options.calibrate, work.margin_ratio)
            work.measure()
    except (Interrupted, BenchError, OSError) as ending:
        status = UsageError.exit_status if isinstance(ending, OSError) else ending.exit_status
        if work is None or options.calibrate or options.dry_run:
            if isinstance(ending, Interrupted):
                return status
            if isinstance(ending, OSError):
                raise UsageError(told(ending)) from None
            raise
        if not work.is_done:
            ended_by = "interrupted" if isinstance(ending, Interrupted) else told(ending)
        print(f"{told(ending)}: what is known by now follows", file=sys.stderr)
    with interrupts_held():
        shown = _show(work.comparison(ended_by), options, fail_on)
    is_interrupted = status >= EXIT_INTERRUPTED
    # What has been found stays found: a server that died later must not turn a failure into "nothing to compare".
    return shown if shown == _compare.EXIT_FAILS and not is_interrupted else status or shown


def _begin(options: argparse.Namespace, stack: contextlib.ExitStack) -> "Work":
    """Check the sides out and start what runs them; *stack* ends it all."""
    say = Progress(quiet=options.quiet).say
    sides = stack.enter_context(_sides.places(options))
    say(_names(*sides))
    choice = _compared_cases.chosen(options, sides[1])
    base, head = stack.enter_context(_sides.settings(options, sides, say))
    cases = _compared_cases.compared_cases(choice, base, head)  # before a file is made: a mistake leaves --out free
    are_on_cpu = all(one.device_type == "cpu" for compared in cases.able for one in (compared.base, compared.head))
    usual = CPU_BUDGET_SECONDS if are_on_cpu else ACCELERATOR_BUDGET_SECONDS
    gate = Gate(
        base=base,
        head=head,
        budget_seconds=options.budget or usual,
        timeout_seconds=options.timeout or TIMEOUT_SECONDS,
        compile_timeout_seconds=options.compile_timeout or SamplingPlan.compile_timeout_seconds,
        say=say,
        keep=stack.enter_context(_raw_pairs(options.out)),
    )
    return Work(gate=gate, cases=cases, options=options)


@dataclasses.dataclass(kw_only=True)
class Work:
    """What is to be done and what is known so far, so that it can be told whenever the measuring ends."""

    gate: Gate
    cases: ComparedCases
    options: argparse.Namespace
    pairs: list[Pair] = dataclasses.field(default_factory=list)
    is_done: bool = False
    """Whether everything was measured."""

    @property
    def margin_ratio(self) -> float:
        """The smallest change that matters."""
        return self.options.margin or MARGIN_RATIO

    def measure(self) -> None:
        """Run each side once, then, unless counters are all that is wanted, let them take turns."""
        able = self.cases.able
        self.gate.say(f"memory and counters of {counted(len(able), 'case')}, one run a side")
        for compared in able:
            self.gate.run_once(compared)
            for row in self._exact([compared]).rows:
                if said := row.gap or "; ".join(map(change, row.changes)):
                    self.gate.say(f"{compared.label}: {said}")
        sound = [compared for compared in able if both_ran(self.gate.figures(compared))]
        if sound and not self.options.counters_only:
            self.gate.two_stages(sound, self.margin_ratio, into=self.pairs)
        self.is_done = True

    def comparison(self, ended_by: str = "") -> Comparison:
        """Return what is known; *ended_by* is what ended it before it was done."""
        reached = [compared for compared in self.cases.able if all(self.gate.figures(compared))]
        lacking = [compared for compared in reached if self._base_lacks(compared)]
        exact = self._exact([compared for compared in reached if compared not in lacking])
        found = self._with_broken(decided(exact, self._decisions(ended_by), ended_by))
        notes = [f"{_names(self.gate.base, self.gate.head)}.", *self._sentences(ended_by)]
        return dataclasses.replace(
            found,
            new=(*self.cases.new, *(compared.label for compared in lacking)),
            notes=tuple(notes),
            is_complete=not ended_by,
            margin_ratio=self.margin_ratio,
        )

    def _base_lacks(self, compared: ComparedCase) -> bool:
        """Whether the base's worker found no such workload and the head's did, as only they can tell of a module."""
        base, head = self.gate.figures(compared)
        if base is None or head is None or head.status != "ok":
            return False
        is_of_workload = base.status == "error" and base.reason.startswith("workload ")
        return is_of_workload and any(words in base.reason for words in NOT_THERE)

    def _decisions(self, ended_by: str) -> Mapping[str, Decision]:
        found = decide(self.pairs, self.margin_ratio)
        if not ended_by:
            return found
        return {key: dataclasses.replace(one, verdict="inconclusive", why=ended_by) for key, one in found.items()}

    def _with_broken(self, comparison: Comparison) -> Comparison:
        """Return *comparison* with what broke while taking turns: a head that did has failed, a base says nothing."""
        broken = {pair.case.id: pair for pair in self.pairs if pair.status != "ok" and pair.stage != "canary"}
        rows = [_broken_row(row, broken[row.case_id]) if row.case_id in broken else row for row in comparison.rows]
        return dataclasses.replace(comparison, rows=worst_first(rows))

    def _sentences(self, ended_by: str) -> Iterator[str]:
        if self.pairs:
            dropped = sum(bool(pair.disturbance) for pair in self.pairs)
            rest = f", of which {dropped} were disturbed and do not count" if dropped else ""
            yield f"Both took turns on this machine, in {counted(len(self.pairs), 'pair')} of fresh workers{rest}."
        if self.options.axis:
            axis, values = self.options.axis
            yield f"Modes: {axis} {values[0]} is the base of {', '.join(values[1:])}."
        if self.cases.unable:
            yield f"Cannot run here: {', '.join(self.cases.unable)}."
        if ended_by:
            yield "It ended before the clock could decide anything."

    def _exact(self, cases: Sequence[ComparedCase]) -> Comparison:
        """Return what the single runs of both sides say."""
        known = {compared.key: self.gate.figures(compared) for compared in cases}
        base, head = (
            Side(
                name=setting.name,
                environment=setting.pool.environment,
                cases={key: own for key, figures in known.items() if (own := figures[number])},
            )
            for number, setting in enumerate((self.gate.base, self.gate.head))
        )
        return compare(base, head, self.margin_ratio, is_same_question=True)


def _broken_row(row: Row, pair: Pair) -> Row:
    said = f"{pair.status}: {pair.reason} (while taking turns)"
    if pair.broken == "head":
        return dataclasses.replace(row, failure=said, verdict=None, why="")
    return dataclasses.replace(row, verdict="inconclusive", why=f"a pair broke: {said}")


def _show_plan(work: Work) -> int:
    """Print the cases, and the time that comparing them will take; return the exit status."""
    cases = work.cases
    for line in (
        *(compared.label for compared in cases.able),
        *(f"{label}  (new: the base has no such workload)" for label in cases.new),
        *cases.unable,
    ):
        print(line)
    able = len(cases.able)
    print(f"\n{able} of {counted(able + len(cases.new) + len(cases.unable), 'case')} can be compared{_ahead(work)}")
    return _compare.EXIT_PASSES if able else _compare.EXIT_NOTHING


def _ahead(work: Work) -> str:
    able, options = work.cases.able, work.options
    if not able:
        return ""
    if options.counters_only:
        return ", each by one run a side"
    if options.calibrate:
        return f", {runs_ahead(work.gate, able, options.calibrate)}"
    least, most = work.gate.shortest_seconds(able), work.gate.longest_seconds(able)
    return f": after one run a side, roughly {least:.0f} s if nothing looks slower and {most:.0f} s if everything does"


def _names(base: _sides.Named, head: _sides.Named) -> str:
    return f"Base: {base.name}; head: {head.name}" if base.place != head.place else f"Base and head: {base.name}"


def _show(comparison: Comparison, options: argparse.Namespace, fail_on: AbstractSet[str]) -> int:
    """Print the comparison, leave it in every format where that was asked for, and return the exit status."""
    failing = failures(comparison, fail_on)
    print(registry.load("comparing/formats", options.format).render(comparison, failing), end="")
    status = _compare.conclude(comparison, failing, fail_on)
    if options.out is not None and not _write(comparison, failing, options.out):
        return status or UsageError.exit_status
    return status


def _write(comparison: Comparison, failing: Sequence[tuple[Row, str]], directory: Path) -> bool:
    """Leave the comparison in every format; return whether that could be done, which what was printed does not need."""
    try:
        for name in registry.names("comparing/formats"):
            module = registry.load("comparing/formats", name)
            render = getattr(module, "render_file", module.render)
            (directory / module.FILE_NAME).write_text(render(comparison, failing), encoding="utf-8")
    except OSError as error:
        print(f"error: {told(error)}", file=sys.stderr)
        return False
    return True


@contextlib.contextmanager
def _raw_pairs(directory: Path | None) -> Iterator[Callable[[Pair], None]]:
    """Yield what writes each pair, a line of JSON, where a directory was given."""
    if directory is None:
        yield lambda _: None
        return
    with (directory / PAIRS_FILE).open("a", encoding="utf-8", buffering=1) as file:
        yield lambda pair: print(json.dumps(to_plain(pair), separators=(",", ":")), file=file)
