"""A system whose pidfds are as a test has it, for what watches slots and for nobody else.

The standard library and psutil found out long ago whether there are any, and go on using them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from headrace_worker.launch import exit_watch


def hide_pidfds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a Python that does not know them."""
    known = {name: value for name, value in vars(os).items() if name != "pidfd_open"}
    monkeypatch.setattr(exit_watch, "os", SimpleNamespace(**known))


def replace_pidfds(monkeypatch: pytest.MonkeyPatch, pidfd_open: Callable[[int], int]) -> None:
    """Have them opened by ``pidfd_open``."""
    monkeypatch.setattr(exit_watch, "os", SimpleNamespace(**vars(os) | {"pidfd_open": pidfd_open}))
