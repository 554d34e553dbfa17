"""What `history` does once its options are parsed."""

import argparse
import datetime
import sys
from collections.abc import Callable, Sequence

from bench.commands import _history_fill
from bench.commands._destination import reports_directory
from bench.commands.history import DEFAULT_METRIC
from bench.errors import UsageError, unknown_value
from bench.history import trends
from bench.history.schema import METRICS
from bench.history.store import SHORT_ID_LENGTH, Acceptance, Point, Series, Store
from bench.history.trends import Trend
from bench.numbers import SECONDS, digits, size, with_unit
from bench.reporting._terminal import stdout_console, text_table

FILE_NAME = "history.sqlite"
EXIT_DONE, EXIT_NOTHING = 0, 3
READING = {"show", "trend"}
"""Actions that make no history where there is none."""
DRAWN_METRICS = (DEFAULT_METRIC, "peak_allocated_bytes", "operators")
"""Of every series, in a figure."""
_SHOWN = 20
"""Points of a trend on the terminal: the newest."""


def run(options: argparse.Namespace) -> int:
    """Do what the first word says."""
    if options.metric is not None and options.metric not in METRICS:
        raise unknown_value("", options.metric, tuple(METRICS), "--metric: ")
    actions: dict[str, Callable[[argparse.Namespace, Store], int]] = {
        "add": _history_fill.add,
        "import": _history_fill.import_documents,
        "show": _show,
        "trend": _trend,
        "accept": _accept,
        "rebuild": _history_fill.rebuild,
    }
    is_reading = options.action in READING
    store = Store(options.db or usual_url(makes_folder=not is_reading), must_exist=is_reading)
    try:
        return actions[options.action](options, store)
    finally:
        store.close()


def usual_url(*, makes_folder: bool = True) -> str:
    """Return the address of the history beside the runs."""
    directory = reports_directory()
    try:
        if makes_folder:
            directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"'{directory}' cannot be made ({error.strerror}); name a database with --db") from None
    return f"sqlite:///{directory / FILE_NAME}"


def _show(options: argparse.Namespace, store: Store) -> int:
    metric = options.metric or DEFAULT_METRIC
    found = trends.trends_of(store, store.all_series(options.names), (metric,))
    if not found:
        print("no series; put runs in with: history add DIR", file=sys.stderr)
        return EXIT_NOTHING
    rows = [
        (
            trend.series.name,
            trend.series.id[:SHORT_ID_LENGTH],
            trend.series.machine,
            str(len(trend.points)),
            shown(trend.values[-1], metric) if trend.values else "",
            _last_change(trend),
        )
        for trend in found
    ]
    stdout_console().print(text_table(("series", "id", "machine", "points", "newest", "last change"), rows))
    return EXIT_DONE


def _trend(options: argparse.Namespace, store: Store) -> int:
    chosen = _fitting(options, store)
    if not chosen:
        raise UsageError("history trend: no series fits; `history show` lists them")
    if options.png or options.html:
        metrics = (options.metric,) if options.metric else DRAWN_METRICS
        return _draw(options, trends.trends_of(store, chosen, metrics))
    metric = options.metric or DEFAULT_METRIC
    (trend,) = trends.trends_of(store, [_the_one(options, chosen)], (metric,))
    starts = {change.start.run_id: change for change in trend.changes}
    rows = []
    for point in trend.points[-_SHOWN:]:
        change = starts.get(point.run_id)
        told = change.told if change else ""
        value = shown(point.figures[metric], metric)
        rows.append((_minute(point), point.commit, value, " ".join(point.flags), told))
    stdout_console().print(text_table(("time", "commit", trend.metric_name, "flags", "change"), rows))
    older = [change for change in trend.changes if change.start not in trend.points[-_SHOWN:]]
    for change in older:
        print(f"earlier: {_minute(change.start)} {change.told}")
    return EXIT_DONE


def _minute(point: Point) -> str:
    """Return when its run began, as a person reads it."""
    return point.started_at[: len("2026-01-01T00:00")].replace("T", " ")


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
    chosen = _the_one(options, _fitting(options, store))
    metric = options.metric or DEFAULT_METRIC
    (trend,) = trends.trends_of(store, [chosen], (metric,))
    changes = [change for change in trend.changes if options.commit is None or _is_of(change.start, options.commit)]
    if not changes:
        known = ", ".join(change.start.name for change in trend.changes) or "none"
        raise UsageError(f"history accept: no such change of {metric}; changes begin at: {known}")
    acceptance = Acceptance(series_id=chosen.id, metric=metric, run_id=changes[-1].start.run_id, reason=options.reason)
    store.accept(acceptance, datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))
    print(f"accepted: {chosen.name}: {changes[-1].told}")
    return EXIT_DONE


def _is_of(point: Point, commit: str) -> bool:
    """Whether *commit* names that of *point*, shortened or in full."""
    known = point.commit.removesuffix("-dirty")
    return bool(known) and (known.startswith(commit) or commit.startswith(known))


def _fitting(options: argparse.Namespace, store: Store) -> list[Series]:
    """Return the series that are meant: those of exactly the name, where there are any."""
    found = store.all_series(options.names)
    return [one for one in found if one.name in options.names] or found


def _the_one(options: argparse.Namespace, found: Sequence[Series]) -> Series:
    """Return the only series of *found*, or of several with one name and machine the one that goes on."""
    if not found:
        raise UsageError(f"history {options.action}: no series fits; `history show` lists them")
    if len({(one.name, one.machine) for one in found}) > 1:
        names = ", ".join(f"{one.name} ({one.id[:SHORT_ID_LENGTH]})" for one in found)
        cure = "write more of a name, or an id" + (", or --html FILE for all" if options.action == "trend" else "")
        raise UsageError(f"history {options.action}: {len(found)} series fit: {names}; {cure}")
    newest = max(found, key=lambda one: one.newest_at)
    if len(found) > 1:
        others = ", ".join(one.id[:SHORT_ID_LENGTH] for one in found if one is not newest)
        print(f"the newest of {len(found)} series of this name; the others: {others}", file=sys.stderr)
    return newest


def _last_change(trend: Trend) -> str:
    return trend.changes[-1].told if trend.changes else ""


def shown(value: float, metric: str) -> str:
    """Return a figure in the unit of its name."""
    if metric.endswith("_seconds") or metric.startswith("step_seconds"):
        return with_unit(value, SECONDS)
    return size(value) if metric.endswith("_bytes") else digits(value)
