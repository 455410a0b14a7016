"""Stands before the real one where a test wants a process to run without it."""

raise ImportError("this process runs without uvloop")
