"""How the site is built: ``python -m sphinx -W -b html docs docs/_build``. Nothing is fetched, nothing is measured."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for bench, whose tables and parsers the pages show, and docs._ext

from bench import __version__

project = "stepbench"
author = "The stepbench authors"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "docs._ext.drawn", "docs._ext.links"]
exclude_patterns = ["_build", "_ext"]
myst_heading_anchors = 3  # as a code host gives them, so that one link works in both
highlight_language = "none"  # an indented block is what a terminal shows
smartquotes = False  # two hyphens begin an option

html_theme = "furo"
html_title = f"stepbench {version}"
html_copy_source = False
