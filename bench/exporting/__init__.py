"""A run in the form of another tool: one form a file, with `ENDING` and `export(run)`, which returns its bytes."""
