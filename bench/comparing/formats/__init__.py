"""How a comparison is written: one file a format, each with a `render` that returns text."""
