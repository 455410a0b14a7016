"""A key that is refused where it was taken before, and one that is revoked."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from headrace_wire import acquaintances
from headrace_wire.api import JobQueueApi
from headrace_wire.errors import HeadraceError, KeyRefusedError, ProtocolError, UnreachableError
from headrace_wire.manager import QueueManager
from support.certificates import make_tls
from support.commands import wait_until
from support.event_loops import in_event_loop
from support.wire_server import KEY, PATIENCE_SECONDS, Gate, Served, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace_wire.address import Address
    from headrace_wire.tls import ServerTls

OTHER_KEY = b"another key" * 6

#: What is put into a job.
INPUTS = ("job", 0, b"seven b")


@dataclass
class Caller:
    """Asks again and again."""

    ask: Callable[[], object]
    losses: list[UnreachableError]

    def count_refusals(self) -> int:
        return sum(loss.refusal is not None for loss in self.losses)


@contextlib.contextmanager
def open_caller(
    address: Address, *, is_async: bool, patience_seconds: float = 3600.0
) -> Iterator[Caller]:
    """A caller from a thread, or from an event loop."""
    losses: list[UnreachableError] = []
    manager = QueueManager(address, KEY, patience_seconds=patience_seconds, on_lost=losses.append)
    if is_async:
        jobs = manager.async_jobs()

        async def close() -> None:
            jobs.close()
            await asyncio.sleep(0)

        with asyncio.Runner() as runner:
            yield Caller(lambda: runner.run(jobs.call(JobQueueApi.put, *INPUTS)), losses)
            runner.run(close())
    else:
        yield Caller(partial(manager.jobs().put, *INPUTS), losses)
    manager.close()


def answer(served: Served) -> None:
    served.jobs.answers["put"] = lambda _job, _start, inputs: len(inputs)


kinds = pytest.mark.parametrize("is_async", [False, True], ids=["blocking", "event loop"])

strangers = pytest.mark.parametrize(
    ("tls", "other_tls", "expected"),
    [
        (None, None, KeyRefusedError),
        (make_tls(), make_tls("another"), KeyRefusedError),
        (make_tls(), None, ProtocolError),
    ],
    ids=["another key", "another certificate", "no TLS"],
)


@kinds
@strangers
def test_a_stranger_in_the_coordinators_place_is_a_loss_that_passes(
    tls: ServerTls | None,
    other_tls: ServerTls | None,
    expected: type[HeadraceError],
    *,
    is_async: bool,
) -> None:
    with serve(tls=tls) as served, contextlib.ExitStack() as stack:
        answer(served)
        address = served.address
        caller = stack.enter_context(open_caller(address, is_async=is_async))
        caller.ask()
        opened = stack.pop_all()
    asking = threading.Thread(target=caller.ask)
    with opened:
        with serve(address=address, tls=other_tls, key=OTHER_KEY):
            asking.start()
            wait_until(lambda: caller.count_refusals() > 1)
            with (
                open_caller(address, is_async=is_async, patience_seconds=0.0) as once,
                pytest.raises(expected),
            ):
                once.ask()
        with serve(address=address, tls=tls) as served:
            answer(served)
            asking.join(PATIENCE_SECONDS)
            assert not asking.is_alive()
            assert served.jobs.calls


@kinds
def test_a_stranger_who_stays_is_told_of_in_the_end(*, is_async: bool) -> None:
    with contextlib.ExitStack() as stack:
        with serve() as served:
            answer(served)
            caller = stack.enter_context(
                open_caller(served.address, is_async=is_async, patience_seconds=0.2)
            )
            caller.ask()
        stack.enter_context(serve(address=served.address, key=OTHER_KEY))
        with pytest.raises(KeyRefusedError):
            caller.ask()


def revoke_all(served: Served) -> None:
    """Close all connections, as their keys are taken no more."""
    served.server._find_keys = lambda _hint: {}
    served.loop.call_soon_threadsafe(served.server.end_others, lambda _: False)
    wait_until(lambda: not served.count_sessions())


@kinds
def test_a_key_that_is_revoked_is_final_at_once(*, is_async: bool) -> None:
    with serve() as served, open_caller(served.address, is_async=is_async) as caller:
        answer(served)
        caller.ask()
        revoke_all(served)
        for _ in range(2):
            with pytest.raises(KeyRefusedError):
                caller.ask()
        assert not caller.count_refusals()


@in_event_loop
async def test_who_waits_for_an_answer_is_told_that_the_key_is_revoked() -> None:
    with serve() as served:
        gate = Gate(served.loop)

        async def wait(*_: object) -> None:
            await gate.wait()

        served.jobs.answers["put"] = wait
        manager = QueueManager(served.address, KEY, patience_seconds=3600)
        caller = manager.async_jobs()
        blocking = asyncio.create_task(asyncio.to_thread(manager.jobs().put, *INPUTS))
        waiting = asyncio.create_task(caller.call(JobQueueApi.put, *INPUTS))
        await asyncio.to_thread(wait_until, lambda: len(served.jobs.calls) == 2)
        await asyncio.to_thread(revoke_all, served)
        for call in (blocking, waiting):
            with pytest.raises(KeyRefusedError, match="was revoked"):
                await call
        caller.close()
        manager.close()


def test_the_key_of_a_task_is_refused_for_good_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acquaintances, "find_hint", lambda _: b"hint")
    monkeypatch.setattr(acquaintances, "TASK_SECONDS", 0.1)
    with contextlib.ExitStack() as stack:
        with serve() as served:
            answer(served)
            caller = stack.enter_context(open_caller(served.address, is_async=False))
            caller.ask()
        stack.enter_context(serve(address=served.address, key=OTHER_KEY))
        with pytest.raises(KeyRefusedError):
            caller.ask()
    assert caller.count_refusals()
