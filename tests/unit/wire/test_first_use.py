"""Types of messages that are used in several threads for the first time.

msgspec before 0.23 let a thread see a type that another one was still reading, and the process
ended with SIGSEGV.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

#: A program in which msgspec still reads the type ``Outer`` when what follows uses it once more.
READING = """
import os
import threading
import time
from msgspec import defstruct, to_builtins
from msgspec.msgpack import encode
from headrace_wire.message import Message, decode

begun, used = threading.Event(), threading.Event()

def annotate():  # is evaluated when msgspec reads the type
    begun.set()
    used.wait()
    time.sleep(0.2)
    return int

Inner = defstruct("Inner", [("number", "annotate()")], bases=(Message,), module=__name__)
Outer = defstruct("Outer", [("inner", Inner)], bases=(Message,), module=__name__)
found = []

def use():
    found.append(to_builtins(decode(Outer, encode([[7]]))))

first = threading.Thread(target=use)
first.start()
begun.wait()
used.set()
"""

ANOTHER_THREAD = """
use()
first.join()
print(found)
"""

A_CHILD = """
if child := os.fork():
    first.join()
    print(found, os.waitpid(child, 0)[1])
else:
    use()
    os._exit(found[-1] != [[7]])
"""


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_two_threads_may_use_a_type_for_the_first_time_together() -> None:
    assert run(READING + ANOTHER_THREAD) == "[[[7]], [[7]]]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_may_be_forked_while_a_type_is_used_for_the_first_time() -> None:
    assert run(READING + A_CHILD) == "[[[7]]] 0"
