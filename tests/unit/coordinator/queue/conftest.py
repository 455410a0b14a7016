"""A queue that each test drives for itself."""

from __future__ import annotations

import pytest

from support.queue_builders import Rig


@pytest.fixture
def rig() -> Rig:
    return Rig()
