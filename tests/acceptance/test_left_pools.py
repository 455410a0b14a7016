"""Pools of programs that end without a word: processes and folders go with them."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from support.commands import wait_until
from support.pool_programs import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENDED = """
if __name__ == "__main__":
    pool = Pool(1)
    print(pool.apply(square, (2,)), flush=True)
    if sys.argv[1:]:
        os._exit(0)
    time.sleep(60)
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where the programs' temporary folders are."""
    place = tmp_path / "place for files"
    place.mkdir()
    yield place
    assert not list(place.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, None])
def test_the_folder_of_an_embedded_cluster_goes_with_the_program(
    program: Callable[[str], list[str]], place: Path, number: signal.Signals | None
) -> None:
    command = program(ENDED) + ([] if number else ["at once"])
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(place)}
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "4\n"
        if number:
            assert len(list(place.iterdir())) == 1
            running.send_signal(number)
    wait_until(lambda: not list(place.iterdir()))


@pytest.mark.parametrize("role", ["coordinator", "worker"])
def test_who_is_left_removes_the_folder_of_an_embedded_cluster(
    program: Callable[[str], list[str]], place: Path, role: str
) -> None:
    with subprocess.Popen(
        program(ENDED), stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(place)}
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "4\n"
        running.send_signal(signal.SIGSTOP)  # both are killed before either can do anything
        for child in psutil.Process(running.pid).children():
            if role in child.cmdline():
                child.kill()
        running.kill()
    wait_until(lambda: not list(place.iterdir()))


FROZEN = """
import psutil

if __name__ == "__main__":
    pool = Pool(1)
    pool.cluster.dict("kept")["a"] = 1
    pool.map_async(nap, [1000] * 3)
    for child in psutil.Process().children():
        if "coordinator" in child.cmdline():
            child.suspend()
    began = time.monotonic()
    pool.terminate()
    print(time.monotonic() - began < 8.0)
"""


def test_a_pool_whose_coordinator_is_frozen_is_left_at_once(
    program: Callable[[str], list[str]], place: Path
) -> None:
    lines, errors = run(program(FROZEN), TMPDIR=str(place))
    assert not errors
    assert lines == ["True"]
