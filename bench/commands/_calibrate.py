"""How often `ab` is right on this machine: base against itself, and against itself made slower on purpose."""

import dataclasses
import math
from collections.abc import Sequence

from rich.text import Text

from bench.commands._compared_cases import ComparedCase
from bench.commands._gate import Gate, both_ran
from bench.commands._progress import counted
from bench.comparing.two_stages import decide
from bench.errors import NothingToMeasureError
from bench.pair import Pair
from bench.reporting._terminal import stdout_console, text_table
from bench.running.turns import steps_of_one_more
from bench.statistics import rate_interval

SLOWDOWNS = (0.0, 0.03, 0.05, 0.10)
"""What the head is made to train besides; 0 is base against base, where every alarm is false."""
MAX_TURN_SECONDS = 2.0
"""Twenty times a usual turn."""


@dataclasses.dataclass(kw_only=True)
class Score:
    """What came of the runs at one slowdown."""

    slowdown_ratio: float
    runs: int = 0
    red_runs: int = 0
    """In which at least one case was called slower."""
    undecided_runs: int = 0
    """Of the others, those in which at least one is inconclusive."""
    cases: int = 0
    red_cases: int = 0

    def add(self, verdicts: Sequence[str]) -> None:
        """Take note of one run."""
        self.runs += 1
        self.cases += len(verdicts)
        self.red_cases += verdicts.count("slower")
        self.red_runs += "slower" in verdicts
        self.undecided_runs += "slower" not in verdicts and "inconclusive" in verdicts


def calibrate(gate: Gate, cases: Sequence[ComparedCase], repeats: int, margin_ratio: float) -> int:
    """
    Run base against itself *repeats* times at each slowdown, print how often each was called slower, and return 0.

    Raises:
        NothingToMeasureError: If no case runs, or none can be made slower by whole steps.
        Interrupted: After the table of what was seen until then.
    """
    for compared in cases:
        gate.run_once(compared)
    able = [compared for compared in cases if both_ran(gate.figures(compared))]
    if not able:
        raise NothingToMeasureError("no case runs here, so there is nothing to calibrate")
    too_slow = [compared.label for compared in able if not _can_be_slowed(gate, compared)]
    if too_slow:
        gate.say(f"left out, since their steps are too long to add some per cent in whole ones: {', '.join(too_slow)}")
    able = [compared for compared in able if _can_be_slowed(gate, compared)]
    if not able:
        raise NothingToMeasureError("every case is too slow to be made slower by whole steps")
    gate.say(runs_ahead(gate, able, repeats))
    scores = [Score(slowdown_ratio=ratio) for ratio in SLOWDOWNS]
    try:
        for number in range(repeats):
            for score in scores:
                gate.say(f"[{number + 1}/{repeats}] {_name(score)}")
                pairs: list[Pair] = []
                gate.two_stages(able, margin_ratio, into=pairs, more_work=score.slowdown_ratio)
                score.add([found.verdict for found in decide(pairs, margin_ratio).values()])
    finally:
        if seen := [score for score in scores if score.runs]:
            _show(seen)
    return 0


def runs_ahead(gate: Gate, cases: Sequence[ComparedCase], repeats: int) -> str:
    """Return how many runs are ahead, and for how long."""
    most_seconds = repeats * sum(gate.longest_seconds(cases, more_work=ratio) for ratio in SLOWDOWNS)
    runs = f"{counted(repeats, 'run')} at each of {len(SLOWDOWNS)} slowdowns"
    return f"{runs}, about {counted(math.ceil(most_seconds / 60), 'minute')} in all if every case looks slower"


def _can_be_slowed(gate: Gate, compared: ComparedCase) -> bool:
    """Whether a turn that holds one step more in some dozens still is a short one."""
    steps = max(steps_of_one_more(ratio) for ratio in SLOWDOWNS if ratio)
    return steps * gate.step_seconds(compared) <= MAX_TURN_SECONDS


def _show(scores: Sequence[Score]) -> None:
    """Print a line a slowdown."""
    headers = ("head", "runs", "called slower", "95 % interval", "inconclusive", "cases called slower")
    rows = []
    for score in scores:
        low, high = rate_interval(score.red_runs, score.runs)
        cells = (
            *(_name(score), str(score.runs), f"{score.red_runs / score.runs:.0%}", f"{low:.0%} to {high:.0%}"),
            *(f"{score.undecided_runs} of {score.runs}", f"{score.red_cases} of {score.cases}"),
        )
        rows.append([Text(cell) for cell in cells])
    stdout_console().print(text_table(headers, rows))


def _name(score: Score) -> str:
    return f"{score.slowdown_ratio:+.0%}" if score.slowdown_ratio else "the base itself"
