"""The look that all figures share: colours that colour-blind readers tell apart, hatches that survive grey printing."""

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from bench.results.rows import Row

# Okabe and Ito, Color Universal Design (2008), without black and without the yellow that vanishes on white.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY = "#CC79A7", "#56B4E9"
INK, GREY, LIGHT = "#222222", "#666666", "#D9D9D9"
BLACK, WHITE = "#000000", "#ffffff"
"""Of what stands on a colour, which a page in the dark must leave as it is."""

_PLACES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)
_PRECISIONS = {"fp32": (0.0, ""), "tf32": (0.2, "////"), "amp_bf16": (0.35, "...."), "amp_fp16": (0.5, "xxxx")}
"""Precision to how far its colour is mixed with white, and its hatch."""
_OTHER_PRECISION = (0.5, "||||")

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: a figure looks the same on every machine
    "text.parse_math": False,  # a workload's path may hold dollar signs
    "hatch.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": GREY,
    "text.color": INK,
    "axes.labelcolor": GREY,
    "xtick.color": GREY,
}
_DPI = 144
_MAX_PIXELS = 60_000
"""Agg refuses images of 2**16 pixels a side."""
_POINTS_PER_INCH = 72


def fills(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[str, str]]:
    """
    Return colour and hatch of each row, by key.

    The hue stands for device and strategy in the order of the plan, so that all figures of a run agree, or for the run
    where there are several; the lightness and the hatch stand for the precision.
    """
    rows = tuple(rows)
    hues = {row.key: (row.run_name,) if row.run_name else (row.case.device, row.case.strategy) for row in rows}
    places = list(dict.fromkeys(hues.values()))
    found = {}
    for row in rows:
        hue = _PLACES[places.index(hues[row.key]) % len(_PLACES)]
        white, hatch = _PRECISIONS.get(row.case.precision, _OTHER_PRECISION)
        found[row.key] = (lighter(hue, white), hatch)
    return found


def lighter(colour: str, share: float) -> str:
    """Return *colour* with *share* of white mixed in."""
    mixed = (round(255 * (part + (1 - part) * share)) for part in to_rgb(colour))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def readable_on(colour: str) -> str:
    """
    Return black or white, whichever has more contrast on *colour*.

    Source: WCAG 2.2, relative luminance; both have the same contrast at 0.179.
    """
    linear = [((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return BLACK if luminance > 0.179 else WHITE  # noqa: PLR2004 (see above)


def text_inches(text: str, points: float) -> float:
    """Return how wide *text* is in the figures' font."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=points), ismath=False)
    return float(width) / _POINTS_PER_INCH


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Build, measure or draw text in the common style."""
    with mpl.rc_context(RC), warnings.catch_warnings():
        # A workload's name may hold letters that the font lacks; a box in its place is no reason to alarm anyone.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def save(figure: Figure, path: Path, formats: Sequence[str]) -> list[Path]:
    """Write *figure* to *path* with the ending of each of *formats*, and return these files."""
    dpi = min(_DPI, _MAX_PIXELS / max(figure.get_size_inches()))
    files = [path.with_name(f"{path.name}.{name}") for name in formats]
    # Neither the time nor chance enters the file: the same run gives the same bytes.
    with styled(), mpl.rc_context({"svg.hashsalt": path.name}):
        for name, file in zip(formats, files, strict=True):
            metadata = {"Date": None} if name == "svg" else None
            figure.savefig(file, format=name, dpi=dpi, facecolor="white", metadata=metadata)
    return files
