"""multiprocessing.Pool across machines, with no broker."""
