"""The command line: ``headrace``."""

from __future__ import annotations

from headrace.cli.entry import main

__all__ = ["main"]
