"""A page of horizontal bars: a title that says the finding, a panel a workload, and what could not be measured."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.reporting._frame import GAP, LABEL_POINTS, MARGIN, NOTE_POINTS, PANEL_POINTS, Words, framed
from bench.reporting._style import INK, LIGHT, styled, text_inches

PLOT_WIDTH = 7.0
"""In inches, as all lengths here."""
ROW, BAR_SHARE = 0.27, 0.74
PANEL_HEAD, PANEL_FOOT = 0.42, 0.52
WHISKER_LIMIT = 1.4
"""Where whiskers are cut, as a multiple of the panel's longest bar: two wild rounds must not hide all others."""
_CUT_NOTE = "Arrow: the interval goes on beyond the figure."
_PALE_NOTE = "Pale: in doubt, for the flags that stand behind it."
_PALE = 0.35
"""Opacity of what is in doubt."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bar:
    """One case; all values in the unit of its panel."""

    label: str
    parts: tuple[tuple[float, str, str], ...]
    """Length, colour and hatch of each part, left to right."""
    low: float | None = None
    high: float | None = None
    """Ends of the whisker."""
    is_cut: bool = False
    """Whether the whisker goes on beyond *high*: an arrow says so."""
    outline: float | None = None
    """Length of an empty frame around the bar."""
    marker: float | None = None
    """Where a thin upright line stands."""
    text: str = ""
    """Stands to the right of everything else."""
    is_doubtful: bool = False
    """Whether a flag says that the figure may be wrong: it is drawn pale."""

    @property
    def end(self) -> float:
        """Where the bar's ink ends."""
        return max(self.length, self.high or 0.0)

    @property
    def length(self) -> float:
        """The same without the whisker."""
        return max(sum(length for length, _, _ in self.parts), self.outline or 0.0, self.marker or 0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """The cases of one workload on one scale."""

    title: str
    axis_label: str
    """Quantity and unit."""
    bars: tuple[Bar, ...]
    line: float | None = None
    """Where an upright line goes through all of them."""

    @property
    def height(self) -> float:
        """In inches, title and axis included."""
        return PANEL_HEAD + len(self.bars) * ROW + PANEL_FOOT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that a figure says."""

    title: str
    subtitle: tuple[str, ...]
    """Paragraphs."""
    panels: tuple[Panel, ...]
    legend: tuple[Artist, ...] = ()
    """Labelled artists."""
    notes: tuple[str, ...] = ()
    """Paragraphs below the panels."""


def draw(page: Page) -> Figure:
    """Return the figure of *page*; it grows with the number of cases and the length of the notes."""
    with styled():
        return _draw(page)


def _draw(page: Page) -> Figure:
    page = _with_cut_whiskers(page)
    if any(bar.is_doubtful for panel in page.panels for bar in panel.bars):
        page = dataclasses.replace(page, notes=(_PALE_NOTE, *page.notes))
    labels = [bar.label for panel in page.panels for bar in panel.bars]
    left = MARGIN + max((text_inches(label, LABEL_POINTS) for label in labels), default=0.0) + GAP
    width = left + PLOT_WIDTH + MARGIN
    words = Words(title=page.title, subtitle=page.subtitle, legend=page.legend, notes=page.notes)

    def panels(figure: Figure, top: float) -> None:
        for panel in page.panels:
            _add_panel(figure, panel, left, top)
            top += panel.height

    return framed(words, width, sum(panel.height for panel in page.panels), panels)


def _with_cut_whiskers(page: Page) -> Page:
    """Return *page* with no whisker far longer than its panel's bars, and a note where that took anything away."""
    panels = []
    for panel in page.panels:
        limit = WHISKER_LIMIT * max(bar.length for bar in panel.bars)
        bars = (
            dataclasses.replace(bar, high=limit, is_cut=True) if bar.high is not None and bar.high > limit else bar
            for bar in panel.bars
        )
        panels.append(dataclasses.replace(panel, bars=tuple(bars)))
    is_cut = any(bar.is_cut for panel in panels for bar in panel.bars)
    return dataclasses.replace(page, panels=tuple(panels), notes=(_CUT_NOTE, *page.notes) if is_cut else page.notes)


def _add_panel(figure: Figure, panel: Panel, left: float, top: float) -> None:
    """Draw *panel* with its upper edge *top* inches below the figure's."""
    width, height = figure.get_size_inches()
    rows_height = len(panel.bars) * ROW
    bottom = height - top - PANEL_HEAD - rows_height
    axes = figure.add_axes((left / width, bottom / height, PLOT_WIDTH / width, rows_height / height))
    figure.text(MARGIN / width, (bottom + rows_height + 0.07) / height, panel.title, size=PANEL_POINTS, weight="bold")
    axes.set_xlim(0, max(_axis_end(panel.bars), 1.05 * (panel.line or 0.0)))
    axes.set_ylim(len(panel.bars) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:,.6g}"))
    axes.tick_params(axis="x", labelsize=NOTE_POINTS, length=3)
    axes.set_yticks([])
    axes.grid(axis="x", color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(panel.axis_label, size=LABEL_POINTS, labelpad=3)
    if panel.line is not None:
        axes.axvline(panel.line, color=INK, linewidth=1.2, zorder=3)
    for number, bar in enumerate(panel.bars):
        _add_bar(axes, bar, number)


def _axis_end(bars: Sequence[Bar]) -> float:
    """Return an upper limit that leaves room for the longest text behind the longest bar."""
    end = max((bar.end for bar in bars), default=0.0) or 1.0
    longest = max((text_inches(bar.text, LABEL_POINTS) for bar in bars), default=0.0)
    return end * PLOT_WIDTH / max(PLOT_WIDTH - longest - 2 * GAP, PLOT_WIDTH / 4)


def _add_bar(axes: Axes, bar: Bar, row: int) -> None:
    start = 0.0
    for length, colour, hatch in bar.parts:
        opacity = _PALE if bar.is_doubtful else None
        style: dict[str, Any] = {
            "color": colour,
            "hatch": hatch,
            "edgecolor": "white",
            "linewidth": 0,
            "alpha": opacity,
        }
        axes.barh(row, length, BAR_SHARE, left=start, **style)
        start += length
    if bar.outline is not None:
        axes.barh(row, bar.outline, BAR_SHARE, fill=False, edgecolor=INK, linewidth=0.8, linestyle=(0, (3, 2)))
    if bar.low is not None and bar.high is not None:
        middle = start if bar.marker is None else bar.marker
        # The mean of equal values may lie outside of its own interval, by a rounding error.
        reach = [[max(middle - bar.low, 0)], [max(bar.high - middle, 0)]]
        axes.errorbar(middle, row, xerr=reach, ecolor=INK, elinewidth=1, capsize=2.5, fmt="none")
        if bar.is_cut:
            axes.plot(bar.high, row, marker=">", color=INK, markersize=5, clip_on=False)
    if bar.marker is not None:
        axes.vlines(bar.marker, row - 0.46, row + 0.46, color=INK, linewidth=1.4)
    gap_points = GAP * 72
    words: dict[str, Any] = {
        "textcoords": "offset points",
        "va": "center_baseline",
        "size": LABEL_POINTS,
        "annotation_clip": False,
    }
    axes.annotate(bar.text, (bar.end, row), (gap_points, 0), **words)
    axes.annotate(bar.label, (0, row), (-gap_points, 0), xycoords=axes.get_yaxis_transform(), ha="right", **words)
