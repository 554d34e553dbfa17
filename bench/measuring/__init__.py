"""The worker's side: what runs in the process that is measured."""
