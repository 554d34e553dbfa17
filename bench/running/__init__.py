"""The parent's side: matrix, isolation, rounds and the journal."""
