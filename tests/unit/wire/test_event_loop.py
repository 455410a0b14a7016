"""The event loop is uvloop's where it can be imported, and asyncio's elsewhere."""

from __future__ import annotations

import asyncio
import sys

import pytest

from headrace_wire.event_loop import make_event_loop, run


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
