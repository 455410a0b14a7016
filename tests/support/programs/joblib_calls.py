"""Calls with joblib, on the backend of a name: what comes back, and what goes wrong.

python joblib_calls.py BACKEND [ADDRESS]
"""

from __future__ import annotations

import os
import pickle
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import joblib
from joblib import Parallel, delayed

import headrace.joblib  # noqa: F401 - registers the backend


class TooDeepError(Exception):
    """An exception of the program's own."""


def square(x: int) -> int:
    return x * x


def dig(depth: int) -> int:
    if depth == 7:
        raise TooDeepError("too deep", depth)
    return depth


def doze(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def add_squares(count: int) -> int:
    return int(sum(Parallel(n_jobs=2)(delayed(square)(n) for n in range(count))))


def note_span() -> tuple[float, float]:
    start = time.monotonic()
    time.sleep(0.1)
    return start, time.monotonic()


def list_badly() -> Iterator[Any]:
    yield from (delayed(square)(n) for n in range(5))
    raise KeyError("the generator's own")


def check_results() -> None:
    print(
        Parallel(n_jobs=-1)(delayed(square)(n) for n in range(2000)) == [n * n for n in range(2000)]
    )
    print(Parallel(n_jobs=2)(delayed(lambda n: n + 1)(n) for n in range(5)))
    print(Parallel(n_jobs=2)(delayed(add_squares)(n) for n in range(5)))
    print(Parallel(n_jobs=2)([]), Parallel(n_jobs=2, require="sharedmem")([delayed(square)(3)]))
    pids = Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(4))
    print(os.getpid() in pids, Parallel(n_jobs=1)([delayed(os.getpid)()]) == [os.getpid()])


def check_generators() -> None:
    lazy = Parallel(n_jobs=2, return_as="generator")(delayed(doze)(n / 10) for n in range(5))
    print(next(lazy), next(lazy))
    print(Parallel(n_jobs=2)(delayed(square)(n) for n in range(3)))  # another meanwhile
    print(list(lazy))
    calls = (delayed(doze)(seconds) for seconds in (0.8, 0.1))
    print(list(Parallel(n_jobs=2, return_as="generator_unordered")(calls)))
    lazy = Parallel(n_jobs=2, return_as="generator")(delayed(doze)(n) for n in (0, 60, 60))
    print(next(lazy))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the calls are cancelled
        del lazy


def check_errors() -> None:
    for calls in (
        (delayed(dig)(n) for n in range(20)),
        (delayed(square)(n if n < 15 else (one for one in "x")) for n in range(20)),
        list_badly(),
    ):
        try:
            Parallel(n_jobs=2)(calls)
        except (TooDeepError, KeyError) as error:
            print(type(error).__name__, error)
        except (TypeError, pickle.PicklingError):  # the latter from joblib's own
            print("it cannot travel")
    start = time.monotonic()
    try:
        Parallel(n_jobs=2, timeout=0.3)(delayed(doze)(60) for _ in range(3))
    except Exception as error:  # noqa: BLE001 - whichever it is
        print(type(error).__name__, time.monotonic() - start < 20)


def check_next() -> None:
    """What was left of a call that failed is not in the next one's results, as it is elsewhere."""
    with Parallel(n_jobs=2) as parallel:
        parallel(delayed(square)(n) for n in range(1000))
        for _ in range(3):
            try:
                parallel(delayed(dig)(n) for n in range(1000))
            except TooDeepError:
                assert parallel(delayed(square)(n) for n in range(3)) == [0, 1, 4]
            else:
                raise AssertionError("expected TooDeepError")


def main() -> None:
    options: dict[str, Any] = {"coordinator": sys.argv[2]} if sys.argv[2:] else {}
    with joblib.parallel_config(backend=sys.argv[1], **options):
        check_results()
        check_generators()
        check_errors()
        if sys.argv[1] == "headrace":
            check_next()
        calls = (delayed(note_span)() for _ in range(8))
        spans = Parallel(n_jobs=2, batch_size=1, pre_dispatch="all")(calls)
        print(max(sum(start <= moment < stop for start, stop in spans) for moment, _ in spans) <= 2)
    with joblib.parallel_config(backend=sys.argv[1], n_jobs=2, **options):
        print(Parallel()(delayed(square)(n) for n in range(3)))


if __name__ == "__main__":
    main()
