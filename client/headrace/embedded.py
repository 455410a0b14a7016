"""The embedded cluster: a coordinator and a worker on this machine, for as long as they are needed.

They work like those that people start by hand, but use a Unix socket in a folder that is removed
afterwards; see ``child``. If the system has no Unix sockets, they use a port that the system
chooses. Both are child processes of this one and have a session of their own, so that Ctrl-C does
not reach them directly. Each of them ends by itself if this process dies.

Both are started at the same time, and the worker is told where the coordinator is. The worker is
stopped first, and then the coordinator.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import Future, InvalidStateError
from functools import partial
from pathlib import Path
from typing import IO

from msgspec import Struct

from headrace.arrival import await_workers
from headrace.child.orders import Order
from headrace.child.place import choose_address, remove_folders
from headrace.coordinator_engine import CoordinatorEngine
from headrace.ownership import Ownership
from headrace.program import clean_pythonpath, describe_program
from headrace.stopped import is_stopped
from headrace_services.calls.main_module import refuse_while_loading
from headrace_services.permits import EVERYTHING, EVERYWHERE, Permits
from headrace_wire.address import Address, parse_address
from headrace_wire.encryption import Encryption
from headrace_wire.engines import POOL, EngineChoice
from headrace_wire.errors import HeadraceError, UnreachableError, UsageError
from headrace_wire.key import ensure_key
from headrace_wire.open_files import explain_limit
from headrace_wire.system import portable
from headrace_wire.system.forking import call_after_fork
from headrace_wire.system.own_group import OWN_GROUP, kill_group
from headrace_wire.system.signals import LOOPS_TAKE_SIGNALS
from headrace_worker.engines.registry import read_most_slots, require_library
from headrace_worker.launch.start_methods import DEFAULT_METHOD
from headrace_worker.link.program import Program, list_safe_flags
from headrace_worker.machine.cores import count_usable_cores, parse_slots
from headrace_worker.machine.files import require_files_for

log = logging.getLogger(__name__)

#: How many seconds a child may take to end when it is told to.
STOP_SECONDS = 10.0

#: How many seconds a child may take to end after its connections were lost.
END_SECONDS = 1.0

#: How often a child that should end is checked for having been suspended, in seconds.
FROZEN_SECONDS = 0.5

#: In how many of the last lines of the children's log the reason of their end is looked for.
LAST_LINES = 10

#: The running children.
_CHILDREN: weakref.WeakSet[subprocess.Popen[bytes]] = weakref.WeakSet()


class EmbeddedClusterError(HeadraceError):
    """The embedded cluster ended before its job."""

    code = "embedded_cluster"


class Embedded(Struct, frozen=True):
    """A running coordinator and worker, and the way to the coordinator.

    ``explain_end`` returns the reason why they have ended. ``kill_frozen`` kills them if somebody
    has suspended them; it is called before any goodbye.
    """

    address: Address
    engine: CoordinatorEngine
    explain_end: Callable[[], str]
    kill_frozen: Callable[[], None]


@contextlib.contextmanager
def open_for_program(
    slots: str = "auto", *, max_tasks: int | None = None, engine: EngineChoice | None = None
) -> Generator[Embedded]:
    """Start a coordinator and a worker that runs all calls of this program as the program would.

    Raises the errors of ``open_embedded``, and UsageError while the program's file is being loaded.
    """
    refuse_while_loading()
    permits = Permits(allow=(EVERYTHING,), pickle=True, roots=(EVERYWHERE,))
    with open_embedded(
        slots,
        permits=permits,
        max_tasks=max_tasks,
        program=describe_program(),
        show_output=True,
        engine=engine,
    ) as embedded:
        yield embedded


@contextlib.contextmanager
def open_embedded(
    slots: str = "auto",
    start_method: str = DEFAULT_METHOD,
    permits: Permits | None = None,
    *,
    max_tasks: int | None = None,
    program: Program | None = None,
    show_output: bool = False,
    engine: EngineChoice | None = None,
) -> Generator[Embedded]:
    """Start a coordinator and a worker, and stop them at the end.

    ``permits`` is what jobs may use in the worker: nothing by default. Slots look for modules where
    ``program`` does. With ``show_output``, tasks print where this process does. ``engine`` runs the
    tasks if it is not a pool of slots; this waits until it is available.

    Raises UsageError for invalid ``slots``, if so few files may be open that these cannot be
    started, and for an engine that is not installed or cannot be used, UnreachableError for an
    engine that does not answer, and EmbeddedClusterError with the last line of the children's log
    if one of them ends too early.
    """
    engine = engine or EngineChoice()
    if engine.name != POOL:
        require_library(engine.name)
        read_most_slots(slots)
    try:
        number = parse_slots(slots, count_usable_cores())
    except ValueError as error:
        raise UsageError(str(error)) from None
    if engine.name == POOL:
        require_files_for(number)  # the limit is also that of the worker
    folder = Path(tempfile.mkdtemp(prefix="headrace-"))
    here = Ownership("embedded cluster")

    def at_the_end(call: Callable[[], object]) -> None:
        # A process that is forked from this one has a copy of this callback, which does nothing.
        stack.callback(lambda: call() if here.is_here else None)

    with contextlib.ExitStack() as stack:
        address = choose_address(folder)
        order = Order(
            str(folder),
            str(address),
            slots=slots,
            start_method=start_method,
            max_tasks=max_tasks,
            permits=permits or Permits(),
            program=program,
            show_output=show_output,
            engine=engine,
        )
        at_the_end(partial(remove_folders, order))
        order.log_file.touch(0o600)
        # In append mode, so that the children and this process do not overwrite each other's lines.
        log = stack.enter_context(order.log_file.open("a+b"))
        # It is opened now because the coordinator removes the folder before it ends.
        end = stack.enter_context(order.end_file.open("a+b"))
        key = ensure_key(order.key_file)
        coordinator = _start("coordinator", order, log, subprocess.PIPE)
        at_the_end(partial(_stop, coordinator))
        # Both prepare at the same time, which is most of the time that the start takes.
        worker = _start(
            "worker",
            order,
            _inherit(2) if show_output else log,
            _inherit(1) if show_output else subprocess.DEVNULL,
        )
        at_the_end(partial(_stop, worker, coordinator))
        first = _end_together({"worker": worker, "coordinator": coordinator})
        explain_end = partial(_explain_end, first, end, log)
        assert coordinator.stdout
        line = coordinator.stdout.readline()
        if not line:
            raise EmbeddedClusterError(explain_end("no embedded coordinator"))
        _tell(worker, line)
        address = parse_address(json.loads(line))
        is_open = engine.name == POOL
        try:
            opened = CoordinatorEngine(
                address, key, patience_seconds=0.0, encryption=Encryption("off")
            )
            at_the_end(opened.close)
            kill_frozen = partial(_kill_frozen, coordinator, worker)
            # Before any goodbye, because everybody would wait for a suspended process.
            at_the_end(kill_frozen)
            if not is_open:
                # If the worker ends instead, the coordinator ends, too.
                await_workers(opened.jobs, opened.jobs.workers)
                is_open = True
            _warn_of_pickles(engine)
            yield Embedded(address, opened, explain_end, kill_frozen)
        except UnreachableError:
            if is_open:
                raise EmbeddedClusterError(explain_end()) from None
            raise _find_kind(first)(explain_end("")) from None


def _warn_of_pickles(engine: EngineChoice) -> None:
    """Warn of what others can do if tasks run on a cluster not started for this program."""
    if engine.address:
        log.warning(
            "headrace: tasks run on %s at %s, whose processes send each other pickles: whoever can "
            "connect to them can run anything there, and read what tasks are given",
            engine.title,
            engine.address,
        )


def _find_kind(first: Future[tuple[str, int]]) -> type[HeadraceError]:
    """Return what to raise if no engine could be opened, according to the worker's exit code."""
    with contextlib.suppress(TimeoutError):
        role, code = first.result(END_SECONDS)
        for kind in (UsageError, UnreachableError):
            if role == "worker" and code == kind.exit_code:
                return kind
    return EmbeddedClusterError


def _end_together(children: dict[str, subprocess.Popen[bytes]]) -> Future[tuple[str, int]]:
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


def _inherit(number: int) -> int | None:
    """Return this process's standard output or error for a child; nowhere if it has none.

    If it has none, the number may belong to another file, to which a child must not print.
    """
    stream = sys.__stdout__ if number == 1 else sys.__stderr__
    return subprocess.DEVNULL if stream is None else None


def _start(
    role: str,
    order: Order,
    log: IO[bytes] | int | None,
    stdout: int | None,
) -> subprocess.Popen[bytes]:
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
    _CHILDREN.add(child)
    return child


def _tell(worker: subprocess.Popen[bytes], line: bytes) -> None:
    assert worker.stdin
    # It has ended, or it is being ended because another one has: the watching threads report this.
    with contextlib.suppress(BrokenPipeError, ValueError):
        worker.stdin.write(line)
        worker.stdin.flush()


def _let_go_of_all() -> None:
    """In a forked process: forget the children, which belong to the parent.

    Its copies of their pipes are closed, so that they end when the parent's are closed.
    """
    for child in list(_CHILDREN):
        child.returncode = 0
        _close_pipes(child)
    _CHILDREN.clear()


call_after_fork(_let_go_of_all)


def _kill_frozen(*children: subprocess.Popen[bytes]) -> None:
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


def _stop(child: subprocess.Popen[bytes], *needed: subprocess.Popen[bytes]) -> None:
    """End a child, which may need others to answer while it ends."""
    _ask_to_end(child)
    last = time.monotonic() + STOP_SECONDS
    try:
        while child.poll() is None:
            _kill_frozen(child, *needed)
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


def _explain_end(
    first: Future[tuple[str, int]],
    end: IO[bytes],
    log: IO[bytes],
    what: str = "the cluster that was started for this program ended",
) -> str:
    """Return why the children have ended. ``what`` is put before their own message."""
    # A connection is lost a moment before the end of its process can be noticed.
    with contextlib.suppress(TimeoutError):
        role, code = first.result(END_SECONDS)
        if code < 0:
            name = signal.Signals(-code).name
            return f"the embedded {role} was killed ({name}): run it again"
    end.seek(0)
    why = end.read().decode(errors="replace").strip()
    lines = _read_lines(log)
    limit = explain_limit()
    signs = (os.strerror(errno.EMFILE), limit)
    if limit not in why and any(sign in line for line in lines[-LAST_LINES:] for sign in signs):
        why = limit  # whatever failed after that
    elif not why:
        why = lines[-1].removeprefix("headrace: ") if lines else "it said nothing"
    return f"{what}: {why}" if what else why


def _read_lines(log: IO[bytes]) -> list[str]:
    log.seek(0)
    return log.read().decode(errors="replace").strip().splitlines()
