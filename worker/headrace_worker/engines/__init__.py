"""Engines that can run the tasks of a worker instead of its own pool."""
