"""A page of plots with two axes each: points with whiskers, joined to lines, each series named by a letter."""

import dataclasses
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from bench.reporting import _frame
from bench.reporting._frame import (
    GAP,
    LABEL_POINTS,
    MARGIN,
    NOTE_LINE,
    NOTE_POINTS,
    PANEL_POINTS,
    Words,
    framed,
    wrap,
)
from bench.reporting._style import BLACK, GREY, INK, LIGHT, readable_on, styled

CUT_NOTE = "Arrow: the interval goes on beyond the figure."
WHISKER_LIMIT = 1.4
"""Where whiskers are cut, as a multiple of the plot's highest point: two wild rounds must not hide all others."""
TITLE_LINE = 0.2
PLOT_WIDTH, PLOT_HEIGHT = 3.7, 2.6
"""In inches, as all lengths here."""
LEFT, HEAD, FOOT, BETWEEN = 0.85, 0.42, 0.62, 0.35
COLUMNS = 2
MAX_PLOTS, MAX_SERIES = 20, 60
"""Of one figure, for the same reason as that of bars."""
ROOM = 1.12
"""How far an axis goes on beyond what it shows."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """One case; all values in the units of its plot."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    """Ends of the whisker along y."""
    is_cut: bool = False
    """Whether the whisker goes on beyond *high*: an arrow says so."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """Points that belong together; one alone is a series too."""

    label: str
    points: tuple[Point, ...]
    colour: str
    is_faint: bool = False
    """Whether it stands back behind the others."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plot:
    """One pair of axes."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    line: tuple[tuple[float, float], ...] = ()
    """A dashed line through these points."""
    line_label: str = ""
    x_ticks: tuple[float, ...] = ()
    """Where x has a few values only, which are then equally far apart."""

    @property
    def keys(self) -> list[str]:
        """What each letter stands for."""
        named = [f"{letter_of(number)}  {series.label}" for number, series in enumerate(self.series)]
        return [*named, *([f"- - -  {self.line_label}"] if self.line else [])]


def letter_of(number: int) -> str:
    """Return A, B, ... Z, AA, AB, ..."""
    first, second = divmod(number, len(LETTERS))
    return (LETTERS[first - 1] if first else "") + LETTERS[second]


def draw(words: Words, plots: Sequence[Plot]) -> Figure:
    """Return the figure: plots in two columns, each with its key below, as far as there is room."""
    shown = [_with_cut_whiskers(plot) for plot in _first(plots)]
    is_cut = any(point.is_cut for plot in shown for series in plot.series for point in series.points)
    words = dataclasses.replace(words, notes=(CUT_NOTE, *words.notes)) if is_cut else words
    left_out = sum(len(plot.series) for plot in plots) - sum(len(plot.series) for plot in shown)
    if left_out:
        note = f"Not drawn, for want of room: {left_out:,} more of what a letter stands for (all in results.csv)"
        words = dataclasses.replace(words, notes=(note, *words.notes))
    return _draw(words, shown)


def _first(plots: Sequence[Plot]) -> list[Plot]:
    """Return *plots* with as many series as there is room for, where one has too many those first that stand out."""
    room, kept = MAX_SERIES, []
    for plot in plots[:MAX_PLOTS]:
        series = plot.series
        if len(series) > room:
            series = tuple(sorted(series, key=lambda one: one.is_faint)[:room])
        room -= len(series)
        kept += [dataclasses.replace(plot, series=series)] if series else []
    return kept


def _with_cut_whiskers(plot: Plot) -> Plot:
    """Return *plot* with no whisker far higher than its points."""
    points = [point for series in plot.series for point in series.points]
    limit = WHISKER_LIMIT * max([point.y for point in points] + [y for _, y in plot.line])
    cut = [
        dataclasses.replace(
            series,
            points=tuple(
                dataclasses.replace(point, high=limit, is_cut=True)
                if point.high is not None and point.high > limit
                else point
                for point in series.points
            ),
        )
        for series in plot.series
    ]
    return dataclasses.replace(plot, series=tuple(cut))


def _draw(words: Words, plots: Sequence[Plot]) -> Figure:
    with styled():
        columns = min(COLUMNS, max(1, len(plots)))
        cell_width = LEFT + PLOT_WIDTH
        width = MARGIN + columns * cell_width + (columns - 1) * BETWEEN + MARGIN
        keys = [[line for key in plot.keys for line in wrap(key, cell_width, NOTE_POINTS)] for plot in plots]
        titles = [wrap(plot.title, cell_width + 2 * MARGIN - BETWEEN, PANEL_POINTS * 1.1) for plot in plots]
        starts = range(0, len(plots), columns)
        heads = [HEAD + (max(map(len, titles[start : start + columns])) - 1) * TITLE_LINE for start in starts]
        heights = [
            head + PLOT_HEIGHT + FOOT + max(map(len, keys[start : start + columns])) * NOTE_LINE + 2 * GAP
            for head, start in zip(heads, starts, strict=True)
        ]

        def body(figure: Figure, top: float) -> None:
            for number, plot in enumerate(plots):
                row, column = divmod(number, columns)
                left = MARGIN + column * (cell_width + BETWEEN)
                place = (left, top + sum(heights[:row]), heads[row])
                _add_plot(figure, plot, titles[number], keys[number], place)

        return framed(words, width, sum(heights), body)


def _add_plot(
    figure: Figure, plot: Plot, title: Sequence[str], keys: Sequence[str], place: tuple[float, float, float]
) -> None:
    """Draw *plot* in a cell; *place* is its left and upper edge, and how high its head is, in inches."""
    left, top, head = place
    width, height = figure.get_size_inches()
    bottom = height - top - head - PLOT_HEIGHT
    axes = figure.add_axes(((left + LEFT) / width, bottom / height, PLOT_WIDTH / width, PLOT_HEIGHT / height))
    _frame.write(figure, title, top + 0.1, TITLE_LINE, left, size=PANEL_POINTS, weight="bold")
    _set_axes(axes, plot)
    if plot.line:
        xs, ys = zip(*((_x_of(plot, x), y) for x, y in plot.line), strict=True)
        axes.plot(xs, ys, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for number, series in enumerate(plot.series):
        _add_series(axes, plot, series, letter_of(number))
    _frame.write(figure, keys, top + head + PLOT_HEIGHT + FOOT, NOTE_LINE, left, size=NOTE_POINTS, color=INK)


def _set_axes(axes: Axes, plot: Plot) -> None:
    points = [point for series in plot.series for point in series.points]
    top = max(max(point.y, point.high or 0.0) for point in points)
    axes.set_ylim(0, ROOM * max(top, *(y for _, y in plot.line)) if plot.line else ROOM * top)
    if plot.x_ticks:
        axes.set_xlim(-0.5, len(plot.x_ticks) - 0.5)
        axes.xaxis.set_major_locator(FixedLocator(list(range(len(plot.x_ticks)))))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _position: f"{plot.x_ticks[round(at)]:,g}"))
    else:
        axes.set_xlim(0, ROOM * max(point.x for point in points))
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:,.6g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:,.6g}"))
    axes.tick_params(labelsize=NOTE_POINTS, length=3, labelcolor=GREY, color=GREY)
    axes.grid(color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(plot.x_label, size=LABEL_POINTS, labelpad=3)
    axes.set_ylabel(plot.y_label, size=LABEL_POINTS, labelpad=4)


def _add_series(axes: Axes, plot: Plot, series: Series, letter: str) -> None:
    strength = 0.45 if series.is_faint else 1.0
    xs = [_x_of(plot, point.x) for point in series.points]
    ys = [point.y for point in series.points]
    if len(xs) > 1:
        axes.plot(xs, ys, color=series.colour, linewidth=1.4, alpha=strength, zorder=2)
    for x, point in zip(xs, series.points, strict=True):
        if point.low is not None and point.high is not None:
            # The mean of equal values may lie outside of its own interval, by a rounding error.
            reach = [[max(point.y - point.low, 0)], [max(point.high - point.y, 0)]]
            axes.errorbar(x, point.y, yerr=reach, ecolor=INK, elinewidth=1, capsize=2.5, fmt="none", zorder=3)
            if point.is_cut:
                axes.plot(x, point.high, marker="^", color=INK, markersize=5, zorder=3)
    axes.scatter(xs, ys, s=95, color=series.colour, alpha=strength, edgecolors="white", linewidths=0.8, zorder=4)
    for x, y in zip(xs, ys, strict=True):
        ink = BLACK if series.is_faint else readable_on(series.colour)
        axes.annotate(letter, (x, y), ha="center", va="center_baseline", size=6.5, color=ink, weight="bold",
                      zorder=5)  # fmt: skip


def _x_of(plot: Plot, x: float) -> float:
    """Return where *x* stands: at its value, or at the number of its tick."""
    return float(plot.x_ticks.index(x)) if plot.x_ticks else x
