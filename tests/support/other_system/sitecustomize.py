"""Has an interpreter take its system for another one: OTHER_SYSTEM=darwin or win32.

Python loads this at its start where this folder is on PYTHONPATH, and so in all children, too. What
that system lacks is taken away: functions, constants, modules, and the files in /proc. The standard
library and psutil are loaded before, for what they do is Linux's after all.
"""

from __future__ import annotations

import asyncio
import builtins
import ctypes
import errno
import importlib
import importlib.abc
import mmap
import multiprocessing.connection
import multiprocessing.context
import multiprocessing.popen_spawn_posix
import multiprocessing.spawn
import os
import select
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any, Self

import platformdirs
import psutil

#: Packages that look at ``sys.platform`` when they are loaded, and want modules then that are not
#: here: they are loaded as they are here.
LOADED_AS_HERE = frozenset(
    {"click", "joblib", "prometheus_client", "rich", "starlette", "textual", "urllib", "uvicorn"}
    | {"webbrowser"}
)

#: Modules of multiprocessing that start processes, as they are started here.
STARTING = ("popen_fork", "popen_spawn_posix", "resource_tracker", "util")

LOADED = (asyncio, multiprocessing.connection, shutil, subprocess, tempfile, platformdirs, psutil)

#: Names that neither of the two systems has, by module.
LINUX_ALONE: dict[ModuleType, str] = {
    os: "eventfd eventfd_read eventfd_write EFD_CLOEXEC EFD_NONBLOCK EFD_SEMAPHORE pidfd_open"
    " memfd_create MFD_CLOEXEC O_PATH O_TMPFILE O_DIRECT sched_getaffinity posix_fallocate"
    " posix_fadvise waitid P_PID P_ALL WEXITED WSTOPPED WNOWAIT splice copy_file_range getrandom",
    select: "epoll EPOLLIN",
    selectors: "EpollSelector",
    signal: "pidfd_send_signal SIGRTMIN SIGRTMAX SIGSTKFLT SIGPWR SIGPOLL",
    socket: "TCP_KEEPIDLE TCP_USER_TIMEOUT MSG_CMSG_CLOEXEC SO_PEERCRED",
}

#: Names that Windows lacks besides.
UNIX_ALONE: dict[ModuleType, str] = {
    os: "fork forkpty geteuid getuid getegid getgid seteuid setuid register_at_fork uname sysconf"
    " WNOHANG WUNTRACED fchmod fchown chown lchown O_CLOEXEC O_NOFOLLOW O_NONBLOCK O_NOCTTY"
    " O_DIRECTORY O_SYNC pread pwrite nice fstatvfs killpg setsid getpgid getsid mkfifo"
    " posix_spawn sendfile getgroups getloadavg sched_yield lockf wait wait3 wait4",
    select: "poll POLLIN POLLOUT POLLNVAL POLLHUP POLLERR POLLPRI",
    selectors: "PollSelector",
    signal: "SIGHUP SIGKILL SIGUSR1 SIGUSR2 SIGCHLD SIGPIPE SIGALRM SIGQUIT SIGSTOP SIGCONT SIGTSTP"
    " SIGWINCH SIGTTIN SIGTTOU pthread_sigmask SIG_BLOCK SIG_UNBLOCK SIG_SETMASK setitimer alarm"
    " sigwait sigpending pause siginterrupt",
    socket: "AF_UNIX SCM_RIGHTS CMSG_SPACE CMSG_LEN send_fds recv_fds TCP_KEEPINTVL",
}

#: Modules that Windows lacks; and such as have nothing to do with the standard library.
MISSING = {
    "darwin": frozenset(),
    "win32": frozenset(
        {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "uvloop"}
    ),
}

#: A flag for opening a file: Windows has another number for it.
REMOVED_AT_CLOSE = 1 << 30

#: Folders whose files are Linux's alone.
KERNEL_FOLDERS = ("/proc/", "/sys/", "/dev/shm")


class Missing(importlib.abc.MetaPathFinder):
    """Finds no module of those that the system lacks."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        del path, target
        if name in self._names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class UsualLoop(asyncio.SelectorEventLoop):
    """The event loop that programs have on Windows: it watches no sockets of theirs."""

    add_reader = asyncio.AbstractEventLoop.add_reader
    add_writer = asyncio.AbstractEventLoop.add_writer


class Here:
    """``sys`` as it is here, for what starts a child."""

    def __getattr__(self, name: str) -> Any:
        return "linux" if name == "platform" else getattr(sys, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(sys, name, value)


class NamedMemory(mmap.mmap):
    """Memory that processes share by a name, as Windows has it: here it is a file."""

    def __new__(cls, number: int, length: int, tagname: str = "", **options: Any) -> Self:
        if not tagname:
            return super().__new__(cls, number, length, **options)
        number = os.open(f"{tempfile.gettempdir()}/{tagname}", os.O_RDWR | os.O_CREAT)
        try:
            os.ftruncate(number, length)
            return super().__new__(cls, number, length)
        finally:
            os.close(number)


def become(system: str) -> None:
    """Take this system for that one, in this process."""
    sysconfig.get_config_vars()
    pair = partial(socket.socketpair, socket.AF_UNIX)
    hold = partial(_hold_interrupts, signal.pthread_sigmask, signal.SIG_BLOCK, signal.SIG_UNBLOCK)
    for name in STARTING:
        module: Any = importlib.import_module(f"multiprocessing.{name}")
        module.os = SimpleNamespace(**vars(os))
        module.signal = SimpleNamespace(**vars(signal))
    spawn: Any = multiprocessing.spawn
    spawn.sys = Here()
    changeable: Any
    lacking = [LINUX_ALONE, UNIX_ALONE] if system == "win32" else [LINUX_ALONE]
    for names in lacking:
        for module, text in names.items():
            for name in text.split():
                if hasattr(module, name):
                    delattr(module, name)
    if system == "win32":
        changeable = socket
        changeable.socketpair = pair
        changeable = mmap
        changeable.mmap = NamedMemory
        os.supports_dir_fd.clear()
        os.supports_effective_ids.clear()
        hold()
        _hold_files()
        _hold_explanations()
        changeable = asyncio
        changeable.SelectorEventLoop.add_signal_handler = _refuse
        changeable.new_event_loop = changeable.events.new_event_loop = UsualLoop
    changeable = tempfile
    changeable._O_TMPFILE_WORKS = False
    changeable = selectors
    changeable.DefaultSelector = getattr(selectors, "PollSelector", selectors.SelectSelector)
    for name in MISSING[system]:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Missing(MISSING[system]))
    sys.platform = system
    changeable = builtins
    changeable.__import__ = partial(_load, builtins.__import__)
    sys.addaudithook(_hide_kernel)


def _load(original: Callable[..., Any], name: str, *rest: Any, **named: Any) -> Any:
    system = sys.platform
    if name.partition(".")[0] in LOADED_AS_HERE:
        sys.platform = "linux"
    try:
        return original(name, *rest, **named)
    finally:
        sys.platform = system


def _hold_files() -> None:
    """Have folders be opened by nobody, and files that this process has open keep their names."""
    here = SimpleNamespace(**vars(os))
    changeable: Any = os

    def open_file(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if dir_fd is not None:
            raise NotImplementedError("dir_fd unavailable on this platform")
        if here.path.isdir(path):
            raise PermissionError(13, os.strerror(13), path)
        number: int = here.open(path, flags & ~REMOVED_AT_CLOSE, mode)
        if flags & REMOVED_AT_CLOSE:
            here.unlink(path)
        return number

    def may_use(path: Any, mode: int, *, effective_ids: bool = False) -> bool:
        if effective_ids:
            raise NotImplementedError("access: effective_ids unavailable on this platform")
        return bool(here.access(path, mode))

    def refuse_open(path: Any) -> None:
        try:
            found = here.lstat(path)
        except OSError:
            return
        with here.scandir("/proc/self/fd") as entries:
            for entry in entries:
                try:
                    same = here.path.samestat(found, here.stat(entry.path))
                except OSError:
                    continue
                if same:
                    raise PermissionError(13, "somebody has it open", path)

    def guard(change: Callable[..., None]) -> Callable[..., None]:
        def guarded(*paths: Any, **options: Any) -> None:
            if sys._getframe(1).f_globals["__name__"] != "tempfile":
                for path in paths:
                    refuse_open(path)
            change(*paths, **options)

        return guarded

    changeable.O_TEMPORARY = REMOVED_AT_CLOSE
    changeable.open = open_file
    changeable.access = may_use
    for name in ("remove", "rename", "replace", "unlink"):
        setattr(os, name, guard(getattr(here, name)))
    changeable = shutil
    changeable._use_fd_functions = False
    changeable = tempfile
    changeable.TemporaryFile = tempfile.NamedTemporaryFile


def _hold_explanations() -> None:
    """Have what the C library says of errors know nothing of sockets, and the system know it."""
    original = os.strerror

    def explain(code: int) -> str:
        return "Unknown error" if code >= errno.ENOTSOCK else original(code)

    def make_error(code: int) -> OSError:
        return OSError(code, original(code))

    changeable: Any = os
    changeable.strerror = explain
    changeable = ctypes
    changeable.WinError = make_error


def _hold_interrupts(mask: Callable[..., object], block: int, unblock: int) -> None:
    """Have Ctrl-C wake nothing that the main thread waits in: another thread gets the signal."""
    taking = threading.Event()

    def take() -> None:
        mask(unblock, {signal.SIGINT})
        taking.set()
        threading.Event().wait()

    threading.Thread(target=take, name="signals", daemon=True).start()
    taking.wait()
    mask(block, {signal.SIGINT})


def _refuse(*_: object) -> None:
    raise NotImplementedError


def _hide_kernel(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in {"open", "os.listdir"} or not isinstance(arguments[0], str):
        return
    if arguments[0].startswith(KERNEL_FOLDERS) and not _is_psutil():
        raise FileNotFoundError(2, os.strerror(2), arguments[0])


def _is_psutil() -> bool:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("psutil"):
            return True
        frame = frame.f_back
    return False


if "OTHER_SYSTEM" in os.environ:
    become(os.environ["OTHER_SYSTEM"])
