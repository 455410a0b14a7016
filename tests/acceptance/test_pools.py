"""Pools in programs that fork, are interrupted, forget them, or have no streams or workers."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from support.commands import open_site
from support.pool_programs import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORKED = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on: of forks beside threads

def wait_for(mark):
    while not os.path.exists(mark):
        time.sleep(0.01)
    return 1

if __name__ == "__main__":
    mark = __file__ + ".mark"
    pool, executor = Pool(1), Executor(1)
    late, future = pool.apply_async(wait_for, (mark,)), executor.submit(wait_for, mark)
    for end in (lambda: sys.exit(0), lambda: os._exit(0), lambda: (pool.terminate(), sys.exit(0))):
        child = os.fork()
        if not child:
            end()
        print(os.waitpid(child, 0)[1], flush=True)
    child = os.fork()
    if not child:
        for use in (lambda: pool.apply(square, (2,)), late.get, future.result, pool.join,
                    lambda: executor.submit(square, 2)):
            try:
                use()
            except RuntimeError as error:
                print(type(error).__name__)
        with Pool(1) as own:
            print(own.apply(square, (3,)))
        sys.stdout.flush()
        sys.exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
    open(mark, "w").close()
    print(pool.apply(square, (5,)), executor.submit(square, 6).result())
    print(late.get(), future.result())
    pool.terminate()
    executor.shutdown()
"""

SIGNALS = """
class Late(Exception):
    pass

def be_late(*told):
    raise Late

def limit(seconds, action):
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return action()
    except Late:
        return "late"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)

if __name__ == "__main__":
    signal.signal(signal.SIGALRM, be_late)
    with Pool(2) as pool, Executor(2) as executor:
        first = pool.imap(nap, [2, 0])
        for action in (
            lambda: pool.apply(nap, (2,)),
            lambda: pool.map(nap, [2, 2]),
            lambda: pool.apply_async(nap, (2,)).get(),
            lambda: next(first),
            lambda: executor.submit(nap, 2).result(),
            lambda: list(concurrent.futures.as_completed([executor.submit(nap, 2)])),
        ):
            print(limit(0.2, action))
        print(list(first), pool.apply(square, (3,)), executor.submit(square, 4).result())
        pool.apply_async(nap, (1,))
        pool.close()
        print(limit(0.2, pool.join))
        pool.join()
"""

FORGOTTEN = """
if __name__ == "__main__":
    warnings.simplefilter("always")
    pool = Pool(1)
    result = pool.apply_async(square, (3,))
    del pool
    print(result.get(), file=sys.stderr)
    pool, thing = Pool(1), Thing()
    held = weakref.ref(thing)
    kept = pool.map(square, [1]), pool.apply_async(id, (thing,)), pool.map_async(id, [thing])
    kept[1].get(), kept[2].get()
    del thing
    gc.collect()
    print(held(), file=sys.stderr)
    pool.terminate()
    del pool
    with Executor(1) as executor:
        thing = Thing()
        held = weakref.ref(thing)
        futures = [executor.submit(id, thing) for _ in range(9)]
        del thing
        gc.collect()
        print(held(), file=sys.stderr)
"""

LET_GO = """
if __name__ == "__main__":
    mapped = Executor(2).map(nap, [0.1] * 5)
    futures = [Executor(1).submit(square, 3), Executor(1).submit(nap, 0.1)]
    cycle, ending = Thing(), Executor(1)
    cycle.itself, cycle.executor = cycle, Executor(1)
    futures += [cycle.executor.submit(square, number) for number in range(50)]
    ending.submit(nap, 0.1).add_done_callback(lambda future: print(future.result(), flush=True))
    del cycle, ending
    gc.collect()
    print(sum(mapped), [future.result() for future in futures[:2]], len(futures), flush=True)
    print(sum(future.result() for future in futures[2:]), flush=True)
"""

DEBUGGED = """
if __name__ == "__main__":
    with Pool(1) as pool:
        print(pool.map(square, [3]), pool.apply(type, (Thing(),)) is Thing, flush=True)
"""

SHOWN = """
if __name__ == "__main__":
    with Pool(2) as pool:
        print(pool)
        for of_pool in (pool, pool.imap(square, [1]), pool.apply_async(square, (1,))):
            try:
                pool.apply(square, (of_pool,))
            except NotImplementedError as error:
                print(error)
        try:
            pool.apply(square, (pool.cluster,))
        except TypeError as error:
            print(error)
        pool.close()
        print(pool)
"""

HANGING = """
if __name__ == "__main__":
    for uses in (
        (lambda pool: pool.map(square, range(100)), lambda pool: pool.apply(square, (1,))),
        (
            lambda pool: pool.apply_async(square, (1,)).get(),
            lambda pool: list(pool.imap(square, range(100))),
        ),
    ):
        with Pool(1, nap, (1000,), task_timeout=0.5) as pool:
            for use in uses:
                try:
                    use(pool)
                except Exception as error:
                    print(type(error).__name__, error)
    with Executor(1, nap, (1000,), task_timeout=0.5) as executor:
        try:
            print(list(executor.map(square, range(100))))
        except Exception as error:
            print(type(error).__name__, error)
"""

TIMEOUTS = """
if __name__ == "__main__":
    nan = float("nan")
    with Executor(1) as executor:
        future = executor.submit(square, 3)
        for wait in (future.result, future.exception,
                     lambda timeout: executor.map(square, [1], timeout=timeout)):
            try:
                wait(nan)
            except ValueError as error:
                print(error)
        for seconds in (float("inf"), 1e300):
            print(future.result(seconds), list(executor.map(square, [1], timeout=seconds)))
"""


def test_a_forked_process_leaves_the_pools_of_its_parent_alone(
    program: Callable[[str], list[str]],
) -> None:
    lines, errors = run(program(FORKED))
    assert lines == ["0", "0", "0", *["ForkedError"] * 5, "9", "0", "25 36", "1 1"]
    assert not errors


def test_what_a_signal_raises_comes_out_where_the_program_waits(
    program: Callable[[str], list[str]],
) -> None:
    lines, errors = run(program(SIGNALS))
    assert lines == [*["late"] * 6, "[2, 0] 9 16", "late"]
    assert not errors


def test_what_is_forgotten_is_let_go(program: Callable[[str], list[str]]) -> None:
    _, errors = run(program(FORGOTTEN))
    assert len(re.findall("ResourceWarning: unclosed running multiprocessing pool <", errors)) == 1
    assert re.findall("^(9|None)$", errors, re.MULTILINE) == ["9", "None", "None"]


def test_the_calls_of_an_executor_that_nobody_holds_any_more_are_done(
    program: Callable[[str], list[str]],
) -> None:
    lines, errors = run(program(LET_GO))
    assert sorted(lines) == ["0.1", "0.5 [9, 0.1] 52", "40425"]
    assert not errors


def test_a_program_with_a_pool_runs_in_a_debugger(program: Callable[[str], list[str]]) -> None:
    python, path = program(DEBUGGED)
    lines, errors = run([python, "-m", "pdb", "-c", "continue", "-c", "quit", path])
    assert "[9] True" in lines
    assert not errors


def test_a_pool_is_shown_with_its_size_and_stays_in_its_process(
    program: Callable[[str], list[str]],
) -> None:
    lines, errors = run(program(SHOWN))
    assert errors == ""
    assert lines == [
        "<headrace.pool.Pool state=RUN pool_size=2>",
        *["pool objects cannot be passed between processes or pickled"] * 3,
        "a cluster cannot be passed to tasks or pickled: tasks have headrace.current_cluster()",
        "<headrace.pool.Pool state=CLOSE pool_size=2>",
    ]


def test_an_initializer_that_does_not_end_ends_the_calls_of_its_pool(
    program: Callable[[str], list[str]],
) -> None:
    limit = "the initializer ran longer than its limit of 0.5 s"
    why = f"{limit} on worker embedded: no call can be made"
    lines, errors = run(program(HANGING))
    assert not errors
    assert lines == [*[f"TaskFailedError {why}"] * 4, f"ExecutorBrokenError {why}"]


def test_an_executor_waits_for_a_number_of_seconds(program: Callable[[str], list[str]]) -> None:
    refused = "a timeout is a number of seconds or None, not NaN"
    lines, errors = run(program(TIMEOUTS))
    assert not errors
    assert lines == [refused] * 3 + ["9 [1]"] * 2


UNREAD = """
if __name__ == "__main__":
    pool = Pool(1)
    values = pool.imap(square, range(30_000))
    pool.close()
    pool.join()
    print(sum(values) == sum(map(square, range(30_000))))
"""


def test_a_pool_waits_for_calls_whose_results_nobody_takes(
    program: Callable[[str], list[str]],
) -> None:
    assert run(program(UNREAD)) == (["True"], "")


WITHOUT = """
def shout(x):
    print("shouted")
    os.write(1, b"written")
    return x

if __name__ == "__main__":
    with Pool(1) as pool:
        values = pool.map(shout, range(3))
    assert values == [0, 1, 2]
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_program_without_standard_streams_has_pools(
    program: Callable[[str], list[str]], closed: str
) -> None:
    command = f"exec {shlex.join(program(WITHOUT))} {closed}"
    _, errors = run(["/bin/sh", "-c", command])
    assert not errors


WAITING = """
if __name__ == "__main__":
    executor = Executor("{address}", key_file="{key_file}")
    first, second, third = [executor.submit("math:sqrt", 4.0) for _ in range(3)]
    print(first.running(), first.cancel(), second.running(), second.cancel(), third.cancelled())
    time.sleep(4)
    executor.shutdown(cancel_futures=True)
    print(first.cancelled(), third.cancelled())
"""


def test_a_cluster_without_workers_is_told_of_and_can_be_left(
    program: Callable[[str], list[str]], tmp_path: Path
) -> None:
    with open_site(tmp_path, workers=0) as site:
        text = WAITING.format(address=site.address, key_file=site.data / "key")
        lines, errors = run(program(text))
    assert lines == ["True False False True False", "True True"]
    assert errors.splitlines() == [
        f"headrace: calls to {site.address} are waiting: no worker is connected"
    ]
