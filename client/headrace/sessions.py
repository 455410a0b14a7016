"""Where a program's calls go: a cluster that is there, or one that is started for it here."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import weakref
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Protocol

from headrace.cluster import Cluster
from headrace_services.calls.main_module import refuse_while_loading
from headrace_wire.encryption import Encryption
from headrace_wire.engines import EngineChoice, parse_engine
from headrace_wire.errors import UsageError
from headrace_wire.forking import call_after_fork

log = logging.getLogger(__name__)


class Session(Protocol):
    """What has processes or calls that must not outlive the program."""

    def end_with_program(self) -> None:
        """Do what is right when the program ends and nobody has closed this."""
        ...


_open: weakref.WeakSet[Session] = weakref.WeakSet()


def end_with_program(session: Session, close: Callable[[], None]) -> None:
    """Have a session ended at the program's end, and ``close`` called when it is let go.

    ``close`` refers to what the session has, not to the session: that would keep it. In a process
    that was forked from this one neither is done.
    """
    if not _open:
        atexit.unregister(_end_all)
        atexit.register(_end_all)
    _open.add(session)
    weakref.finalize(session, _close_if_here, os.getpid(), close).atexit = False


def _end_all() -> None:
    for session in list(_open):
        session.end_with_program()


def _close_if_here(process: int, close: Callable[[], None]) -> None:
    if os.getpid() == process:
        close()


def _forget_all() -> None:
    """In a forked child: what is open is the parent's."""
    _open.clear()


call_after_fork(_forget_all)


def choose_engine(
    engine: str | None, address: object, *, limit: str = "", recycling: str = ""
) -> EngineChoice:
    """Read the name of an engine for an embedded cluster; None for a pool of slots.

    Raises UsageError for one that is not known, for one beside the address of a cluster that is
    there, and for a time limit or a recycling that it cannot keep, which are named.
    """
    if engine is None:
        return EngineChoice()
    chosen = parse_engine(engine)
    if address is not None:
        raise UsageError(
            f"engine={engine!r} is for a cluster that is started here: what runs the tasks of the "
            f"one at {address} its workers decide, with --engine"
        )
    chosen.require(limit=limit, recycling=recycling)
    if chosen.address:
        log.warning(
            "headrace: tasks run on %s at %s, whose processes send each other pickles: whoever can "
            "connect to them can run anything there, and read what tasks are given",
            chosen.title,
            chosen.address,
        )
    return chosen


@contextlib.contextmanager
def open_session(
    address: str | None,
    key_file: str | Path | None = None,
    *,
    tls: str | Encryption | None = None,
    slots: str = "auto",
    max_tasks: int | None = None,
    engine: EngineChoice | None = None,
) -> Generator[Cluster]:
    """The cluster at an address, or for None an embedded one that runs whatever it is given.

    ``slots``, ``max_tasks`` and ``engine`` are the embedded worker's. Raises UsageError,
    UnreachableError and KeyRefusedError.
    """
    refuse_while_loading()
    if address is not None:
        with Cluster(address, key_file=key_file, tls=tls) as cluster:
            yield cluster
        return
    from headrace.embedded import open_embedded_cluster  # noqa: PLC0415 - only where needed
    from headrace.program import describe_program  # noqa: PLC0415 - only where needed
    from headrace_services.permits import EVERYTHING, EVERYWHERE, Permits  # noqa: PLC0415 - only where needed

    permits = Permits(allow=(EVERYTHING,), pickle=True, roots=(EVERYWHERE,))
    with open_embedded_cluster(
        slots,
        permits=permits,
        max_tasks=max_tasks,
        program=describe_program(),
        show_output=True,
        engine=engine,
    ) as cluster:
        yield cluster
