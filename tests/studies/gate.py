"""
Shows whether `ab` keeps quiet where nothing changed, and finds what did: false alarms and power, through the program.

    python tests/studies/gate.py --out DIR [--kinds same,slower5] [--repeats N]

Every run is a command of its own in a repository made anew (slowed.py), the kinds mixed, so that a study that was
stopped has some of each. DIR/runs.jsonl has one line for each; those that are there are not run again, so Ctrl-C loses
at most one. Writes DIR/summary.md. Ends with 1 if a kind misses its goal, 3 if runs are missing, 0 if all is well.
"""

import argparse
import collections
import dataclasses
import datetime
import random
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from bench.record import from_plain
from tests.peers import lines, machine
from tests.peers.ab import Answer, ask
from tests.peers.load import Load, Watch
from tests.peers.resumable import empty_folder, measure_missing
from tests.peers.sections import load_sentence

FILE_NAME = "runs.jsonl"
JUDGED = {0, 1, 3}
"""Exit statuses that are an answer: passed, failed, nothing comparable."""

Outcome = Literal["red", "green", "inconclusive", "broken"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """What is held against the base, and what should come of it."""

    repeats: int
    functions: tuple[str, ...] = ("mlp",)
    fail_on: str | None = None
    """None: what the program fails on by default."""
    red_ratio: tuple[float, float]
    """The goal: fewest and most runs that end red."""

    @property
    def judges_time(self) -> bool:
        """Whether a time that cannot be told leaves the run open."""
        return self.fail_on is None or "slower" in self.fail_on


# A slowed revision also counts more operators; that it is found by the clock is what is asked.
_BY_TIME = Kind(repeats=10, fail_on="slower", red_ratio=(0.9, 1.0))
_BY_COUNT = Kind(repeats=10, fail_on="counters,memory", red_ratio=(1.0, 1.0))
KINDS: Mapping[str, Kind] = {
    "same": Kind(repeats=20, functions=("mlp", "conv"), red_ratio=(0.0, 0.0)),
    "slower3": dataclasses.replace(_BY_TIME, red_ratio=(0.0, 1.0)),
    "slower5": _BY_TIME,
    "slower10": dataclasses.replace(_BY_TIME, red_ratio=(1.0, 1.0)),
    "item": _BY_COUNT,
    "activation": _BY_COUNT,
}
MAX_SECONDS_A_CASE = 100.0
"""All in all, start and end included."""
USUAL = ("same", "slower5", "slower10", "item", "activation")
"""3 % is so near to the margin of 2 % that no number of runs promises to find it."""
HEADER = (
    *("kind", "fails on", "runs", "red", "green", "inconclusive", "broken"),
    *("seconds a case", "ratio", "goal for red", "load"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """A line of runs.jsonl."""

    head: str
    """The kind, which is the name of the revision."""
    repeat: int
    started_at: str
    """UTC, ISO 8601."""
    seconds_a_case: float
    answer: Answer
    load: Load

    @property
    def outcome(self) -> Outcome:
        """What a user of the gate would call it."""
        if self.answer.error or self.answer.exit_status not in JUDGED:
            return "broken"
        if self.answer.exit_status == 1:
            return "red"
        is_open = any(row.verdict == "inconclusive" for row in self.answer.rows)
        if self.answer.exit_status == 3 or (is_open and KINDS[self.head].judges_time):
            return "inconclusive"
        return "green"


def main() -> int:
    """Run what is missing, write the summary, and return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kinds", default=",".join(USUAL), help="comma-separated, of: " + ", ".join(KINDS))
    parser.add_argument("--repeats", type=int, help="of every kind; by default 20 of same, 10 of the others")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        parser.error(f"--kinds: '{unknown[0]}' is not one of {', '.join(KINDS)}")
    path = (options.out / FILE_NAME).resolve()
    order = planned(kinds, options.repeats)
    done = {(run.head, run.repeat) for run in read_runs(path)}
    measure_missing(path, "run", order, done, lambda head, repeat: observe(head, repeat, path.parent / "run"))
    runs = read_runs(path)
    text = summary(runs, [line for line in lines.read(path) if line["kind"] == "sitting"])
    print(text)
    (options.out / "summary.md").write_text(text + "\n", encoding="utf-8")
    if not set(order) <= {(run.head, run.repeat) for run in runs}:
        return 3
    return 0 if all(reaches_goal(kind, runs) for kind in kinds) else 1


def planned(kinds: Sequence[str], repeats: int | None = None) -> list[tuple[str, int]]:
    """Return kind and repeat of every run in order: each kind spread over the whole, the same after a restart."""
    when = {}
    for kind in kinds:
        number = repeats or KINDS[kind].repeats
        for repeat in range(number):
            when[kind, repeat] = (repeat + random.Random(f"{kind} {repeat}").random()) / number
    return sorted(when, key=lambda key: when[key])


def read_runs(path: Path) -> list[Run]:
    """Return the runs of *path*."""
    return [from_plain(Run, line) for line in lines.read(path) if line["kind"] == "run"]


def reaches_goal(kind: str, runs: Sequence[Run]) -> bool:
    """Return whether as many runs of *kind* are red as should be."""
    outcomes = [run.outcome for run in runs if run.head == kind]
    seconds = [run.seconds_a_case for run in runs if run.head == kind]
    low, high = KINDS[kind].red_ratio
    in_time = max(seconds, default=0.0) <= MAX_SECONDS_A_CASE
    return in_time and "broken" not in outcomes and low * len(outcomes) <= outcomes.count("red") <= high * len(outcomes)


def summary(runs: Sequence[Run], sittings: Sequence[dict[str, str]]) -> str:
    """Return what was seen, in Markdown."""
    kinds = [kind for kind in KINDS if any(run.head == kind for run in runs)]
    return "\n".join([
        "# False alarms and power of `ab`",
        "",
        "Made by `python tests/studies/gate.py`: every run is one `python run_bench.py ab` of a revision against its",
        "base. What the revisions really cost is measured by `python tests/studies/slowed.py`.",
        "",
        *machine.described(sittings),
        "",
        f"| {' | '.join(HEADER)} |",
        "| --- | --- |" + " ---: |" * (len(HEADER) - 4) + " --- | --- |",
        *(_row(kind, [run for run in runs if run.head == kind]) for kind in kinds),
        "",
        "- seconds a case: median of a run's wall time over its cases; ratio: head over base, median of both.",
        "- inconclusive: no failure, and a time that could not be told where the run judges time.",
        "",
        *_details(kinds, runs),
    ]).rstrip()  # fmt: skip


def _row(kind: str, runs: Sequence[Run]) -> str:
    outcomes = [run.outcome for run in runs]
    ratios = [row.ratio.value for run in runs for row in run.answer.rows if row.ratio]
    low, high = KINDS[kind].red_ratio
    goal = f">= {low:.0%}" if low else f"<= {high:.0%}"
    cells = [
        *(kind, KINDS[kind].fail_on or "everything", str(len(runs))),
        *(str(outcomes.count(outcome)) for outcome in ("red", "green", "inconclusive", "broken")),
        f"{statistics.median(run.seconds_a_case for run in runs):.1f}",
        f"{statistics.median(ratios):.3f}" if ratios else "",
        f"{goal}: {'reached' if reaches_goal(kind, runs) else 'missed'}",
        load_sentence(run.load for run in runs),
    ]
    return f"| {' | '.join(cells)} |"


def _details(kinds: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """Return a line for each false alarm, each exact change and each error, with how often it was seen."""
    found = collections.Counter(
        f"- {kind}: {sentence}" for kind in kinds for run in runs if run.head == kind for sentence in _sentences(run)
    )
    return [f"{line} ({number} times)" for line, number in found.items()]


def _sentences(run: Run) -> list[str]:
    alarms = run.answer.failures if KINDS[run.head].red_ratio[0] == 0 else ()
    changes = [f"{row.label}: {change}" for row in run.answer.rows for change in row.changes]
    counted = [] if KINDS[run.head].judges_time else changes
    return [*alarms, *counted, *([run.answer.error] if run.answer.error else [])]


def observe(head: str, repeat: int, folder: Path) -> Run:
    """Ask the gate once in *folder*, which is empty before and gone afterwards."""
    kind = KINDS[head]
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    watch = Watch()
    with empty_folder(folder):
        answer = ask(folder, head, kind.functions, fail_on=kind.fail_on, seed=repeat)
    run = Run(
        head=head,
        repeat=repeat,
        started_at=started_at,
        seconds_a_case=answer.wall_seconds / len(kind.functions),
        answer=answer,
        load=watch.load(),
    )
    print(f"{run.outcome}, {run.answer.wall_seconds:.0f} s", file=sys.stderr, flush=True)
    return run


if __name__ == "__main__":
    sys.exit(main())
