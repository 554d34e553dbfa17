"""Can this machine use its GPU, and if not, what exactly is to be done: one check a file, found by its name."""
