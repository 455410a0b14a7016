"""A user's module: functions that speak of themselves through ``current_task``."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from headrace import current_task

#: Seconds after which a function that waits to be told gives up.
PATIENCE_SECONDS = 30.0


def tell(_: object) -> list[Any]:
    task = current_task()
    return [task.job, task.index, task.attempt, task.cancelled()]


def count(amount: Any) -> Any:
    """Count under two names; a negative amount fails after it has counted."""
    task = current_task()
    task.counter("calls").add()
    task.counter("found").add(abs(amount))
    if amount < 0:
        raise ValueError(amount)
    return amount


def count_late(_: object) -> float:
    """Count for a task that is over, as a thread that it left behind might."""
    late = getattr(count_late, "task", None)
    if late is not None:
        late.counter("late").add(1000)
    count_late.task = current_task()  # type: ignore[attr-defined] # kept for the next task here
    current_task().counter("in time").add()
    return 0.0


def log(text: str) -> None:
    current_task().log.info("%s", text)


def log_many(lines: int) -> None:
    for number in range(lines):
        current_task().log.info("line %d", number)


def log_and_die(text: str) -> None:
    """Say something twice, so that the second line has no time to leave."""
    current_task().log.error("%s", text)
    print(f"{text}, printed")
    os.kill(os.getpid(), signal.SIGKILL)


def report_until(path: str) -> None:
    """Report progress, then wait for a file."""
    task = current_task()
    task.report_progress(1, 10)
    task.report_progress(4_000, 10_000)
    wait_for(path)


def log_until(path: str) -> None:
    """Log two lines, the second right behind the first, then wait for a file."""
    current_task().log.info("first")
    current_task().log.info("second")
    wait_for(path)


def run_until_cancelled(path: str) -> str:
    """Ask until told to end, then leave a file."""
    task = current_task()
    asked = task.cancelled()
    task.log.info("asked")
    end = time.monotonic() + PATIENCE_SECONDS
    while not asked and time.monotonic() < end:
        time.sleep(0.01)
        asked = task.cancelled()
    Path(path).write_text(str(os.getpid()))
    return "too late"


def ask_and_go_on(_: object) -> None:
    """Ask, and never listen."""
    task = current_task()
    task.cancelled()
    task.log.info("asked")
    time.sleep(PATIENCE_SECONDS)


def fork_and_speak(_: object) -> list[Any]:
    """Speak in a child: nothing of that reaches the slot's socket."""
    task = current_task()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            task.counter("child").add()
            task.report_progress(1)
            said = str(task.cancelled())
            try:
                current_task()
            except RuntimeError as error:
                said += f" {error}"
            os.write(writer, said.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return [said]


def wait_for(path: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not Path(path).exists() and time.monotonic() < end:
        time.sleep(0.01)


def close_streams(_: object) -> None:
    """Write bytes to the standard streams, and close them in every way that there is."""
    streams: Any = (sys.stdout, sys.stderr)
    for stream in streams:
        stream.buffer.write(b"bytes\n")
        stream.detach()
        stream.buffer.close()
        stream.close()


def speak(text: str) -> None:
    """Say something in every way that there is, also in a child, and leave a line without end."""
    print(text)
    print("on standard error", file=sys.stderr)
    warnings.warn("be careful", stacklevel=1)
    logging.getLogger("own").warning("look %s", "out")
    child = os.fork()
    if not child:
        print("of a child")
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
    print("not ended", end="")
