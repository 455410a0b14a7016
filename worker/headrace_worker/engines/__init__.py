"""What may run the tasks of a worker in place of its own pool."""
