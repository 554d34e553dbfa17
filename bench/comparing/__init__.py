"""Two runs held against each other: what got slower, what needs more, and what may be said at all."""
