"""How devices are used: one file a strategy."""
