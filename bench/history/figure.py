"""Series over their runs, with what changed when: a picture, and a page that needs no network."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.history.trends import Change, Trend
from bench.labels import cut_middle
from bench.numbers import BYTES, SECONDS, Unit, fitting
from bench.reporting import _style
from bench.reporting._frame import (
    GAP,
    LABEL_POINTS,
    MARGIN,
    NOTE_POINTS,
    PANEL_POINTS,
    Words,
    framed,
)
from bench.reporting._html.figures import inlined
from bench.reporting._html.page import filled
from bench.reporting._style import BLUE, GREY, INK, LIGHT, VERMILION

WIDTH, PLOT_HEIGHT = 10.0, 1.5
"""In inches, as all lengths here."""
LEFT, HEAD, FOOT = 0.95, 0.42, 0.5
MAX_TRENDS = 60
"""Of one picture: as many as are still read; the newest changes come first. A page has all."""
_TITLE_LENGTH = 80
_CAPTION = (
    "A point a run, oldest first, hollow where its flags make it doubtful; lines: the median of each level. Upright "
    "lines: where the level changed, with the first commit of the new one; grey where somebody accepted the change."
)


def write_png(trends: Sequence[Trend], path: Path) -> None:
    """Write the picture of *trends*."""
    with _style.styled():
        draw(trends).savefig(path, format="png", dpi=144, facecolor="white")


def write_html(trends: Sequence[Trend], path: Path) -> None:
    """Write the page of *trends*."""
    by_series: dict[str, list[Trend]] = {}
    for trend in _newest_change_first(trends):
        by_series.setdefault(trend.series.id, []).append(trend)
    plots = []
    for number, members in enumerate(by_series.values()):
        figure = draw(members, explains=False)
        plots.append((members[0].series, inlined(figure, f"trend{number}-", str(figure.get_label()), _CAPTION)))
    page = filled(
        "trend.html.jinja", title=_title(trends), plots=plots, caption=_CAPTION, changes=_unaccepted_first(trends)
    )
    path.write_text(page, encoding="utf-8", newline="")


def draw(trends: Sequence[Trend], *, explains: bool = True) -> Figure:
    """Return the figure: a plot a series and metric, below each other; what stands for what is not always said."""
    found = _newest_change_first(trends)
    shown, left_out = found[:MAX_TRENDS], len(found[MAX_TRENDS:])
    notes = (f"Not drawn, for want of room: {left_out:,} more (--html has all)",) if left_out else ()
    words = Words(title=_title(trends), subtitle=(_CAPTION,) if explains else (), notes=notes)
    cell = HEAD + PLOT_HEIGHT + FOOT

    def body(figure: Figure, top: float) -> None:
        for number, trend in enumerate(shown):
            _add(figure, trend, top + number * cell)

    with _style.styled():
        return framed(words, WIDTH, len(shown) * cell, body)


def _newest_change_first(trends: Sequence[Trend]) -> list[Trend]:
    """Return those that have points, the metrics of a series together."""
    newest: dict[str, str] = {}
    for trend in trends:
        newest[trend.series.id] = max(newest.get(trend.series.id, ""), _newest_change(trend))
    return sorted((trend for trend in trends if trend.points), key=lambda trend: newest[trend.series.id], reverse=True)


def _newest_change(trend: Trend) -> str:
    return max((change.start.started_at for change in trend.changes), default="")


def _unaccepted_first(trends: Sequence[Trend]) -> list[tuple[Trend, Change]]:
    """Return the changes, of both kinds the newest first."""
    found = [(trend, change) for trend in trends for change in trend.changes]
    newest_first = sorted(found, key=lambda pair: pair[1].start.started_at, reverse=True)
    return sorted(newest_first, key=lambda pair: bool(pair[1].reason))


def _title(trends: Sequence[Trend]) -> str:
    unaccepted = [(trend, change) for trend, change in _unaccepted_first(trends) if not change.reason]
    if not unaccepted:
        has_any = any(trend.changes for trend in trends)
        return "Every change of a level was accepted" if has_any else "No level changed"
    trend, newest = unaccepted[0]
    count = f"{len(unaccepted)} changes" if len(unaccepted) > 1 else "One change"
    name = cut_middle(trend.series.name, _TITLE_LENGTH)
    return f"{count} of level; the newest: {trend.metric_name} of {name} {newest.told}"


def _add(figure: Figure, trend: Trend, top: float) -> None:
    """Draw *trend* with its upper edge *top* inches below the figure's."""
    width, height = figure.get_size_inches()
    bottom = height - top - HEAD - PLOT_HEIGHT
    axes = figure.add_axes((LEFT / width, bottom / height, (width - LEFT - MARGIN) / width, PLOT_HEIGHT / height))
    name, machine = (cut_middle(words, _TITLE_LENGTH) for words in (trend.series.name, trend.series.machine))
    title = f"{trend.metric_name} of {name} on {machine}"
    figure.text(MARGIN / width, (bottom + PLOT_HEIGHT + GAP) / height, title, size=PANEL_POINTS, weight="bold")
    unit = _unit(trend)
    values = [value / unit.size for value in trend.values]
    for is_doubtful, fill in ((False, BLUE), (True, "white")):
        indices = [index for index, point in enumerate(trend.points) if point.is_doubtful == is_doubtful]
        ys = [values[index] for index in indices]
        axes.plot(indices, ys, linestyle="none", marker="o", markersize=3.5, color=BLUE, zorder=3, markerfacecolor=fill)
    starts = [trend.points.index(change.start) for change in trend.changes]
    for start, end in zip([0, *starts], [*starts, len(values)], strict=True):
        level = statistics.median(values[start:end])
        axes.plot([start - 0.5, end - 0.5], [level, level], color=INK, linewidth=1.2)
    _set_axes(axes, trend, unit, values)
    for start, change in zip(starts, trend.changes, strict=True):
        colour = GREY if change.reason else VERMILION
        axes.axvline(start - 0.5, color=colour, linewidth=1, linestyle=(0, (3, 2)))
        axes.annotate(
            f"{change.amount} {change.start.commit}", (start - 0.5, 1), (3, -3),
            xycoords=axes.get_xaxis_transform(), textcoords="offset points", va="top", size=NOTE_POINTS, color=colour,
        )  # fmt: skip


def _set_axes(axes: Axes, trend: Trend, unit: Unit, values: Sequence[float]) -> None:
    room = 0.15 * (max(values) - min(values)) or 0.05 * max(values) or 1.0  # all of them may be 0
    axes.set_ylim(min(values) - room, max(values) + 2 * room)
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:,.6g}"))
    axes.set_xticks(sorted({0, len(values) - 1}), labels=_ends(trend), size=NOTE_POINTS)
    axes.tick_params(labelsize=NOTE_POINTS, length=3, labelcolor=GREY, color=GREY)
    first, *others = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    for last in others:
        last.set_horizontalalignment("right")
    axes.grid(axis="y", color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_ylabel(
        f"{trend.metric_name} ({unit.name})" if unit.name else trend.metric_name, size=LABEL_POINTS, labelpad=4
    )


def _ends(trend: Trend) -> list[str]:
    points = [trend.points[0], *([trend.points[-1]] if len(trend.points) > 1 else [])]
    return [" ".join(word for word in (point.started_at[:10], point.commit) if word) for point in points]


def _unit(trend: Trend) -> Unit:
    largest = max(trend.values)
    if trend.metric.endswith("_seconds"):
        return fitting(SECONDS, largest)
    return fitting(BYTES, largest) if trend.metric.endswith("_bytes") else Unit(name="", size=1.0)
