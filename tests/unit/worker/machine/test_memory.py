from __future__ import annotations

import os
from pathlib import Path

import pytest

from headrace_worker.machine.memory import count_memory

#: What the machine has.
WHOLE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("membership", "file", "said", "counted"),
    [
        ("0::/box\n", "box/memory.max", "67108864\n", 1 << 26),
        ("0::/box\n", "memory.max", "67108864\n", 1 << 26),
        ("0::/box\n", "box/memory.max", "max\n", WHOLE),
        ("7:memory:/box\n", "memory/box/memory.limit_in_bytes", "67108864\n", 1 << 26),
        ("7:memory:/box\n", "memory/box/memory.limit_in_bytes", "9223372036854771712\n", WHOLE),
        ("", "memory.max", "67108864\n", WHOLE),
    ],
)
def test_memory_is_what_the_container_may_have(
    membership: str, file: str, said: str, counted: int, tmp_path: Path
) -> None:
    mount = tmp_path / "sys/fs/cgroup"
    for place, text in (
        (tmp_path / "proc/self/cgroup", membership),
        (mount / "cgroup.controllers", "memory\n"),
        (mount / file, said),
    ):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    assert count_memory(tmp_path) == counted
