"""Memory that nobody looks into."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headrace_wire.system.landlock import IS_LINUX

#: Hides its memory, and asks whether it can be dumped (PR_GET_DUMPABLE): then it can be read, too.
_PROGRAM = """
import ctypes
from headrace_wire.system.landlock import hide_memory
prctl = ctypes.CDLL(None).prctl
print(prctl(3, 0, 0, 0, 0))
hide_memory()
print(prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(not IS_LINUX, reason="other systems have no prctl")
def test_a_process_that_hides_its_memory_is_not_dumped() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["1", "0"]
