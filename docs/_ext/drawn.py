"""
The directive ``drawn``: a part of a page that is drawn from the code when the site is built, so that it stays true.

For what is too long for the file itself; tables stand in the files (redraw.py).

    ```{drawn} cli
    What a reader of the file sees here instead.
    ```
"""

from collections.abc import Callable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from docs._ext import cli_reference, evidence

PARTS: dict[str, Callable[[], str]] = {
    "cli": cli_reference.render,
    "evidence": evidence.render,
}
"""Name to the function that returns the part as MyST Markdown."""


class Drawn(SphinxDirective):
    """Puts a part in the place of its own content."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the part, its headings among those of the page."""
        self.env.note_reread()  # the page's own file says nothing of when the code has changed
        name = self.arguments[0]
        if name not in PARTS:
            raise self.error(f"'{name}' is not known; known: {', '.join(PARTS)}")
        return self.parse_text_to_nodes(PARTS[name](), allow_section_headings=True)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive."""
    app.add_directive("drawn", Drawn)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
