"""The look that all figures share: colours that colour-blind readers tell apart, hatches that survive grey printing."""

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from bench.case import Case

# Okabe and Ito, Color Universal Design (2008), without black and without the yellow that vanishes on white.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY = "#CC79A7", "#56B4E9"
INK, GREY, LIGHT = "#222222", "#666666", "#D9D9D9"

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


def fills(cases: Iterable[Case]) -> dict[str, tuple[str, str]]:
    """
    Return colour and hatch by case id.

    The hue stands for device and strategy in the order of the plan, so that all figures of a run agree; the lightness
    and the hatch stand for the precision.
    """
    cases = tuple(cases)
    places = list(dict.fromkeys((case.device, case.strategy) for case in cases))
    found = {}
    for case in cases:
        hue = _PLACES[places.index((case.device, case.strategy)) % len(_PLACES)]
        white, hatch = _PRECISIONS.get(case.precision, _OTHER_PRECISION)
        found[case.id] = (lighter(hue, white), hatch)
    return found


def lighter(colour: str, share: float) -> str:
    """Return *colour* with *share* of white mixed in."""
    mixed = (round(255 * (part + (1 - part) * share)) for part in to_rgb(colour))
    return "#" + "".join(f"{part:02x}" for part in mixed)


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


def save(figure: Figure, path: Path) -> list[Path]:
    """Write *figure* as PNG and return its path as the list that an output format returns."""
    dpi = min(_DPI, _MAX_PIXELS / max(figure.get_size_inches()))
    with styled():
        figure.savefig(path, dpi=dpi, facecolor="white")
    return [path]
