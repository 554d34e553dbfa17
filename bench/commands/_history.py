"""What `history` does once its options are parsed."""

import argparse
import datetime
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.commands._destination import reports_directory
from bench.commands._progress import counted
from bench.commands.history import DEFAULT_METRIC
from bench.errors import UsageError, unknown_value
from bench.history import trends
from bench.history.entries import entry_of
from bench.history.schema import METRICS
from bench.history.store import Acceptance, Store
from bench.history.trends import Trend
from bench.numbers import SECONDS, digits, size, with_unit
from bench.reporting._terminal import stdout_console, text_table

FILE_NAME = "history.sqlite"
EXIT_DONE, EXIT_NOTHING = 0, 3
DRAWN_METRICS = (DEFAULT_METRIC, "peak_allocated_bytes", "operators")
"""Of every series, in a figure."""
_SHOWN = 20
"""Points of a trend on the terminal: the newest."""


def run(options: argparse.Namespace) -> int:
    """Do what the first word says."""
    if options.metric is not None and options.metric not in METRICS:
        raise unknown_value("", options.metric, tuple(METRICS), "--metric: ")
    actions: dict[str, Callable[[argparse.Namespace, Store], int]] = {
        "add": _add,
        "show": _show,
        "trend": _trend,
        "accept": _accept,
        "rebuild": _rebuild,
    }
    store = Store(options.db or usual_url())
    try:
        return actions[options.action](options, store)
    finally:
        store.close()


def usual_url() -> str:
    """Return the address of the history beside the runs, whose folder is made where it is not there."""
    directory = reports_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"'{directory}' cannot be made ({error.strerror}); name a database with --db") from None
    return f"sqlite:///{directory / FILE_NAME}"


def _add(options: argparse.Namespace, store: Store) -> int:
    if not options.names:
        raise UsageError("history add: no run is named; give the directories of runs")
    for name in options.names:
        is_new = store.add(entry_of(Path(name)))
        print(f"{name}: {'added' if is_new else 'was there already'}")
    return EXIT_DONE


def _show(options: argparse.Namespace, store: Store) -> int:
    metric = options.metric or DEFAULT_METRIC
    found = [trends.trend_of(store, one, metric) for one in store.all_series(options.names)]
    if not found:
        print("no series; put runs in with: history add DIR", file=sys.stderr)
        return EXIT_NOTHING
    rows = [
        (
            trend.series.name,
            trend.series.machine,
            str(len(trend.points)),
            shown(trend.values[-1], metric) if trend.values else "",
            _last_change(trend),
        )
        for trend in found
    ]
    stdout_console().print(text_table(("series", "machine", "points", "newest", "last change"), rows))
    return EXIT_DONE


def _trend(options: argparse.Namespace, store: Store) -> int:
    chosen = store.all_series(options.names)
    if not chosen:
        print("no series fits; `history show` lists them", file=sys.stderr)
        return EXIT_NOTHING
    if options.png or options.html:
        metrics = (options.metric,) if options.metric else DRAWN_METRICS
        return _draw(options, [trends.trend_of(store, one, metric) for one in chosen for metric in metrics])
    if len(chosen) > 1:
        names = ", ".join(dict.fromkeys(one.name for one in chosen))
        raise UsageError(f"history trend: {len(chosen)} series fit: {names}; name one, or use --png")
    metric = options.metric or DEFAULT_METRIC
    trend = trends.trend_of(store, chosen[0], metric)
    starts = {change.start.run_id: change for change in trend.changes}
    rows = []
    for point in trend.points[-_SHOWN:]:
        change = starts.get(point.run_id)
        told = change.told if change else ""
        value = shown(point.figures[metric], metric)
        rows.append((point.started_at, point.commit, value, " ".join(point.flags), told))
    stdout_console().print(text_table(("time", "commit", metric, "flags", "change"), rows))
    older = [change for change in trend.changes if change.start not in trend.points[-_SHOWN:]]
    for change in older:
        print(f"earlier: {change.start.started_at} {change.told}")
    return EXIT_DONE


def _draw(options: argparse.Namespace, found: Sequence[Trend]) -> int:
    from bench.history import figure  # noqa: PLC0415 (matplotlib, which a table need not wait for)

    for path, write in ((options.png, figure.write_png), (options.html, figure.write_html)):
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write(found, path)
            except OSError as error:
                raise UsageError(f"'{path}' cannot be written ({error.strerror}); name another file") from None
            print(path)
    return EXIT_DONE


def _accept(options: argparse.Namespace, store: Store) -> int:
    if not options.reason:
        raise UsageError("history accept: --reason is missing; say why the change is meant")
    chosen = store.all_series(options.names)
    if len(chosen) != 1:
        names = ", ".join(dict.fromkeys(one.name for one in chosen)) or "none"
        raise UsageError(f"history accept: {len(chosen)} series fit ({names}); name one of `history show`")
    metric = options.metric or DEFAULT_METRIC
    trend = trends.trend_of(store, chosen[0], metric)
    changes = [change for change in trend.changes if options.commit in (None, change.start.commit)]
    if not changes:
        known = ", ".join(change.start.commit for change in trend.changes) or "none"
        raise UsageError(f"history accept: no such change of {metric}; changes begin at commit: {known}")
    acceptance = Acceptance(
        series_id=chosen[0].id, metric=metric, run_id=changes[-1].start.run_id, reason=options.reason
    )
    store.accept(acceptance, datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))
    print(f"accepted: {chosen[0].name}: {changes[-1].told}")
    return EXIT_DONE


def _rebuild(options: argparse.Namespace, store: Store) -> int:
    paths = [Path(row["path"]) for row in store.all_runs() if row["path"]]
    paths += [Path(name) for name in options.names]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"'{missing[0]}' is gone, and the index would lose its run; keep journals, or use history add")
    entries = [entry_of(path) for path in paths]
    store.replace_all(entries)
    print(f"made anew from {counted(len(entries), 'journal')}")
    return EXIT_DONE


def _last_change(trend: Trend) -> str:
    return trend.changes[-1].told if trend.changes else ""


def shown(value: float, metric: str) -> str:
    """Return a figure in the unit of its name."""
    if metric.endswith("_seconds") or metric.startswith("step_seconds"):
        return with_unit(value, SECONDS)
    return size(value) if metric.endswith("_bytes") else digits(value)
