"""Runs over time: an index of journals in a database, series of one case on one machine, changes of their level."""
