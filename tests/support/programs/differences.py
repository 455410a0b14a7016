"""What docs/differences.md says of pools and executors on this machine, stated as a program."""

from __future__ import annotations

import io
import itertools
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import deeds

from headrace import Executor, Pool, RemoteError
from headrace_wire.errors import JobStateError, TaskFailedError, UsageError

#: A variable of the program itself.
word = "at the start"


def say_word() -> str:
    return word


def die(x: int) -> int:
    if x == 1:
        os._exit(3)
    return x


def describe() -> tuple[str, str, bool]:
    folder, threads = str(os.getcwd()), os.environ["OMP_NUM_THREADS"]  # noqa: PTH109
    return folder, threads, multiprocessing.current_process().daemon


def describe_file(file: TextIO) -> tuple[str, str]:
    return type(file).__name__, file.read()


def close_output() -> None:
    sys.stdout.close()


def fall_from(kind: type[BaseException], call: Callable[[], object]) -> str:
    """Make a call that is to raise this. Returns what it says."""
    try:
        got = call()
    except kind as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError(f"expected {kind.__name__}, got {got!r}")


def count(read: list[int]) -> Iterator[int]:
    for number in itertools.count():
        read.append(number)
        yield number


def check_functions(pool: Any) -> None:
    global word  # noqa: PLW0603 - that is what it is about
    deeds.remember("here")
    assert pool.apply(deeds.recall, (1,)) == (1, [])  # not a fork of this process
    word = "later"
    assert pool.apply(say_word) == "at the start"
    folder, threads, daemon = pool.apply(describe)
    assert (folder, threads, daemon) == (os.getcwd(), "1", True)  # noqa: PTH109
    lock = multiprocessing.Lock()
    assert "inheritance" in fall_from(RuntimeError, lambda: pool.apply(id, (lock,)))
    with open(__file__) as text, open(__file__, "rb") as data:  # noqa: PTH123 - as programs do
        assert pool.apply(describe_file, (text,)) == ("StringIO", text.read())
        assert "cannot pickle" in fall_from(TypeError, lambda: pool.apply(len, (data,)))
    assert type(pool.apply(open, (__file__,))) is io.StringIO


def check_errors(pool: Any) -> None:
    assert "exit status 3" in fall_from(TaskFailedError, lambda: pool.map(die, range(4)))
    assert pool.map(die, [0, 2]) == [0, 2]
    assert (
        fall_from(RemoteError, lambda: pool.apply(sys.exit, (3,)))
        == "SystemExit: 3 (sys.exit was called)"
    )
    assert fall_from(deeds.TooDeepError, lambda: pool.map(deeds.dig, [1, 9, 4])).endswith("9)")


def check_maps(pool: Any) -> None:
    read: list[int] = []
    lazy = pool.imap(abs, count(read))
    assert [next(lazy) for _ in range(3)] == [0, 1, 2]
    assert len(read) < 21_000
    assert pool.map(abs, range(3), chunksize=100) == [0, 1, 2]


def main() -> None:
    with Pool(2) as pool:
        check_functions(pool)
        check_errors(pool)
        check_maps(pool)
        late = pool.apply_async(time.sleep, (60,))
    fall_from(JobStateError, late.get)
    with Pool(1) as pool:
        pool.apply(close_output)
        assert "closed file" in fall_from(ValueError, lambda: pool.apply(print, ("lost",)))
    with Pool(1, task_timeout=0.3, retries=0) as pool:
        assert "limit" in fall_from(TaskFailedError, lambda: pool.apply(time.sleep, (60,)))
        huge = b"." * (260 << 20)
        assert "too large" in fall_from(UsageError, lambda: pool.apply(len, (huge,)))
    with Executor(1) as executor:
        executor.submit(abs, 1).result()
        runs: Any = executor.submit(time.sleep, 60)
        time.sleep(0.3)
        assert runs.running()
        held = executor.submit(abs, 2), executor.submit(abs, 3)
        assert [future.cancel() for future in held] == [False, True]
        assert not runs.cancel()
        assert runs.cancel(kill=True)
        assert runs.cancelled()
    print("as documented")


if __name__ == "__main__":
    main()
