"""Peers that hold the key and are slow: what they leave half done ends, and harms no others."""

from __future__ import annotations

import contextlib
import struct
from collections import Counter
from collections.abc import Iterator

import pytest

from headrace_wire import guard, meter
from headrace_wire.guard import Guard
from headrace_wire.messages.results import Fetched, FetchRequest, ResultSpan
from headrace_wire.meter import Pace
from support.commands import wait_until
from support.wire_calls import make_frame, open_session, read_frame, sending
from support.wire_messages import make_message
from support.wire_peer import read_to_end
from support.wire_server import Served, serve

MEBIBYTE = 1 << 20


@pytest.fixture
def refused() -> Counter[str]:
    return Counter()


@pytest.fixture
def served(refused: Counter[str]) -> Iterator[Served]:
    with serve(on_refused=lambda reason: refused.update([reason])) as served:
        yield served


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transfers are looked at often, and stand still for no more than a moment."""
    monkeypatch.setattr(meter, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(guard, "PATIENT", Pace(0.3, 60.0, 1.0))


@pytest.fixture
def small_guard(served: Served, monkeypatch: pytest.MonkeyPatch) -> Guard:
    """There is room for 4 MiB of frames, and of answers."""
    monkeypatch.setattr(meter, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(guard, "HURRIED", Pace(0.1, 60.0, 1.0))
    small = served.server._guard = Guard(4 * MEBIBYTE)
    return small


def test_half_a_frame_that_stands_still_ends_and_an_idle_connection_does_not(
    served: Served, refused: Counter[str], short_patience: None
) -> None:
    call = make_frame("jobs", "put", "job", 0, bytes(MEBIBYTE))
    with open_session(served, "jobs") as idle, open_session(served, "jobs") as half:
        half.sendall(call[:-1])
        assert read_to_end(half) == b""
        idle.sendall(call)
        assert read_frame(idle)
    assert refused == {"stalled": 1}


def test_an_answer_that_nobody_reads_ends(
    served: Served, refused: Counter[str], short_patience: None
) -> None:
    answer = make_message(Fetched, runs=(ResultSpan(0, 1, bytes(64 * MEBIBYTE)),))
    served.results.answers["fetch"] = lambda _: answer
    with open_session(served, "results") as slow:
        slow.sendall(make_frame("results", "fetch", make_message(FetchRequest)))
        wait_until(lambda: refused["stalled"] == 1)
        wait_until(lambda: served.count_connections() == 0)


def test_a_transfer_that_creeps_ends(
    served: Served, refused: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(guard, "PATIENT", Pace(20.0, 0.3, MEBIBYTE))
    with open_session(served, "jobs") as creeping:
        creeping.sendall(struct.pack("!i", MEBIBYTE))
        creeping.settimeout(0.02)
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                creeping.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if not creeping.recv(1):
                        break
    assert refused == {"stalled": 1}


def test_many_half_frames_take_no_more_memory_than_there_is_for_all(
    served: Served, refused: Counter[str], small_guard: Guard
) -> None:
    call = make_frame("jobs", "put", "job", 0, bytes(3 * MEBIBYTE))
    assert len(call) < 4 * MEBIBYTE
    with contextlib.ExitStack() as stack:
        halves = [stack.enter_context(open_session(served, "jobs")) for _ in range(8)]
        for half in halves:
            half.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                half.send(call[: 2 * MEBIBYTE])
        wait_until(lambda: small_guard.arriving.is_short)
        assert served.dial_jobs().info(), "short frames need no room"
        assert small_guard.arriving.total <= 4 * MEBIBYTE + len(call)
        with open_session(served, "jobs") as honest:
            honest.sendall(call)
            assert read_frame(honest), "those that stand still give way"
    assert refused["stalled"] >= 1
    wait_until(lambda: small_guard.arriving.total == 0)


def test_frames_that_have_to_wait_for_room_come_whole(served: Served, small_guard: Guard) -> None:
    call = make_frame("jobs", "put", "job", 0, bytes(3 * MEBIBYTE))
    with contextlib.ExitStack() as stack:
        honest = [stack.enter_context(open_session(served, "jobs")) for _ in range(6)]
        for sock in honest:
            stack.enter_context(sending(sock, call))
        assert all(read_frame(sock) for sock in honest)
    assert [method for method, _ in served.jobs.calls] == ["put"] * 6
    wait_until(lambda: small_guard.arriving.total == 0)


def test_answers_wait_while_others_have_not_been_read(
    served: Served, refused: Counter[str], small_guard: Guard
) -> None:
    answer = make_message(Fetched, runs=(ResultSpan(0, 1, bytes(32 * MEBIBYTE)),))
    served.results.answers["fetch"] = lambda _: answer
    call = make_frame("results", "fetch", make_message(FetchRequest))
    with contextlib.ExitStack() as stack:
        slow = stack.enter_context(open_session(served, "results"))
        slow.sendall(call)
        wait_until(lambda: small_guard.leaving.total > 4 * MEBIBYTE)
        honest = stack.enter_context(open_session(served, "results"))
        honest.sendall(call)
        assert read_frame(honest) > 32 * MEBIBYTE, "who does not read gives way"
    assert refused == {"stalled": 1}
    wait_until(lambda: small_guard.leaving.total == 0)


def test_when_there_is_room_again_not_all_that_waited_answer_at_once(
    served: Served, small_guard: Guard
) -> None:
    held: list[int] = []

    def fetch(_: object) -> Fetched:
        held.append(small_guard.leaving.total)
        return make_message(Fetched, runs=(ResultSpan(0, 1, bytes(16 * MEBIBYTE)),))

    served.results.answers["fetch"] = fetch
    call = make_frame("results", "fetch", make_message(FetchRequest))
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(open_session(served, "results")).sendall(call)
        wait_until(lambda: len(held) == 6)
    assert max(held) <= guard.EXPECTED_BYTES, "no other answer is there, as each exceeds all"
