"""A cluster at work while hostile peers of every kind do what they can, for a moment.

``make hostile`` tries each kind alone, longer, and is strict with times. Here they are only
generous bounds: other tests take the machine's time as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.hostile.holders import HOLDERS
from support.hostile.siege import SLOTS, open_siege
from support.hostile.strangers import STRANGERS

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 1.5

#: Milliseconds that an established connection waits at the median, and MiB that may stay.
ANSWER_MS = 2000
KEPT_MIB = 64

#: All but the one that takes more than a GiB of the machine's memory.
KEY_HOLDERS = [name for name in HOLDERS if name != "stalled-giants"]


@pytest.mark.parametrize(
    ("peers", "files", "options"),
    [(list(STRANGERS), 256, ["--tls", "on"]), (KEY_HOLDERS, None, [])],
    ids=["strangers, few descriptors and TLS", "key holders"],
)
def test_an_honest_job_ends_and_everything_comes_back(
    peers: list[str], files: int | None, options: list[str], tmp_path: Path
) -> None:
    with open_siege(tmp_path, files, *options) as siege:
        row = siege.bear("all", peers, SECONDS, KEPT_MIB - 1)
        print(row.show())
        assert not row.broken, row.broken[0]
        assert row.is_right
        assert row.workers == SLOTS
        assert row.served.get("let in", 0) > 0
        assert row.served["p50"] / 1000 < ANSWER_MS
        assert row.memory_mib[2] < row.memory_mib[0] + KEPT_MIB
        assert row.files[2] <= row.files[0] + 8
        assert all("LET IN" not in counts for counts in row.load.values())
        assert not [line for line in siege.coordinator.lines if "Traceback" in line]
