"""
How a comparison is written: one file a format, each with a `render` that returns text.

One whose file should be another text than what is printed also has `render_file`.
"""
