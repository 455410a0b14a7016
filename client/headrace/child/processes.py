"""How the program of an embedded cluster starts its child processes, and ends them.

Each has a session of its own, and ends by itself when the program dies. A process that is forked
from the program lets go of them, because they are its parent's.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import Future, InvalidStateError
from typing import IO

from headrace.child.orders import Order
from headrace.program import clean_pythonpath
from headrace.stopped import is_stopped
from headrace_wire.system import portable
from headrace_wire.system.forking import call_after_fork
from headrace_wire.system.own_group import OWN_GROUP, kill_group
from headrace_wire.system.signals import LOOPS_TAKE_SIGNALS
from headrace_worker.link.program import list_safe_flags

#: How many seconds a child may take to end when it is told to.
STOP_SECONDS = 10.0

#: How often a child that should end is checked for having been suspended, in seconds.
FROZEN_SECONDS = 0.5

#: The running children.
RUNNING: weakref.WeakSet[subprocess.Popen[bytes]] = weakref.WeakSet()


def inherit_stream(number: int) -> int | None:
    """Return this process's standard output or error for a child; nowhere if it has none.

    If it has none, the number may belong to another file, to which a child must not print.
    """
    stream = sys.__stdout__ if number == 1 else sys.__stderr__
    return subprocess.DEVNULL if stream is None else None


def start_child(
    role: str,
    order: Order,
    log: IO[bytes] | int | None,
    stdout: int | None,
) -> subprocess.Popen[bytes]:
    """Start the child of this role; ``log`` is its standard error."""
    # What a user has set for another cluster does not apply to these two.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")
        or name in {"HEADRACE_PRIMES_ENGINE", portable.VARIABLE}
    }  # fmt: skip
    python_path = clean_pythonpath(environment.pop("PYTHONPATH", None))
    if python_path is not None:
        environment["PYTHONPATH"] = python_path
    child: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, *list_safe_flags(), "-m", "headrace.child", role, order.write()],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=log,
        env=environment,
        **OWN_GROUP,
    )
    RUNNING.add(child)
    return child


def tell_child(worker: subprocess.Popen[bytes], line: bytes) -> None:
    """Write a line to a worker's standard input, which reads the coordinator's address there."""
    assert worker.stdin
    # It has ended, or it is being ended because another one has: the watching threads report this.
    with contextlib.suppress(BrokenPipeError, ValueError):
        worker.stdin.write(line)
        worker.stdin.flush()


def _let_go_of_all() -> None:
    """In a forked process: forget the children, which belong to the parent.

    Its copies of their pipes are closed, so that they end when the parent's are closed.
    """
    for child in list(RUNNING):
        child.returncode = 0
        _close_pipes(child)
    RUNNING.clear()


call_after_fork(_let_go_of_all)


def kill_frozen(*children: subprocess.Popen[bytes]) -> None:
    """Kill children that somebody has suspended, because they cannot react to being told to end."""
    for child in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if is_stopped(child):
                kill_group(child)


def _ask_to_end(child: subprocess.Popen[bytes]) -> None:
    """Tell a child to end: by a signal, or on Windows by closing its standard input."""
    if LOOPS_TAKE_SIGNALS:
        child.terminate()
    elif child.stdin:
        with contextlib.suppress(OSError):  # it has ended without reading everything
            child.stdin.close()


def stop_child(child: subprocess.Popen[bytes], *needed: subprocess.Popen[bytes]) -> None:
    """End a child, which may need others to answer while it ends."""
    _ask_to_end(child)
    last = time.monotonic() + STOP_SECONDS
    try:
        while child.poll() is None:
            kill_frozen(child, *needed)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(FROZEN_SECONDS)
            if time.monotonic() > last:
                kill_group(child)
    except BaseException:  # a signal's handler or Ctrl-C: do not wait any longer
        kill_group(child)
        raise
    _close_pipes(child)


def _close_pipes(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe:
            # It may still hold a message that the child did not read before it ended.
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def end_together(children: dict[str, subprocess.Popen[bytes]]) -> Future[tuple[str, int]]:
    """End each of the children when another one ends, as it would be useless on its own.

    Returns which one was the first, and its exit code.
    """
    first: Future[tuple[str, int]] = Future()

    def wait(role: str, child: subprocess.Popen[bytes]) -> None:
        code = child.wait()
        with contextlib.suppress(InvalidStateError):
            first.set_result((role, code))
        for other in children.values():
            _ask_to_end(other)

    for role, child in children.items():
        name = f"embedded {role} watch"
        threading.Thread(target=wait, args=(role, child), name=name, daemon=True).start()
    return first
