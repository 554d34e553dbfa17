"""The READMEs under reports/ as one page, so that a figure and the run that it came from are a click apart."""

import re
from collections.abc import Iterator
from pathlib import Path

from bench.registry import PACKAGE_DIR

ROOT = PACKAGE_DIR.parent
_HEADING = re.compile(r"^(?=#+ )", re.MULTILINE)
_RELATIVE_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)")


def files() -> list[Path]:
    """Return the READMEs of the runs and studies that are kept."""
    return sorted(ROOT.glob("reports/*/*/README.md"))


def label(path: str) -> str:
    """Return the name that the README at *path*, relative to the repository, has on the page."""
    return re.sub(r"[^a-z0-9]+", "-", path.removesuffix("/README.md").lower())


def render() -> str:
    """Return all of them as MyST Markdown, their headings one level down."""
    return "\n".join(line for path in files() for line in _part(path))


def _part(path: Path) -> Iterator[str]:
    place = path.parent.relative_to(ROOT).as_posix()
    text = _RELATIVE_LINK.sub(f"../{place}/", _HEADING.sub("#", path.read_text(encoding="utf-8")))
    heading, _, rest = text.partition("\n")
    yield from (f"({label(place)})=", heading, "", f"`{place}/`", rest)
