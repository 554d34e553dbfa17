"""The instrument measures itself: one check a file, found by its name."""
