"""The queue: a pure state machine of jobs, tasks, leases and workers."""
