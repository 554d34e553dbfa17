"""The sentences that every format shares."""

from collections.abc import Sequence

from bench.comparing.comparison import GREW, STACK_KEYS, Change, Comparison, Row
from bench.comparing.sides import MEMORY
from bench.numbers import SECONDS, percent, size, with_unit

HEADERS = ("case", "base", "current", "change", "verdict", "not excluded", "exact changes", "flags", "remark")
MAX_REASONS = 2
"""Of a sentence."""
Failing = Sequence[tuple[Row, str]]
"""The rows that do not pass, each with one sentence."""


def seconds(value: float | None) -> str:
    """Return a step: 1.42 ms."""
    return "" if value is None else with_unit(value, SECONDS)


def time(row: Row) -> str:
    """Return a ratio as the change that it means: +4.2 % ±1.1 %."""
    if row.ratio is None:
        return ""
    words = (f"{100 * (row.ratio.value - 1):+z.1f} %", percent(row.ratio.half_width_ratio))
    return " ".join(word for word in (*words, "(relative)" if row.is_relative else "") if word)


def not_excluded(row: Row) -> str:
    """Return the largest slowdown that the figures leave possible."""
    if row.ratio is None or row.ratio.high is None:
        return ""
    return "none" if row.ratio.high <= 1 else f"+{100 * (row.ratio.high - 1):.1f} %"


def verdict(row: Row) -> str:
    """Return the word of a row."""
    if row.failure:
        return "broken"
    if row.verdict:
        return row.verdict
    if not row.compared:
        return "not compared"
    return "counters differ" if row.changes else "counters same"


def remark(row: Row) -> str:
    """Return what has to be said of a row besides."""
    return "; ".join(word for word in (row.failure, row.gap, row.why) if word)


def cells(row: Row) -> tuple[str, ...]:
    """Return what stands under each of `HEADERS`."""
    return (
        row.label,
        seconds(row.base_seconds),
        seconds(row.current_seconds),
        time(row),
        verdict(row),
        not_excluded(row),
        exact(row),
        " ".join(row.flags),
        remark(row),
    )


def change(found: Change) -> str:
    """Return what changed, with its size: operators 61 -> 63 (+2)."""
    show = size if found.name == MEMORY else "{:,}".format
    difference = found.now - found.before
    sign = "+" if difference > 0 else "-"
    return f"{found.name} {show(found.before)} -> {show(found.now)} ({sign}{show(abs(difference))})"


def exact(row: Row) -> str:
    """Return all exact changes of a row."""
    return "; ".join(map(change, row.changes))


def headline(comparison: Comparison, failing: Failing) -> str:
    """Return the one sentence."""
    if not comparison.is_comparable:
        whys = list(dict.fromkeys(said for row in comparison.rows if (said := remark(row))))
        more = f"; and {len(whys) - MAX_REASONS} more reasons" if len(whys) > MAX_REASONS else ""
        return f"Nothing can be compared: {'; '.join(whys[:MAX_REASONS]) or 'no case ran on both sides'}{more}."
    words = [verdict(row) for row in comparison.rows]
    counted = [f"{words.count(word)} {word}" for word in dict.fromkeys(words)]
    failed = {row.case_id for row, _ in failing}
    total = len(failed | {row.case_id for row in comparison.rows})  # one that vanished has no row
    state = f"{len(failed)} of {total} cases fail" if failing else "No case fails"
    grown = dict.fromkeys(sentence.partition(GREW)[0] for _, sentence in failing if GREW in sentence)
    state += f" ({', '.join(grown)} grew)" if grown else ""
    return f"{state}. Times: {', '.join(counted)} (margin ±{100 * comparison.margin_ratio:g} %)."


def remarks(comparison: Comparison) -> list[str]:
    """Return what has to be known besides the rows, a sentence a line."""
    found = list(comparison.notes)
    hard = [str(difference) for difference in comparison.differences if difference.is_hard]
    if comparison.is_paired:
        found += [f"The two sides differ: {'; '.join(hard)}."] if hard else []
    elif hard:
        found.append(
            f"Absolute times are not compared, since the machines differ: {'; '.join(hard)}. "
            "Ratios are of each run's own reference."
        )
    elif any(row.ratio for row in comparison.rows):
        found.append(
            "The two runs were taken at their own time: on a machine that others use, times are advice. "
            "Counters and memory are facts."
        )
    soft = [str(difference) for difference in comparison.differences if not difference.is_hard]
    if soft and not comparison.is_paired:
        found.append(f"Also different, without consequence: {'; '.join(soft)}.")
    gaps = sum(bool(row.gap) for row in comparison.rows)
    if gaps:
        found.append(f"Of {gaps} of {len(comparison.rows)} cases something was not compared; see their remarks.")
    stack = [str(difference) for difference in comparison.differences if difference.key in STACK_KEYS]
    if stack:
        found.append(f"Counters are not compared, since the libraries differ: {'; '.join(stack)}.")
    lists = (
        *(("New", comparison.new), ("Vanished", comparison.vanished)),
        *(("Fixed", comparison.fixed), ("Failed before and now", comparison.still_failing)),
    )
    for what, labels in lists:
        if labels:
            found.append(f"{what}: {', '.join(labels)}.")
    return found
