"""The client's patience, with a clock and a coordinator of the test's own."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from headrace_wire import pauses
from headrace_wire.errors import (
    HeadraceError,
    KeyRefusedError,
    ProtocolError,
    UnknownJobError,
    UnreachableError,
)
from headrace_wire.manager import Patience
from headrace_wire.pauses import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS

if TYPE_CHECKING:
    from headrace_wire.manager import Proxy


class Clock:
    """Time that passes in pauses only; stands in for the stop event too, and keeps the pauses."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []
        self.stopped = False

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.now += seconds
        return self.stopped

    def is_set(self) -> bool:
        return self.stopped


class AwayProxy:
    """Loses the connection so many times, and then answers."""

    def __init__(self, times: int, error: HeadraceError | None = None) -> None:
        self.times = times
        self.error = error or UnreachableError("away")
        self.calls: list[tuple[str, list[Any]]] = []

    def call(self, method: str, arguments: list[Any]) -> Any:
        self.calls.append((method, arguments))
        if len(self.calls) <= self.times:
            raise self.error
        return "answer"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pauses, "time", clock)
    return clock


def make_patience(
    proxy: AwayProxy, clock: Clock, seconds: float, lost: list[UnreachableError] | None = None
) -> Patience:
    on_lost = (list[UnreachableError]() if lost is None else lost).append
    return Patience(cast("Proxy", proxy), seconds, on_lost, cast("threading.Event", clock))


def test_the_same_request_is_repeated_until_it_is_answered(clock: Clock) -> None:
    proxy, lost = AwayProxy(5), list[UnreachableError]()
    assert make_patience(proxy, clock, 60, lost).call("put", ["job", 3, b"x"]) == "answer"
    assert proxy.calls == [("put", ["job", 3, b"x"])] * 6
    assert lost == [proxy.error] * 5


def test_pauses_double_up_to_the_longest(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, most: most)
    make_patience(AwayProxy(12), clock, 1000).call("info", [])
    expected = [min(FIRST_PAUSE_SECONDS * 2**n, LONGEST_PAUSE_SECONDS) for n in range(12)]
    assert clock.pauses == expected


def test_clients_that_lost_their_coordinator_together_do_not_come_back_in_step(
    clock: Clock,
) -> None:
    make_patience(AwayProxy(12), clock, 1000).call("info", [])
    longest = list(clock.pauses[7:])
    assert len(set(longest)) == len(longest) > 1
    assert all(LONGEST_PAUSE_SECONDS / 2 <= pause <= LONGEST_PAUSE_SECONDS for pause in longest)


def test_patience_ends_when_it_was_said_to(clock: Clock) -> None:
    proxy = AwayProxy(1000)
    with pytest.raises(UnreachableError, match="away"):
        make_patience(proxy, clock, 12.0).call("info", [])
    assert clock.now == pytest.approx(112.0)
    assert len(proxy.calls) > 5


def test_without_patience_there_is_one_attempt(clock: Clock) -> None:
    proxy, lost = AwayProxy(1), list[UnreachableError]()
    with pytest.raises(UnreachableError):
        make_patience(proxy, clock, 0.0, lost).call("info", [])
    assert len(proxy.calls) == 1
    assert (lost, clock.pauses) == ([], [])


def test_each_call_has_its_own_patience(clock: Clock) -> None:
    proxy = AwayProxy(3)
    patience = make_patience(proxy, clock, 10.0)
    patience.call("info", [])
    clock.now += 1000
    proxy.calls.clear()
    assert patience.call("info", []) == "answer"


def test_being_told_to_stop_ends_the_trying(clock: Clock) -> None:
    clock.stopped = True
    proxy = AwayProxy(1000)
    with pytest.raises(UnreachableError):
        make_patience(proxy, clock, 60).call("info", [])
    assert len(proxy.calls) == 1


@pytest.mark.parametrize(
    "error", [KeyRefusedError(), ProtocolError(), UnknownJobError()], ids=lambda error: error.code
)
def test_what_trying_again_does_not_help_is_final_at_once(
    clock: Clock, error: HeadraceError
) -> None:
    proxy = AwayProxy(1, error)
    with pytest.raises(type(error)):
        make_patience(proxy, clock, 60).call("info", [])
    assert len(proxy.calls) == 1
