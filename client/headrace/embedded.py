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
import tempfile
from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import IO

from msgspec import Struct

from headrace.arrival import await_workers
from headrace.child.orders import Order
from headrace.child.place import choose_address, remove_folders
from headrace.child.processes import (
    end_together,
    inherit_stream,
    kill_frozen,
    start_child,
    stop_child,
    tell_child,
)
from headrace.coordinator_engine import CoordinatorEngine
from headrace.ownership import Ownership
from headrace.program import describe_program
from headrace_services.calls.main_module import refuse_while_loading
from headrace_services.permits import EVERYTHING, EVERYWHERE, Permits
from headrace_wire.address import Address, parse_address
from headrace_wire.encryption import Encryption
from headrace_wire.engines import POOL, EngineChoice
from headrace_wire.errors import HeadraceError, UnreachableError, UsageError
from headrace_wire.key import ensure_key
from headrace_wire.open_files import explain_limit
from headrace_worker.engines.registry import read_most_slots, require_library
from headrace_worker.launch.start_methods import DEFAULT_METHOD
from headrace_worker.link.program import Program
from headrace_worker.machine.cores import count_usable_cores, parse_slots
from headrace_worker.machine.files import require_files_for

log = logging.getLogger(__name__)

#: How many seconds a child may take to end after its connections were lost.
END_SECONDS = 1.0

#: In how many of the last lines of the children's log the reason of their end is looked for.
LAST_LINES = 10


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
    _refuse_unusable(slots, engine)
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
        coordinator = start_child("coordinator", order, log, subprocess.PIPE)
        at_the_end(partial(stop_child, coordinator))
        # Both prepare at the same time, which is most of the time that the start takes.
        worker = start_child(
            "worker",
            order,
            inherit_stream(2) if show_output else log,
            inherit_stream(1) if show_output else subprocess.DEVNULL,
        )
        at_the_end(partial(stop_child, worker, coordinator))
        first = end_together({"worker": worker, "coordinator": coordinator})
        explain_end = partial(_explain_end, first, end, log)
        assert coordinator.stdout
        line = coordinator.stdout.readline()
        if not line:
            raise EmbeddedClusterError(explain_end("no embedded coordinator"))
        tell_child(worker, line)
        address = parse_address(json.loads(line))
        is_open = engine.name == POOL
        try:
            opened = CoordinatorEngine(
                address, key, patience_seconds=0.0, encryption=Encryption("off")
            )
            at_the_end(opened.close)
            kill_frozen_ones = partial(kill_frozen, coordinator, worker)
            # Before any goodbye, because everybody would wait for a suspended process.
            at_the_end(kill_frozen_ones)
            if not is_open:
                # If the worker ends instead, the coordinator ends, too.
                await_workers(opened.jobs, opened.jobs.workers)
                is_open = True
            _warn_of_pickles(engine)
            yield Embedded(address, opened, explain_end, kill_frozen_ones)
        except UnreachableError:
            if is_open:
                raise EmbeddedClusterError(explain_end()) from None
            raise _find_kind(first)(explain_end("")) from None


def _refuse_unusable(slots: str, engine: EngineChoice) -> None:
    """Refuse what is known not to work before anything is started. Raises UsageError."""
    if engine.name != POOL:
        require_library(engine.name)
        read_most_slots(slots)
    try:
        number = parse_slots(slots, count_usable_cores())
    except ValueError as error:
        raise UsageError(str(error)) from None
    if engine.name == POOL:
        require_files_for(number, is_child=True)


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
