"""The tables of the page, in Markdown."""

import statistics
from collections.abc import Iterable, Sequence

from tests.peers.load import Load
from tests.peers.pair import Pair, apart, covers, log_half_width
from tests.peers.summary import TARGET_RATIO, Row, row_of, wilson
from tests.peers.tools import TOOLS
from tests.peers.unit import Observation, Unit

GOAL_RATIO = 0.9
"""Share of pairs that must be covered: 95 % less what 40 pairs can miss by chance."""
LAGS = (1, 6, 18, 36)
"""Pairs between runs that are compared across time: about 10 s, 1, 3 and 6 minutes."""

HEADER = (
    *("tool", "runs", "seconds", "step", "claims", "SD of runs", "one run needs", "pairs covered"),
    *("SD of processes", "processes for the target", "seconds, number known", "seconds, as used", "reached by itself"),
)
LEGEND = f"""\
- seconds: median wall time of the command, from outside. step: geometric mean of its figures.
- claims: median half-width of the interval, see below. SD of runs: what repeats of the tool differ by; one run needs:
  half-width of an honest 95 % interval for a single run, t times that SD.
- pairs covered: of all pairs of repeats, minutes apart, those that differ by no more than both claims together allow
  (root of the sum of squares). Pairs share repeats, so they are no independent trials.
- SD of processes: of fresh processes within a run where a run has several, else of the repeats, drift and all.
- **derived**: processes for the target: smallest n with t(0.975, n-1) * SD / sqrt(n) <= {TARGET_RATIO:.1%}; seconds for
  them, had their number been known; and as used: no fewer than the tool takes (pyperf 20, the suite's rule 8).
- reached by itself: **measured**: runs of several processes whose own interval is within ±{TARGET_RATIO:.1%}, and their
  median wall time."""


def peers_section(units: Sequence[Unit]) -> str:
    """Return the comparison of the tools; a sentence where nothing was measured."""
    rows = rows_of(units)
    if not rows:
        return "## Tools\n\nNot measured yet."
    failures = [f"- {unit.tool}, repeat {unit.repeat}: {unit.failure}" for unit in units if unit.failure]
    table = [HEADER, ("---",) + ("---:",) * (len(HEADER) - 1), *(_cells(name, row) for name, row in rows.items())]
    return "\n".join([
        "## Tools",
        "",
        *(f"| {' | '.join(cells)} |" for cells in table),
        "",
        LEGEND,
        "",
        *_ratio(rows),
        *_split(units),
        f"- {load_sentence(unit.load for unit in units)}",
        "",
        "What the intervals are:",
        "",
        *(f"- {name}: {TOOLS[name].claim}" for name in rows),
        "",
        "What did not work:",
        "",
        *(failures or ["- every unit ran"]),
    ])  # fmt: skip


def rows_of(units: Sequence[Unit]) -> dict[str, Row]:
    """Return the row of each tool that has an observation, in the order of the table of tools."""
    rows = {}
    for name, tool in TOOLS.items():
        if found := _observations(units, name):
            rows[name] = row_of(found, tool.min_processes)
    return rows


def coverage_section(pairs: Sequence[Pair]) -> str:
    """Return what pairs of runs that took turns say, and beside it runs minutes apart."""
    if not pairs:
        return "## Coverage of the suite's interval\n\nNot measured yet."
    covered = sum(covers(pair.first_seconds, pair.second_seconds) for pair in pairs)
    runs = [figures for pair in pairs for figures in (pair.first_seconds, pair.second_seconds)]
    widths = [log_half_width(figures) for figures in runs]
    low, high = wilson(covered, len(pairs))
    later = [(lag, found) for lag in LAGS if (found := apart(pairs, lag))]
    pools = len({pair.pool for pair in pairs})
    share = f"**{covered / len(pairs):.0%}** (Wilson 95 %: {low:.0%} to {high:.0%}), goal >= {GOAL_RATIO:.0%}"
    narrow = sum(width <= TARGET_RATIO for width in widths)
    return "\n".join([
        "## Coverage of the suite's interval",
        "",
        f"{len(pairs)} pairs of runs that took turns, round by round, on the same servers; {pools} sets of servers.",
        "A pair is covered if its runs differ by no more than both half-widths together (root of the sum of squares,",
        "on logarithms).",
        "",
        "| runs | comparisons | covered | share |",
        "| --- | ---: | ---: | --- |",
        f"| in turn | {len(pairs)} | {covered} | {share} |",
        *(
            f"| {found.minutes:.1f} min apart ({lag} pairs later) | {found.comparisons} | {found.covered} | "
            f"{found.covered / found.comparisons:.0%} |"
            for lag, found in later
        ),
        "",
        f"- half-width of a run: median ±{statistics.median(widths):.1%}",
        f"- runs within ±{TARGET_RATIO:.1%}: {narrow} of {len(widths)}",
        f"- rounds of a run: median {statistics.median(map(len, runs)):g}",
        f"- seconds of a pair: median {statistics.median(pair.load.seconds for pair in pairs):.1f}",
        f"- {load_sentence(pair.load for pair in pairs)}",
    ])  # fmt: skip


def load_sentence(loads: Iterable[Load]) -> str:
    """Return what else the machine did, of at least one measurement."""
    everything = list(loads)
    shares = {
        "some thread waited for a core": [load.pressure_ratio for load in everything],
        "stolen by the hypervisor": [load.steal_ratio for load in everything],
    }
    one_minute = [load.load_1min for load in everything]
    parts = [f"load over 1 min: median {statistics.median(one_minute):.1f}, at most {max(one_minute):.1f}"]
    for what, ratios in shares.items():
        if known := [ratio for ratio in ratios if ratio is not None]:
            parts.append(f"{what}: median {statistics.median(known):.1%}, at most {max(known):.1%} of the time")
    return "; ".join(parts) + " (the measured processes are part of it)"


def _cells(name: str, row: Row) -> tuple[str, ...]:
    reached = f"{row.reached} of {row.runs}" + ("" if row.reached_seconds is None else f", {row.reached_seconds:.0f} s")
    return (
        *(name, str(row.runs), f"{row.wall_seconds:.1f}", f"{1e3 * row.figure_seconds:.2f} ms"),
        *(_plus_minus(row.claimed_ratio), _percent(row.sd_ratio), _plus_minus(row.single_ratio)),
        f"{row.covered} of {row.pairs}" + (f" ({row.covered / row.pairs:.0%})" if row.pairs else ""),
        *(_percent(row.process_sd_ratio), "" if row.processes is None else str(row.processes)),
        *(_seconds(row.known_seconds), _seconds(row.used_seconds)),
        "" if TOOLS[name].min_processes is None else reached,
    )


def _ratio(rows: dict[str, Row]) -> list[str]:
    ours, theirs = rows.get("stepbench"), rows.get("pyperf")
    if ours is None or theirs is None or not ours.used_seconds or not theirs.used_seconds or not theirs.known_seconds:
        return []
    used, known = theirs.used_seconds / ours.used_seconds, theirs.known_seconds / ours.used_seconds
    wall = theirs.wall_seconds / ours.wall_seconds
    claims = f"±{theirs.claimed_ratio:.1%} (pyperf) and ±{ours.claimed_ratio:.1%} (this suite)"
    return [
        f"- **pyperf over this suite, seconds to ±{TARGET_RATIO:.1%}: {used:.1f}** (derived, both as used)",
        f"- the same, had pyperf's user known how many processes it takes: {known:.1f}",
        f"- wall time of both as run: {wall:.1f}, for {claims}",
    ]


def _split(units: Sequence[Unit]) -> list[str]:
    found = _observations(units, "stepbench")
    if not found:
        return []
    parts = {
        name: statistics.median(one.detail[f"{name}_seconds"] for one in found)
        for name in ("servers", "visits", "reporting")
    }
    rounds = statistics.median(len(one.process_seconds) for one in found)
    contended = sum(one.detail["contended"] > 0 for one in found)
    spent = f"start of the servers {parts['servers']:.1f}, {rounds:g} visits {parts['visits']:.1f}, "
    spent += f"reports {parts['reporting']:.1f}"
    return [
        f"- where this suite's seconds go (medians): {spent}",
        f"- runs of this suite flagged `contended`: {contended} of {len(found)}",
    ]


def _observations(units: Sequence[Unit], tool: str) -> list[Observation]:
    return [unit.observation for unit in units if unit.tool == tool and unit.observation is not None]


def _percent(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.1%}"


def _plus_minus(ratio: float | None) -> str:
    return "" if ratio is None else f"±{ratio:.1%}"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.0f}"
