"""The words around a figure: a title that says the finding, how to read it, a legend, and notes below."""

import dataclasses
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from bench.reporting._style import GREY, INK, text_inches

# All lengths are inches: rows keep their height and texts their distance however many cases there are.
MARGIN = 0.25
GAP = 0.08
TITLE_LINE, SUBTITLE_LINE, LEGEND_LINE, NOTE_LINE = 0.27, 0.2, 0.3, 0.175
TITLE_POINTS, PANEL_POINTS, LABEL_POINTS, NOTE_POINTS = 13, 10.5, 8.5, 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Words:
    """What stands around the panels."""

    title: str
    subtitle: tuple[str, ...]
    """Paragraphs."""
    legend: tuple[Artist, ...] = ()
    """Labelled artists."""
    notes: tuple[str, ...] = ()
    """Paragraphs below the panels."""


def framed(words: Words, width: float, body_height: float, draw_body: Callable[[Figure, float], None]) -> Figure:
    """
    Return a figure of *width* with *words* around its panels.

    Args:
        words: They decide how high it becomes.
        width: In inches.
        body_height: Of the panels together, in inches.
        draw_body: Draws them; takes the figure, and how far below its upper edge they begin.
    """
    title = wrap(words.title, width, TITLE_POINTS * 1.1)  # bold is about a tenth wider
    subtitle = [line for paragraph in words.subtitle for line in wrap(paragraph, width, NOTE_POINTS)]
    notes = [line for note in words.notes for line in wrap(note, width, NOTE_POINTS)]
    head = MARGIN + len(title) * TITLE_LINE + len(subtitle) * SUBTITLE_LINE + (LEGEND_LINE if words.legend else GAP)
    figure = Figure(figsize=(width, head + body_height + len(notes) * NOTE_LINE + MARGIN))
    figure.set_label(words.title)  # the title is drawn in lines; a page that shows the figure needs it in one
    write(figure, title, MARGIN, TITLE_LINE, size=TITLE_POINTS, weight="bold")
    write(figure, subtitle, MARGIN + len(title) * TITLE_LINE, SUBTITLE_LINE, size=NOTE_POINTS, color=GREY)
    if words.legend:
        _add_legend(figure, words.legend, head)
    draw_body(figure, head)
    write(figure, notes, head + body_height, NOTE_LINE, size=NOTE_POINTS, color=INK)
    return figure


def write(
    figure: Figure, lines: Sequence[str], top: float, line_height: float, left: float = MARGIN, **style: Any
) -> None:
    """Write *lines* from *left* on, the first one *top* inches below the figure's upper edge."""
    height = figure.get_figheight()
    for number, line in enumerate(lines):
        at = (left / figure.get_figwidth(), 1 - (top + number * line_height) / height)
        figure.text(*at, line, va="top", **style)


def wrap(text: str, width: float, points: float) -> list[str]:
    """Return *text* in lines that fit between the margins of *width* inches."""
    if not text:
        return []
    inches_per_letter = text_inches(text, points) / len(text)
    letters = int((width - 2 * MARGIN) / inches_per_letter * 0.96)  # lines differ from the text's average letter
    return textwrap.wrap(text, max(letters, 20), break_on_hyphens=False)


def _add_legend(figure: Figure, handles: Sequence[Artist], bottom: float) -> None:
    at = (MARGIN / figure.get_figwidth(), 1 - (bottom - 0.02) / figure.get_figheight())
    figure.legend(
        handles=list(handles), loc="lower left", bbox_to_anchor=at, ncols=len(handles), frameon=False, borderpad=0,
        borderaxespad=0, fontsize=LABEL_POINTS, columnspacing=1.4, handlelength=1.6, handletextpad=0.5,
    )  # fmt: skip
