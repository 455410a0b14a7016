"""What the log says of refused connections: little, whatever happens."""

from __future__ import annotations

from headrace_wire.refusal_log import (
    HANDSHAKE,
    KEY,
    LINE_SECONDS,
    MOST_ADDRESSES,
    PENDING,
    RefusalLog,
)


def test_the_first_is_told_at_once_and_the_rest_in_one_line() -> None:
    book = RefusalLog()
    assert book.note("10.0.0.7", KEY, 0.0)
    told = [book.note("10.0.0.7", KEY if at % 10 else PENDING, at / 100) for at in range(4000)]
    assert not any(told)
    assert book.collect(LINE_SECONDS - 1) == []
    (line,) = book.collect(LINE_SECONDS)
    assert line == (
        "refused 4,000 connections from 10.0.0.7 within 60 seconds: 3,600 did not hold the key, "
        "400 gave way to newer ones before the handshake was over"
    )


def test_who_goes_on_gets_one_line_a_minute_and_who_stops_is_forgotten() -> None:
    book = RefusalLog()
    assert book.note("10.0.0.7", KEY, 0.0)
    lines = 0
    for second in range(1, 601):
        assert not book.note("10.0.0.7", HANDSHAKE, float(second))
        lines += len(book.collect(float(second)))
    assert lines == 10
    assert book.collect(700.0) == []
    assert book.find_due() is None
    assert book.note("10.0.0.7", KEY, 701.0)


def test_many_addresses_share_a_line() -> None:
    book = RefusalLog()
    told = [book.note(f"2001:db8::{number:x}", KEY, 1.0) for number in range(1000)]
    assert sum(told) == MOST_ADDRESSES
    (line,) = book.collect(LINE_SECONDS + 1)
    assert "from other addresses within" in line


def test_all_that_is_left_can_be_told_at_once() -> None:
    book = RefusalLog()
    book.note("10.0.0.7", KEY, 0.0)
    book.note("10.0.0.7", KEY, 1.0)
    assert book.find_due() == LINE_SECONDS
    assert book.collect(2.0, at_once=True) == [
        "refused 1 connection from 10.0.0.7 within 2 seconds: 1 did not hold the key"
    ]
