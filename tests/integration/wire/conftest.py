"""A server with doubles behind it, which each test tells what to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.wire_server import Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def served() -> Iterator[Served]:
    with serve() as served:
        yield served
