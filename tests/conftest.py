"""The order of the tests: what is quick first, what needs a Docker engine last; and Ctrl-C."""

from __future__ import annotations

import signal

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the compose tests to the end; the others stay in the order of their folders."""
    items.sort(key=lambda item: item.get_closest_marker("compose") is not None)


def pytest_configure() -> None:
    """Heed Ctrl-C: a shell's background job ignores it, and so would what the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
