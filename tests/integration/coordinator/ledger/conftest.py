"""A ledger that each test drives for itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.ledger_rig import LedgerRig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[LedgerRig]:
    made = LedgerRig(tmp_path)
    yield made
    made.store.close()
