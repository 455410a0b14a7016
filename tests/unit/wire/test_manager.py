"""The client's patience, with a clock and a coordinator of the test's own."""

from __future__ import annotations

import math
import random
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec import Struct

from headrace_wire import timeouts
from headrace_wire.errors import (
    ClosedError,
    HeadraceError,
    KeyRefusedError,
    ProtocolError,
    UnknownJobError,
    UnreachableError,
)
from headrace_wire.manager import RetryingProxy
from headrace_wire.timeouts import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, LOOK_SECONDS, Limit

if TYPE_CHECKING:
    from headrace_wire.manager import Proxy


class Clock:
    """Time that passes in pauses only; stands in for the stop event too, and keeps the pauses."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []
        self.stopped = False
        self.closed = threading.Event()

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
        self.until: list[float | None] = []

    def call(self, method: str, arguments: list[Any], until: float | None = None) -> Any:
        self.calls.append((method, arguments))
        self.until.append(until)
        if len(self.calls) <= self.times:
            raise self.error
        return "answer"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timeouts, "time", clock)
    return clock


class Poll(Struct):
    """An argument that asks for a wait."""

    wait_seconds: float = math.inf


def pack(*arguments: Any) -> list[Any]:
    return [*arguments]


def make_patience(
    proxy: AwayProxy, clock: Clock, seconds: float, lost: list[UnreachableError] | None = None
) -> RetryingProxy:
    on_lost = (list[UnreachableError]() if lost is None else lost).append
    return RetryingProxy(
        cast("Proxy", proxy), seconds, on_lost, cast("threading.Event", clock), clock.closed
    )


def test_the_same_request_is_repeated_until_it_is_answered(clock: Clock) -> None:
    proxy, lost = AwayProxy(5), list[UnreachableError]()
    assert make_patience(proxy, clock, 60, lost).call("put", pack, "job", 3, b"x") == "answer"
    assert proxy.calls == [("put", ["job", 3, b"x"])] * 6
    assert lost == [proxy.error] * 5


def test_pauses_double_up_to_the_longest(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, most: most)
    make_patience(AwayProxy(12), clock, 1000).call("info", pack)
    expected = [min(FIRST_PAUSE_SECONDS * 2**n, LONGEST_PAUSE_SECONDS) for n in range(12)]
    assert clock.pauses == expected


def test_clients_that_lost_their_coordinator_together_do_not_come_back_in_step(
    clock: Clock,
) -> None:
    make_patience(AwayProxy(12), clock, 1000).call("info", pack)
    longest = list(clock.pauses[7:])
    assert len(set(longest)) == len(longest) > 1
    assert all(LONGEST_PAUSE_SECONDS / 2 <= pause <= LONGEST_PAUSE_SECONDS for pause in longest)


def test_patience_ends_when_it_was_said_to(clock: Clock) -> None:
    proxy = AwayProxy(1000)
    with pytest.raises(UnreachableError, match="away"):
        make_patience(proxy, clock, 12.0).call("info", pack)
    assert clock.now == pytest.approx(112.0)
    assert len(proxy.calls) > 5


def test_without_patience_there_is_one_attempt(clock: Clock) -> None:
    proxy, lost = AwayProxy(1), list[UnreachableError]()
    with pytest.raises(UnreachableError):
        make_patience(proxy, clock, 0.0, lost).call("info", pack)
    assert len(proxy.calls) == 1
    assert (lost, clock.pauses) == ([], [])


def test_each_call_has_its_own_patience(clock: Clock) -> None:
    proxy = AwayProxy(3)
    patience = make_patience(proxy, clock, 10.0)
    patience.call("info", pack)
    clock.now += 1000
    proxy.calls.clear()
    assert patience.call("info", pack) == "answer"


def test_being_told_to_stop_ends_the_trying(clock: Clock) -> None:
    clock.stopped = True
    proxy = AwayProxy(1000)
    with pytest.raises(UnreachableError):
        make_patience(proxy, clock, 60).call("info", pack)
    assert len(proxy.calls) == 1


def test_after_closing_nothing_is_tried(clock: Clock) -> None:
    clock.closed.set()
    proxy = AwayProxy(1000)
    with pytest.raises(ClosedError):
        make_patience(proxy, clock, 60).call("info", pack)
    assert proxy.calls == []


@pytest.mark.parametrize(
    "error", [KeyRefusedError(), ProtocolError(), UnknownJobError()], ids=lambda error: error.code
)
def test_what_trying_again_does_not_help_is_final_at_once(
    clock: Clock, error: HeadraceError
) -> None:
    proxy = AwayProxy(1, error)
    with pytest.raises(type(error)):
        make_patience(proxy, clock, 60).call("info", pack)
    assert len(proxy.calls) == 1


def test_the_callers_limit_ends_the_trying_and_each_attempt_has_what_is_left(clock: Clock) -> None:
    proxy = AwayProxy(1000)
    with pytest.raises(UnreachableError), Limit.after(2.0).applied():
        make_patience(proxy, clock, 600).call("info", pack, Poll())
    assert clock.now == pytest.approx(102.0)
    left = [arguments[0].wait_seconds for _, arguments in proxy.calls]
    assert left[0] == pytest.approx(2.0)
    assert left[-1] == 0.0
    assert left == sorted(left, reverse=True)
    assert set(proxy.until) == {102.0 + LOOK_SECONDS}


def test_a_call_without_time_looks_again_once_as_its_connection_may_be_an_old_one(
    clock: Clock,
) -> None:
    proxy = AwayProxy(1)
    with Limit.after(0).applied():
        assert make_patience(proxy, clock, 600).call("info", pack) == "answer"
    away = AwayProxy(1000)
    with pytest.raises(UnreachableError), Limit.after(0).applied():
        make_patience(away, clock, 600).call("info", pack)
    assert (len(away.calls), clock.now) == (2, 100.0)


def test_a_limit_is_never_longer_than_that_of_the_caller_above(clock: Clock) -> None:
    proxy = AwayProxy(1000)
    with pytest.raises(UnreachableError), Limit.after(1).applied(), Limit.after(50).applied():
        make_patience(proxy, clock, 600).call("info", pack)
    assert clock.now == pytest.approx(101.0)
