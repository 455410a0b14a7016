"""Programs with pools, of which each test writes the rest."""

from __future__ import annotations

import os
import subprocess

#: Seconds in which a program has to end.
SECONDS = 60.0

#: What all of the programs begin with.
HEAD = """
import concurrent.futures, gc, os, signal, sys, time, warnings, weakref
from headrace import Executor, Pool

def square(x):
    return x * x

def nap(seconds):
    time.sleep(seconds)
    return seconds

class Thing:
    pass
"""


def run(command: list[str], **settings: str) -> tuple[list[str], str]:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=SECONDS,
        env={**os.environ, **settings},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr
