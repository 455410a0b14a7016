"""The event loop is uvloop's where it can be imported, and asyncio's elsewhere."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

import pytest

from headrace_wire.system.event_loop import handle_stop_signals, make_event_loop, run
from headrace_wire.system.signals import STOP_SIGNALS


async def name_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_uvloop_is_used_where_it_is_installed() -> None:
    pytest.importorskip("uvloop")
    assert run(name_loop()).startswith("uvloop")


def test_without_uvloop_the_standard_loop_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)  # an import of it fails
    assert run(name_loop()).startswith("asyncio")
    loop = make_event_loop()
    loop.close()


def test_what_the_coroutine_raises_is_raised() -> None:
    async def fail() -> None:
        raise LookupError("this one")

    with pytest.raises(LookupError, match="this one"):
        run(fail())


@pytest.mark.parametrize("make", [asyncio.new_event_loop, make_event_loop])
def test_signals_are_heeded_for_a_while_and_mean_afterwards_what_they_did(
    make: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def start_in_vain() -> None:
        with handle_stop_signals(noted.append):
            for number in STOP_SIGNALS:
                signal.raise_signal(number)
            await asyncio.sleep(0.01)
            raise OSError("the address is taken")

    noted: list[signal.Signals] = []
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    with asyncio.Runner(loop_factory=make) as runner, pytest.raises(OSError, match="taken"):
        runner.run(start_in_vain())
    assert sorted(noted) == sorted(STOP_SIGNALS)
    assert {number: signal.getsignal(number) for number in STOP_SIGNALS} == before


def test_signals_that_are_ignored_are_left_alone() -> None:
    async def work() -> None:
        with handle_stop_signals(noted.append):
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0.01)

    noted: list[signal.Signals] = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run(work())
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert noted == [signal.SIGTERM]
