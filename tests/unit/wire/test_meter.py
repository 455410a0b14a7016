"""How slow a transfer may be."""

from __future__ import annotations

import pytest

from headrace_wire.meter import PATIENT

MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
    ("still", "age", "moved", "goes_on"),
    [
        (0.0, 10.0, 0, True),
        (PATIENT.stall_seconds - 1, PATIENT.grace_seconds - 1, 1, True),
        (PATIENT.stall_seconds, PATIENT.stall_seconds, MEBIBYTE, False),
        (1.0, 60.0, MEBIBYTE, True),
        (1.0, 65.0, MEBIBYTE, False),
        (1.0, 3600.0, 256 * MEBIBYTE, True),
    ],
    ids=["young", "stands still for a while", "stands still", "slow link", "creeps", "large"],
)
def test_a_transfer_goes_on_while_its_bytes_do(
    still: float, age: float, moved: int, goes_on: bool
) -> None:
    assert PATIENT.permits(still, age, moved) == goes_on
