from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from headrace_wire.budget import GROUP_SHARE
from headrace_wire.framing import MAX_FRAME_BYTES
from headrace_wire.guard import Guard
from headrace_wire.system.memory import (
    choose_flight_bytes,
    count_memory,
    count_own_memory,
    find_memory_limit,
)

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
    assert find_memory_limit(tmp_path) == (0 if counted == WHOLE else counted)


def test_ulimit_may_leave_a_process_less(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = dict.fromkeys((resource.RLIMIT_AS, resource.RLIMIT_DATA), resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[kind], resource.RLIM_INFINITY))
    assert count_own_memory() == count_memory()
    limits[resource.RLIMIT_DATA] = 400 << 20
    assert count_own_memory() == 400 << 20
    assert Guard().arriving.most == Guard().leaving.most == 100 << 20


@pytest.mark.parametrize(
    ("memory", "chosen"),
    [(64 << 30, 512 << 20), (2 << 30, 512 << 20), (1 << 30, 256 << 20), (100 << 20, 64 << 20)],
)
def test_messages_on_their_way_take_a_part_of_the_memory(memory: int, chosen: int) -> None:
    assert choose_flight_bytes(memory) == chosen


class Flow:
    groups = ("address", "role")

    def resume(self) -> None:
        raise AssertionError


def test_the_largest_frame_passes_a_small_machine() -> None:
    guard = Guard(choose_flight_bytes(1 << 20))
    assert guard.arriving.most * GROUP_SHARE < MAX_FRAME_BYTES
    assert guard.arriving.claim(Flow(), MAX_FRAME_BYTES)


BARE = """
import sys
for name in ("fcntl", "pwd", "resource"):
    sys.modules[name] = None
import headrace.cli.entry, headrace_coordinator.serve, headrace_wire.key_book
from headrace_wire.system.memory import count_memory, count_own_memory
assert count_own_memory() == count_memory()
"""


def test_coordinator_and_commands_do_without_what_only_unix_has() -> None:
    subprocess.run([sys.executable, "-c", BARE], check=True)
