"""What people are told about training, one subject a file."""
