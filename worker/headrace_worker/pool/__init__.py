"""The pool of slots: child processes that run tasks. See ``headrace_worker.pool.pool``."""
