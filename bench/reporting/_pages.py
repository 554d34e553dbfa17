"""What the figures of a run have in common: a panel a workload, and below them what the bars cannot say."""

import textwrap
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from matplotlib.artist import Artist

from bench.flags import FLAGS
from bench.labels import cut_middle, variant, varied_batches
from bench.reporting._bars import Page, Panel
from bench.reporting._unmeasured import groups, names
from bench.results.frame import Run
from bench.results.rows import Row
from bench.results.sentences import NAME_LENGTH
from bench.results.side_by_side import names_of

MAX_BARS = 60
"""Of one figure, which is 40 cm high by then: nobody could read many more, and a thousand take half a minute."""
_TITLE_LENGTH = 70
_REASON_LENGTH = 240
_NAMES_LENGTH = 480
"""About four lines: a figure names what is missing without becoming a list of it."""
_MAX_GROUPS = 10

MakePanel = Callable[[str, Sequence[Row], Sequence[str]], Panel]


def page(
    runs: Sequence[Run],
    all_rows: Sequence[Row],
    shown: Sequence[Row],
    make_panel: MakePanel,
    *,
    title: str,
    subtitle: str,
    legend: Sequence[Artist] = (),
    by_device: bool = False,
    doubts: AbstractSet[str] = frozenset(FLAGS),
    explains_unshown: bool = True,
) -> Page:
    """
    Return a page with one panel a workload and a note on every case that has no bar.

    Args:
        runs: Where the rows come from.
        all_rows: One a case and run.
        shown: Those that get a bar, as far as there is room.
        make_panel: Takes a panel's title, its rows, and the label of each.
        title: The finding.
        subtitle: What is shown and how to read it.
        legend: Labelled artists; left out where there is no bar.
        by_device: Whether each device gets a panel, where one's bars would make another's too short to read.
        doubts: The flags that concern this page.
        explains_unshown: Whether a measured row should be here, so that one that is not has to be named.
    """
    members: dict[tuple[str, str], list[Row]] = {}
    for row in shown[:MAX_BARS]:
        members.setdefault((row.case.workload, row.case.device if by_device else ""), []).append(row)
    several = varied_batches(row.case for row in all_rows)
    panels = []
    for (workload, device), rows in members.items():
        with_batch = workload in several
        name = cut_middle(workload, _TITLE_LENGTH) + (f" on {device}" if device else "")
        batch = "" if with_batch else f", global batch {rows[0].case.global_batch_size}"
        labels = [named(row, variant(row.case, with_batch=with_batch)) for row in rows]
        panels.append(make_panel(name + batch, rows, labels))
    return Page(
        title=title,
        subtitle=(*((subtitle,) if panels else ()), *origin(runs)),
        panels=tuple(panels),
        legend=tuple(legend) if panels else (),
        notes=(
            *_undrawn(shown),
            *notes(runs, all_rows, shown, doubts=doubts, explains_unshown=explains_unshown),
        ),
    )


def named(row: Row, label: str) -> str:
    """Return *label* with the run's name where there are several."""
    return f"{label} | {cut_middle(row.run_name, NAME_LENGTH)}" if row.run_name else label


def notes(
    runs: Sequence[Run],
    all_rows: Sequence[Row],
    shown: Sequence[Row],
    *,
    doubts: AbstractSet[str] = frozenset(FLAGS),
    explains_unshown: bool = True,
) -> list[str]:
    """Return what a figure cannot show of its rows, and why others are not in it; arguments as in `page`."""
    return [*_doubts(runs, shown, doubts), *_missing(all_rows, shown if explains_unshown else None)]


def origin(runs: Sequence[Run]) -> list[str]:
    """Return which runs these are, so that a figure can be told from another's."""
    found = []
    for run, name in zip(runs, names_of(runs) if len(runs) > 1 else ("Run",), strict=True):
        words = dict.fromkeys((run.directory.name if run.directory else "", run.plan.label))
        told = ", ".join(word for word in words if word and word != name)
        found += [f"{name}: {told}"] if told else []
    return found


def remarks(row: Row) -> str:
    """Return the row's flags for the text behind its bar; few_rounds is said once for the whole page."""
    return " ".join(flag for flag in row.flags if flag != "few_rounds")


def _undrawn(shown: Sequence[Row]) -> list[str]:
    left_out = len(shown) - MAX_BARS
    return [f"Not drawn, for want of room: {left_out:,} more cases (all in results.csv)"] if left_out > 0 else []


def _doubts(runs: Sequence[Run], shown: Sequence[Row], doubts: AbstractSet[str]) -> list[str]:
    """Return what the flags of the bars mean, as far as they are among *doubts*."""
    short = [row for row in shown if "few_rounds" in row.flags] if "few_rounds" in doubts else []
    notes = []
    if short:
        which = "all cases" if len(short) == len(shown) else _cut(_names(short))
        min_rounds = max(run.plan.sampling.min_rounds for run in runs)
        notes.append(f"Fewer than {min_rounds} rounds, so the interval is wide or missing: {which}")
    flags = dict.fromkeys(flag for row in shown for flag in row.flags if flag in doubts and flag != "few_rounds")
    return [*notes, *(f"{flag}: {FLAGS[flag].meaning}" for flag in flags)]


def _missing(rows: Sequence[Row], shown: Sequence[Row] | None) -> list[str]:
    """Return a note for each reason why cases are not there; without *shown*, those that were measured are no gap."""
    found = groups(rows)
    notes = []
    for group in found[:_MAX_GROUPS]:
        word = "Failed" if group.is_failure else "Not measured"
        reason = cut_middle(group.reason, _REASON_LENGTH)
        notes.append(f"{word}: {_cut(group.names)} ({group.count}, {group.status}): {reason}")
    left_out = sum(group.num_cases for group in found[_MAX_GROUPS:])
    if left_out:
        notes.append(f"and {left_out} more cases for {len(found) - _MAX_GROUPS} more reasons: see results.csv")
    drawn = {row.key for row in shown or ()}
    unknown = [row for row in rows if shown is not None and row.is_measured and row.key not in drawn]
    if unknown:
        notes.append(f"Measured, but this figure is not known there: {_cut(_names(unknown))}")
    return notes


def _names(rows: Sequence[Row]) -> str:
    return names(rows, varied_batches(row.case for row in rows))


def _cut(text: str) -> str:
    return textwrap.shorten(text, _NAMES_LENGTH, placeholder=" ... (all in results.csv)")
