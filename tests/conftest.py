"""The order of the tests: what is quick first, what needs a Docker engine last."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the compose tests to the end; the others stay in the order of their folders."""
    items.sort(key=lambda item: item.get_closest_marker("compose") is not None)
