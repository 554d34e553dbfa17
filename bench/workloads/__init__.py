"""What is trained: one file a workload, each of its public functions a size."""
