"""What stands in a figure."""

from matplotlib.figure import Figure
from matplotlib.text import Text


def texts(figure: Figure) -> list[str]:
    """Return every text, and all of them on one line, since a title may be broken into several."""
    found = [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    return [*found, " ".join(found)]
