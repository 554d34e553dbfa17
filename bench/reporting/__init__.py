"""What a person or a program reads: one output format a file."""
