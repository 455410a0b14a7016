"""The child's side of the pool: a process that runs tasks."""
