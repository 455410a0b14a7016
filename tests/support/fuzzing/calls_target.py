"""Calls one after the other at a coordinator, by whoever holds a key, with any arguments."""

from __future__ import annotations

import asyncio
import copy
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from hypothesis import strategies as st

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.monitoring.event_log import log_events
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving.job_queue import JobQueue
from headrace_coordinator.serving.result_queue import ResultQueue
from headrace_coordinator.serving.shared_objects import SharedObjects
from headrace_coordinator.serving.topics import wake_waiters
from headrace_coordinator.serving.wake import Waiters
from headrace_coordinator.store.need import RELIEF
from headrace_coordinator.store.store import Store
from headrace_wire.api import APIS
from headrace_wire.errors import HeadraceError
from headrace_wire.messages.jobs import DATA_SERVICE
from headrace_wire.roles import ADMINISTRATOR
from headrace_wire.session import Session
from headrace_wire.signature import read_signatures
from headrace_wire.stream import FrameStream
from support.calls_of_api import BATCH, CALLS, SPEC
from support.fuzzing.hostile import change_values, pack, unpack
from support.fuzzing.target import Target
from support.queue_invariants import check_invariants
from support.shared_invariants import check_shared_state

#: Calls of one input; more are left out.
MOST_CALLS = 12

#: Seconds after which a caller who waits for its answer is gone.
PATIENCE_SECONDS = 0.03

LEASE_SECONDS = 15.0

_JOBS: list[list[Any]] = [
    ["jobs.submit", [[job, "images", "blur", b"\x80", tasks, carried, *SPEC[6:12], owned]]]
    for job, tasks, carried, owned in (
        ("job", 100, False, False), ("other", 3, False, False),
        ("streamed", None, True, False), ("owned", 10, False, True),
    )
]  # fmt: skip

#: What is there before any call.
PREPARED: list[list[Any]] = [
    *_JOBS,
    ["jobs.submit", [["data", DATA_SERVICE, "keep", b"\x80", None, True]]],
    ["jobs.put", ["data", 0, BATCH]],
    ["jobs.register", CALLS["jobs.register"]],
    ["shared.open", CALLS["shared.open"]],
    ["shared.open", [["queue", "queue", b"", 0]]],
]


class Failures(logging.Handler):
    """Keeps what the coordinator logs with a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note a failure."""
        if record.exc_info:
            self.seen.append(logging.Formatter().format(record))


class Line:
    """What a session takes for its connection: one call after the other, and nobody else."""

    peer = "peer"
    closed = False
    on_lost: object = None
    lacks_room = False
    bytes_in = bytes_out = 0

    def __init__(self, frames: Sequence[bytes]) -> None:
        self._frames = list(frames)

    async def receive(self) -> bytes:
        """The next call. Raises EOFError."""
        if not self._frames:
            raise EOFError
        return self._frames.pop(0)

    async def send(self, answer: Sequence[bytes | memoryview]) -> None:
        """Every answer is one that can be sent."""
        assert b"".join(answer)


def check_calls(data: bytes) -> None:
    """None of these calls fails in a way of its own, and all stays as it has to be."""
    try:
        calls = unpack(data)
    except ValueError:
        return
    if not isinstance(calls, list):
        return
    failures = Failures()
    log = logging.getLogger("headrace_wire.session")
    log.addHandler(failures)
    log.propagate, propagates = False, log.propagate
    try:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_make_calls(calls[:MOST_CALLS], Path(folder)))
    finally:
        log.removeHandler(failures)
        log.propagate = propagates
    assert not failures.seen, failures.seen[0]


async def _make_calls(calls: list[Any], folder: Path) -> None:
    store = Store(folder / "store", "process")
    try:
        ledger = Ledger(store, Rules())
        waiters = Waiters()
        ledger.listen(lambda events: wake_waiters(waiters, events))
        ledger.listen(log_events)
        objects = {
            "jobs": JobQueue(ledger, waiters, LEASE_SECONDS),
            "results": ResultQueue(ledger, waiters, None),
            "shared": SharedObjects(ledger, waiters, LEASE_SECONDS),
        }
        for place, arguments in PREPARED:
            await _call(objects, place, copy.deepcopy(arguments))
        for call in calls:
            match call:
                case [str() as place, list() as arguments] if place.partition(".")[0] in APIS:
                    await _call(objects, place, arguments)
                case _:
                    pass
        ledger.commit_now(lambda queue, now: queue.tick(now), RELIEF)
        ledger.observe(lambda queue, _: check_invariants(queue.state))
        ledger.observe(lambda queue, _: check_shared_state(queue.shared))
        assert not ledger.problem
        known = ledger.observe(lambda queue, _: set(queue.state.jobs))
        waiters.close()
        again = Ledger(store, Rules())
        again.observe(lambda queue, _: check_invariants(queue.state))
        assert again.observe(lambda queue, _: set(queue.state.jobs)) == known
    finally:
        store.close()


async def _call(objects: dict[str, object], place: str, arguments: list[Any]) -> None:
    name, _, method = place.partition(".")
    line = cast("FrameStream", Line([pack([name, method, arguments, {}])]))
    signatures = read_signatures(APIS[name])
    session = Session(line, ADMINISTRATOR, objects[name], signatures, None)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await session.run()
    except (EOFError, TimeoutError, HeadraceError):
        pass


_ONE_EACH = [[place, arguments] for place, arguments in CALLS.items()]
_SEEDS = [_ONE_EACH[start : start + 4] for start in range(0, len(_ONE_EACH), 4)]

CALLS_TARGET = Target(
    "coordinator",
    check_calls,
    st.lists(change_values(_ONE_EACH), min_size=1, max_size=6).map(pack),
    [*map(pack, _SEEDS)],
)
