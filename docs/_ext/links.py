"""
Links that leave docs/, rewritten while the site is built; the files keep what works on a code host.

A link to a README under reports/ leads to its place on the page of evidence, one to CONTRIBUTING.md or CHANGELOG.md to
the page that includes it. Any other file becomes a download, which MyST does by itself. A folder is a broken link: only
a code host can show one.
"""

import re

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from docs._ext.evidence import label

PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "extending.md", "CHANGELOG.md": "changelog.md"}
OUTWARD = re.compile(r"(?<=\]\()\.\./([^)\s]+\.md)(?=\))")


def inward(text: str) -> str:
    """Return a page's *text* with its links to Markdown outside docs/ turned to the pages that hold the same."""
    return OUTWARD.sub(lambda found: PAGES.get(found[1], f"#{label(found[1])}"), text)


def _on_source_read(_app: Sphinx, _page: str, source: list[str]) -> None:
    source[0] = inward(source[0])


def setup(app: Sphinx) -> ExtensionMetadata:
    """Rewrite each page before it is parsed."""
    app.connect("source-read", _on_source_read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
