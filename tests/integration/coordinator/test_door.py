"""Whatever values arrive from whoever holds the key, the coordinator goes on serving others.

Every method is called as a client or a worker would call it, with one value after the other of its
arguments replaced by one that nobody should send.
"""

from __future__ import annotations

import copy
import logging
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from headrace.cluster import Cluster
from headrace.submission import make_job_spec
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.api import APIS
from headrace_wire.errors import HeadraceError
from headrace_wire.key import load_key
from headrace_wire.manager import Proxy
from headrace_wire.messages.jobs import DATA_SERVICE
from support.calls_of_api import BATCH, CALLS, HOSTILE, SPEC
from support.coordinators import run_coordinator
from support.queue_invariants import check_invariants
from support.shared_invariants import check_shared_state
from support.wire_messages import read_methods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Door:
    """A coordinator, and callers that say what they like."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.start()

    def start(self) -> None:
        settings = CoordinatorSettings(
            self.folder / "data",
            self.folder / "key",
            bind=Address("127.0.0.1", 0),
            http=Address("127.0.0.1", 0),
        )
        self.running = self.stack.enter_context(run_coordinator(settings))
        self.key = load_key(self.folder / "key")
        self.cluster = self.stack.enter_context(Cluster(self.running.bound, self.key))
        self.callers = {name: Proxy(name, self.running.bound, self.key) for name in APIS}

    def restart(self) -> None:
        self.stack.close()
        self.start()

    def call(self, place: str, arguments: list[Any]) -> str:
        """Call a method of an API. Returns what was refused, in one line, or nothing."""
        name, _, method = place.partition(".")
        try:
            self.callers[name].call(method, arguments)
        except HeadraceError as error:
            return error.message
        return ""

    def prepare(self) -> None:
        """Have everything that the calls are about."""
        for job, tasks, carried, owned in (
            ("job", 100, False, False), ("other", 3, False, False),
            ("streamed", None, True, False), ("owned", 10, False, True),
        ):  # fmt: skip
            spec = [job, "images", "blur", b"\x80", tasks, carried, *SPEC[6:12], owned]
            self.call("jobs.submit", [spec])
        self.call("jobs.submit", [["data", DATA_SERVICE, "keep", b"\x80", None, True]])
        self.call("jobs.put", ["data", 0, BATCH])
        for place in ("jobs.register", "shared.open"):
            assert self.call(place, copy.deepcopy(CALLS[place])) == ""
        self.call("shared.open", [["queue", "queue", b"", 0]])

    def check(self) -> None:
        """Somebody who means well finds all as it should be."""
        ledger = self.running._ledger
        ledger.observe(lambda queue, _: check_invariants(queue.state))
        ledger.observe(lambda queue, _: check_shared_state(queue.shared))
        spec = make_job_spec("images", "blur", {}, None, tasks=3, carried=False)
        assert self.cluster.engine.jobs.submit(spec).tasks == 3
        assert spec.id in {status.id for status in self.cluster.jobs()}
        self.cluster.engine.jobs.delete(spec.id)
        assert self.cluster.engine.jobs.info().problem == ""
        self.cluster.workers()
        self.cluster.shared()
        with urllib.request.urlopen(f"http://{self.running.http_bound}/metrics") as page:
            assert b"headrace_jobs" in page.read()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with ExitStack() as stack:
        yield Door(tmp_path, stack)


def mangle(values: list[Any]) -> Iterator[Callable[[Any], None]]:
    """Each place in nested lists and maps, as a function that puts something there."""
    for place, old in enumerate(values):

        def put(value: Any, place: int = place) -> None:
            values[place] = value

        yield put
        values[place] = old
        if isinstance(old, list):
            yield from mangle(old)
        elif isinstance(old, dict):
            one = next(iter(old.values()))

            def put_key(key: Any, place: int = place, one: Any = one) -> None:
                hashable = isinstance(key, str | int | float | bytes)
                values[place] = {key: one} if hashable else {}

            yield put_key

            def put_inside(value: Any, old: dict[Any, Any] = old, place: int = place) -> None:
                values[place] = dict.fromkeys(old, value)

            yield put_inside
            values[place] = old


def test_every_method_is_called_here() -> None:
    assert sorted(CALLS) == sorted(
        f"{name}.{method}" for name, api in APIS.items() for method in read_methods(api)
    )


@pytest.mark.parametrize("place", CALLS)
def test_a_call_as_it_should_be_is_served(
    door: Door, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    door.prepare()
    refusal = door.call(place, copy.deepcopy(CALLS[place]))
    assert "must be" not in refusal
    assert "arrived" not in refusal
    door.check()
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.any_python
@pytest.mark.parametrize("place", [place for place, arguments in CALLS.items() if arguments])
def test_values_that_nobody_should_send_harm_nobody(
    door: Door, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    door.prepare()
    arguments = copy.deepcopy(CALLS[place])
    for put in mangle(arguments):
        for value in HOSTILE.values():
            put(value)
            refusal = door.call(place, arguments)
            assert "its log says why" not in refusal
            assert refusal.isprintable()
            assert len(refusal) <= 2000
        door.check()
    assert not [record.getMessage() for record in caplog.records if record.exc_info]
    door.restart()
    door.check()
    assert not [record.getMessage() for record in caplog.records if record.exc_info]
