"""What the units say together: seconds, claims, and what runs really vary by. Pure arithmetic."""

import dataclasses
import itertools
import math
import statistics
from collections.abc import Sequence

from scipy.special import stdtrit

from tests.peers.unit import Observation

TARGET_RATIO = 0.025
"""Half-width at which a figure counts as trusted: the suite's own target."""
MAX_PROCESSES = 100_000
"""Beyond it nobody would wait."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One tool over its repeats; ratios are on the logarithm, None where too few runs are there to tell."""

    runs: int
    wall_seconds: float
    """Median."""
    figure_seconds: float
    """Geometric mean."""
    claimed_ratio: float
    """Median half-width of the intervals that it claims."""
    sd_ratio: float | None
    """Standard deviation between repeats."""
    single_ratio: float | None
    """Half-width of a 95 % interval that one run would need, from that deviation."""
    covered: int
    pairs: int
    """Of repeats, and how many of them differ by no more than both claims together allow."""
    process_sd_ratio: float | None
    """Standard deviation between fresh processes: within runs where a run has several, else between repeats."""
    processes: int | None
    """Derived: fresh processes until their interval is within the target."""
    known_seconds: float | None
    """Derived: what that many cost, had somebody known their number."""
    used_seconds: float | None
    """Derived: the same, but no fewer than the tool takes; None for a tool that takes one and stops."""
    reached: int
    """Runs whose own interval over fresh processes is within the target."""
    reached_seconds: float | None
    """Measured: their median wall time."""


def row_of(observations: Sequence[Observation], min_processes: int | None) -> Row:
    """
    Return what *observations* of one tool, one a repeat, say.

    Args:
        observations: At least one.
        min_processes: The fewest fresh processes that the tool pays for; None: it has no rule for their number.
    """
    logs = [math.log(one.figure_seconds) for one in observations]
    sd = statistics.stdev(logs) if len(logs) > 1 else None
    process_sd = _process_sd(observations, sd)
    processes = None if process_sd is None else processes_needed(process_sd)
    fixed = statistics.median(one.fixed_seconds for one in observations)
    each = statistics.median((one.wall_seconds - one.fixed_seconds) / len(one.process_seconds) for one in observations)
    used = None if processes is None or min_processes is None else max(processes, min_processes)
    pairs = list(itertools.combinations(observations, 2))
    reached = [one.wall_seconds for one in observations if min_processes and one.log_half_width <= TARGET_RATIO]
    return Row(
        runs=len(observations),
        wall_seconds=statistics.median(one.wall_seconds for one in observations),
        figure_seconds=math.exp(statistics.fmean(logs)),
        claimed_ratio=statistics.median(one.log_half_width for one in observations),
        sd_ratio=sd,
        single_ratio=None if sd is None else float(stdtrit(len(logs) - 1, 0.975)) * sd,
        covered=sum(agree(*pair) for pair in pairs),
        pairs=len(pairs),
        process_sd_ratio=process_sd,
        processes=processes,
        known_seconds=None if processes is None else fixed + processes * each,
        used_seconds=None if used is None else fixed + used * each,
        reached=len(reached),
        reached_seconds=statistics.median(reached) if reached else None,
    )


def agree(first: Observation, second: Observation) -> bool:
    """Return whether two figures differ by no more than their claimed intervals together allow."""
    distance = abs(math.log(first.figure_seconds / second.figure_seconds))
    return distance <= math.hypot(first.log_half_width, second.log_half_width)


def processes_needed(sd_ratio: float, target_ratio: float = TARGET_RATIO) -> int | None:
    """Return the smallest n whose 95 % t interval is no wider than the target; None where it is out of reach."""
    low, high = 1, 2
    while half_width(sd_ratio, high) > target_ratio:  # doubled, then halved: it falls with n
        low, high = high, 2 * high
        if high > MAX_PROCESSES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if half_width(sd_ratio, middle) <= target_ratio else (middle, high)
    return high


def half_width(sd_ratio: float, number: int) -> float:
    """Return the half-width of the 95 % t interval of a mean of *number* values."""
    return float(stdtrit(number - 1, 0.975)) * sd_ratio / math.sqrt(number)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """
    Return the 95 % interval of a share, which stays within 0 and 1 and holds for few trials.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927).
    """
    z = statistics.NormalDist().inv_cdf(0.975)
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    whole = 1 + z * z / trials
    return (max(0.0, (centre - spread) / whole), min(1.0, (centre + spread) / whole))


def _process_sd(observations: Sequence[Observation], between_sd: float | None) -> float | None:
    """Return the deviation of processes close in time, pooled over runs; of repeats where a run is one process."""
    several = [[math.log(value) for value in one.process_seconds] for one in observations]
    several = [logs for logs in several if len(logs) > 1]
    if not several:
        return between_sd
    return math.sqrt(statistics.fmean(statistics.variance(logs) for logs in several))
