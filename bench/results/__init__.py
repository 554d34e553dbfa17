"""From the journal to pandas."""
