"""The figures of a run as SVG that may stand in a page: no style, no metadata, no name that another figure has."""

import dataclasses
import functools
import io
import re
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, fromstring, tostring

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from bench import registry
from bench.reporting._html.text import shown
from bench.reporting._style import styled
from bench.results.frame import Run

_ORDER = ("throughput", "speedup", "memory", "phases", "scaling", "batch", "pareto")
"""What comes first; others follow by name."""
_PIXELS_PER_INCH = 96
"""Of CSS, so that letters have the size that they were made for."""
_NO_WIDE_LETTERS = 0x2E80
"""From here on letters are often missing in the figures' font, whose width for them is that of an empty box."""
_TILE, _DOTS, _ROUND = "6", "M1.5 1.5h.01M4.5 4.5h.01", "stroke-width: 1.3; stroke-linecap: round"
"""The size of a tile of dots, the lines of no length whose round ends they are, and how those are drawn."""
_SHORT = 3
"""Texts of fewer letters are as wide as they are."""
_DECIMALS = re.compile(r"-?\d+\.\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plot:
    """One figure of the page."""

    name: str
    title: str
    """The finding, or why there is no figure."""
    caption: str
    svg: Markup
    """Empty: there is nothing to show here."""


def plots(runs: Sequence[Run]) -> list[Plot]:
    """Return the figures of all output formats that draw one."""
    names = registry.names("reporting")
    ordered = [name for name in _ORDER if name in names] + [name for name in names if name not in _ORDER]
    modules = {name: registry.load("reporting", name) for name in ordered}
    return [
        _plot(name, module.figure(*runs), module.NEEDS) for name, module in modules.items() if hasattr(module, "figure")
    ]


def _plot(name: str, figure: Figure, needs: str) -> Plot:
    caption = registry.summary("reporting", name)
    has_data = bool(figure.axes)
    title = str(figure.get_label()) or caption if has_data else f"Not drawn: needs {needs}."
    return Plot(
        name=name,
        title=title,
        caption=caption,
        svg=inlined(figure, f"plot-{name}", title, caption) if has_data else Markup(),
    )


def inlined(figure: Figure, prefix: str, title: str, description: str) -> Markup:
    """
    Return *figure* as an element of a page.

    Args:
        figure: What is drawn.
        prefix: Begins every id, so that figures do not take each other's patterns.
        title: What it says, for those who do not see it.
        description: What it shows.
    """
    root = fromstring(shown(_drawn(figure, prefix)))  # noqa: S314 (matplotlib has just written it)
    for parent in list(root.iter()):
        for child in [child for child in parent if _name(child) in ("metadata", "style")]:
            parent.remove(child)
        if _name(parent) == "pattern":
            _simplify_dots(parent)
    used = _references(root)
    for element in root.iter():
        _clean(element, used, prefix)
    for shared in root.iter("defs"):
        for path in shared.findall("path"):  # its users say the same colours, and only theirs can be turned dark
            path.attrib.pop("fill", None)
            path.attrib.pop("stroke", None)
    width = round(figure.get_figwidth() * _PIXELS_PER_INCH)
    attributes = {"viewBox": root.attrib["viewBox"], "width": str(width), "role": "img"}
    root.attrib.clear()
    root.attrib.update(attributes)
    _describe(root, prefix, {"title": title, "desc": description})
    return Markup(tostring(root, encoding="unicode"))  # noqa: S704 (what others wrote is escaped by the writer)


def _describe(root: Element, prefix: str, texts: Mapping[str, str]) -> None:
    """Say in words what is shown, for those who do not see it."""
    for position, (tag, words) in enumerate(texts.items()):
        element = Element(tag, {"id": f"{prefix}-{tag}"})
        element.text = shown(words)
        root.insert(position, element)
    root.set("aria-labelledby", " ".join(f"{prefix}-{tag}" for tag in texts))


def _drawn(figure: Figure, salt: str) -> str:
    # Letters, not outlines: these are four times as large, and nobody could search for a name.
    with styled(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def _simplify_dots(pattern: Element) -> None:
    """Replace a hatch of dots, 60 KB of circles for each colour, by one tile of it."""
    for path in pattern:
        if "C" in path.get("d", ""):  # curves: of the hatches only dots have any
            pattern.attrib |= {"width": _TILE, "height": _TILE}
            path.attrib |= {"d": _DOTS, "style": f"{path.get('style', '')}; {_ROUND}"}


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _references(root: Element) -> set[str]:
    """Return the ids that something in the figure points at."""
    values = [value for element in root.iter() for value in element.attrib.values()]
    return {found for value in values for found in (*_REFERENCE.findall(value), *_anchor(value))}


def _anchor(value: str) -> list[str]:
    return [value[1:]] if value.startswith("#") else []


def _clean(element: Element, used: set[str], prefix: str) -> None:
    """Rewrite one element for a page: plain names, attributes in place of style, short numbers, unique ids."""
    element.tag = _name(element)
    is_text = element.tag == "text"
    if not is_text:
        element.text = None
    element.tail = None
    attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
    attributes |= _declarations(attributes.pop("style", ""))
    if attributes.get("id") not in used:
        attributes.pop("id", None)
    if is_text:
        _fit(element, attributes)
    element.attrib.clear()
    element.attrib.update({name: _rewritten(name, value, prefix) for name, value in attributes.items()})


def _declarations(style: str) -> Mapping[str, str]:
    """Return a style as attributes: the page's policy forbids the one, and its dark colours override the other."""
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() != "font-family"}


def _fit(element: Element, attributes: dict[str, str]) -> None:
    """Give a text the width that it has in the figures' font, which the reader may not have."""
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    text = element.text or ""
    if len(text) > _SHORT and max(map(ord, text)) < _NO_WIDE_LETTERS:
        size, weight = float(attributes.get("font-size", "10px").removesuffix("px")), attributes.get("font-weight", "")
        attributes["textLength"] = f"{_width(text, size, weight):.1f}"
        attributes["lengthAdjust"] = "spacingAndGlyphs"


@functools.cache
def _width(text: str, points: float, weight: str) -> float:
    properties = FontProperties(family="DejaVu Sans", size=points, weight=int(weight) if weight else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(text, properties, ismath=False)
    return float(width)


def _rewritten(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href":
        return f"#{prefix}-{value[1:]}"
    if "url(#" in value:
        return _REFERENCE.sub(rf"url(#{prefix}-\1)", value)
    if value.startswith("#"):  # a colour
        return value
    return _DECIMALS.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), " ".join(value.split()))
