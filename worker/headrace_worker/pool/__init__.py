"""The pool of slots: child processes that run tasks. Its front is ``headrace_worker.pool.pool``."""
