"""A service whose tasks do to their slot whatever a test wants to see."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import stat
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from headrace_services.this_slot import THIS_SLOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace_services.service import Gathered, Parameters, Target, TaskRunner

#: What a pool of a test is given as its loader.
LOADER = "support.pool_probe_service:load_probe"


class ProbeService:
    """Each operation is a way in which a task can go."""

    name = "probe"
    operations = (
        "noop", "echo", "pid", "act", "prepare and act", "environment", "broken", "exit",
        "slow to prepare",
    )  # fmt: skip

    def engine(self) -> str:
        return "probe"

    def prepare(self, operation: str, parameters: Parameters) -> TaskRunner:
        match operation:
            case "noop":
                return _noop
            case "echo":
                return lambda _, task_input: task_input or b""
            case "pid":
                return _tell_pid
            case "act":
                return lambda index, _: _act(parameters, index)
            case "prepare and act":
                acts = cast("dict[str, Parameters]", parameters)
                if "initialize" in acts:
                    THIS_SLOT.initializer_begins()
                    _act(acts["initialize"], 0)
                _act(acts.get("prepare", {}), 0)
                return lambda index, _: _act(acts["act"], index)
            case "environment":
                value = os.environ[str(parameters["name"])].encode()
                return lambda *_: value
            case "broken":
                raise LookupError("the probe is broken")
            case "exit":
                os._exit(5)
            case "slow to prepare":
                time.sleep(float(str(parameters["seconds"])))
                return _noop
            case _:
                raise ValueError(f"no operation {operation!r}")

    def describe(
        self,
        operation: str,
        parameters: Parameters,
        index: int,
        task_input: bytes | None,
    ) -> str:
        return f"{operation} {index}"

    def is_ordered(self, operation: str) -> bool:
        return False

    def gather(
        self,
        operation: str,
        parameters: Parameters,
        values: Iterator[tuple[int, bytes]],
        target: Target,
    ) -> Gathered:
        raise NotImplementedError


def die_at_once(*_: object) -> None:
    """A slot's main function that never gets as far as being ready."""
    os._exit(9)


def stop_at_once(*_: object) -> None:
    """A slot's main function that gets nowhere and does not end."""
    os.kill(os.getpid(), signal.SIGSTOP)


def load_probe(name: str) -> ProbeService:
    if name != "probe":
        raise LookupError(f"no service {name!r}")
    return ProbeService()


def _noop(index: int, task_input: bytes | None) -> bytes:
    return b""


def _tell_pid(index: int, task_input: bytes | None) -> bytes:
    return b"%d" % os.getpid()


def _act(acts: Parameters, index: int) -> Any:
    for name, what in acts.items():
        indices, argument = cast("tuple[list[int], Any]", what)
        if index in indices or not indices:
            if name == "return":
                return argument
            ACTS[name](argument, index)
    return b"%d" % index


def _mark(path: str, index: int) -> None:
    """Leave a line that says that this task has started, and where."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, b"%d %d\n" % (index, os.getpid()))
    os.close(fd)


def _wait_for_file(path: str, index: int) -> None:
    while not Path(path).exists():
        time.sleep(0.001)


def _spin(seconds: float, index: int) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def _crash(_: object, index: int) -> None:
    ctypes.string_at(0)


def _take_descriptors(_: object, index: int) -> None:
    """Put other files where the slot has its own."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3, 40):
        os.dup2(null, number)


def _leave_thread(_: object, index: int) -> None:
    threading.Thread(target=time.sleep, args=(3600,)).start()


def _fail(text: str, index: int) -> None:
    raise ValueError(f"{text} {index}")


class SlowError(Exception):
    """Takes its time to say what it is."""

    def __str__(self) -> str:
        time.sleep(self.args[0])
        return "at last"


def _fail_slowly(seconds: float, index: int) -> None:
    raise SlowError(seconds)


def _linger_at_the_end(seconds: float, index: int) -> None:
    THIS_SLOT.on_slot_end.append(lambda: time.sleep(seconds))


def _fork_and_exit(status: int | None, index: int) -> None:
    child = os.fork()
    if not child:
        sys.exit(status)
    _, ended = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(ended) != (status or 0):
        raise ValueError(f"the child ended with {ended}")


def _fork_and_raise(text: str, index: int) -> None:
    if not os.fork():
        raise LookupError(text)
    os.wait()


def _write_to_sockets(text: bytes, index: int) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not paths
        fd = int(name)
        if fd > 2:
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.fstat(fd).st_mode):
                    os.write(fd, text)


class Held:
    """Leaves a file behind when it is let go."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __del__(self) -> None:
        Path(self._path).touch()


def _hold(path: str, index: int) -> object:
    return Held(path)


def _hold_and_raise(path: str, index: int) -> None:
    held = Held(path)
    raise KeyError(held)


_hoard: list[bytes] = []

ACTS: dict[str, Callable[[Any, int], object]] = {
    "mark": _mark,
    "sleep": lambda seconds, _: time.sleep(seconds),
    "spin": _spin,
    "wait": _wait_for_file,
    "raise slowly": _fail_slowly,
    "linger": _linger_at_the_end,
    "kill": lambda number, _: os.kill(os.getpid(), number),
    "segfault": _crash,
    "os._exit": lambda status, _: os._exit(status),
    "sys.exit": lambda status, _: sys.exit(status),
    "raise": _fail,
    "hoard": lambda size, _: _hoard.append(b"x" * size),
    "interrupt": lambda *_: os.kill(os.getpid(), signal.SIGINT),
    "close files": lambda *_: os.closerange(3, 1024),
    "close descriptors": lambda lowest, _: os.closerange(lowest, 1024),
    "take descriptors": _take_descriptors,
    "leave a thread": _leave_thread,
    "fork": lambda *_: os.fork(),
    "write to every socket": _write_to_sockets,
    "hold": _hold,
    "hold and raise": _hold_and_raise,
    "fork and exit": _fork_and_exit,
    "fork and raise": _fork_and_raise,
    "leave a child": lambda *_: os.fork() or os._exit(0),
    "print": lambda text, _: print(text),
}
