"""What tasks call on a cluster of another engine, and the tests that need one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

#: A user's module.
MODULE = """
import os
import time
from pathlib import Path

from headrace import current_cluster, current_task


def square(number):
    return number * number


def speak(number):
    print("number", number)
    current_task().log.info("half way")
    current_task().report_progress(1, 2)


def hold(folder):
    "Say in which process it runs, and go on when told."
    Path(folder, str(os.getpid())).touch()
    while not Path(folder, "go").exists():
        time.sleep(0.02)
    return os.getpid()


def hold_until_cancelled(folder):
    "Say in which process it runs, and at last that it has ended there."
    here = Path(folder, str(os.getpid()))
    here.touch()
    while not current_task().cancelled():
        time.sleep(0.02)
    here.rename(here.with_suffix(".over"))


def hold_and_tell_attempt(folder):
    hold(folder)
    return current_task().attempt


def nap(seconds):
    time.sleep(seconds)


def die(file):
    "Say that it ran, and end its process."
    with open(file, "a") as runs:
        runs.write("x")
    os._exit(1)


def share(_):
    return str(current_cluster())
"""

#: Options of a worker that has its tasks run there.
ENGINE_OPTIONS = ("--name", "there", "--path", "code", "--allow", "deeds_there")


def write_code(folder: Path) -> None:
    """Write what tasks call."""
    (folder / "code").mkdir()
    (folder / "code" / "deeds_there.py").write_text(MODULE)


def require_library(engine: str) -> None:
    """Skip a test where the library of an engine is missing."""
    library = {"dask": "distributed"}.get(engine, engine)
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed here: `make engines` has an environment for it")
