"""Waits in each way that a program has, and is interrupted each time, as by Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

from headrace import Cluster, Executor, Pool
from headrace_services.calls import plan_map

#: Seconds of each task: none of them ends here.
TASK_SECONDS = 60

#: Seconds until the interrupt comes, when everything waits.
WAIT_SECONDS = 0.3


def interrupt(wait: Callable[[], object]) -> str:
    """Begin to wait, be interrupted, and say how that went."""
    began = time.monotonic()
    timer = threading.Timer(WAIT_SECONDS, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        wait()
    except KeyboardInterrupt:
        return "interrupted" if time.monotonic() - began < TASK_SECONDS / 4 else "late"
    return "over"


def main() -> None:
    """Wait for tasks of a cluster that has one slot."""
    address = os.environ["HEADRACE_COORDINATOR"]
    with Pool(address) as pool, Executor(address) as executor, Cluster(address) as cluster:
        call = pool.apply_async(time.sleep, (TASK_SECONDS,))
        future = executor.submit(time.sleep, TASK_SECONDS)
        job = cluster.submit("calls", plan_map("time:sleep", [TASK_SECONDS]))
        ways: dict[str, Callable[[], object]] = {
            "apply": lambda: pool.apply(time.sleep, (TASK_SECONDS,)),
            "map": lambda: pool.map(time.sleep, [TASK_SECONDS] * 2),
            "imap": lambda: next(pool.imap(time.sleep, [TASK_SECONDS])),
            "get": lambda: call.get(TASK_SECONDS),
            "result": lambda: future.result(TASK_SECONDS),
            "exception": future.exception,
            "queue": cluster.queue("empty").get,
            "values": lambda: next(job.values(ordered=False)),
        }
        for name, wait in ways.items():
            print(name, interrupt(wait))
        pool.close()
        print("join", interrupt(pool.join))
        pool.terminate()
        job.cancel()
        executor.shutdown(wait=False, cancel_futures=True)
        future.cancel(kill=True)


if __name__ == "__main__":
    main()
