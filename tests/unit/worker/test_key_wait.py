"""A worker whose key has not been made yet."""

from __future__ import annotations

import signal
import socket
import threading
from pathlib import Path

import pytest

from headrace_wire.address import Address
from headrace_wire.errors import UnreachableError
from headrace_worker.key_wait import wait_for_key
from headrace_worker.settings import WorkerSettings


def make_settings(folder: Path, address: Address, give_up_seconds: float) -> WorkerSettings:
    return WorkerSettings(address, folder / "key", give_up_seconds=give_up_seconds)


def find_free_address() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return Address("127.0.0.1", free.getsockname()[1])


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What it logs."""
    told: list[str] = []
    monkeypatch.setattr(
        "headrace_worker.key_wait.log.warning", lambda text, *values: told.append(text % values)
    )
    return told


def test_a_key_that_is_there_is_not_waited_for(tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "key").touch()
    assert wait_for_key(make_settings(tmp_path, find_free_address(), 0.0))
    assert lines == []


def test_it_waits_for_the_key_and_says_so_once(tmp_path: Path, lines: list[str]) -> None:
    address = find_free_address()
    maker = threading.Timer(0.3, (tmp_path / "key").touch)
    maker.start()
    assert wait_for_key(make_settings(tmp_path, address, 60.0))
    maker.join()
    assert len(lines) == 1
    assert f"no key is at {tmp_path / 'key'} yet; trying for 60 s" in lines[0]


def test_where_somebody_serves_no_key_will_come(tmp_path: Path, lines: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address("127.0.0.1", server.getsockname()[1])
        assert wait_for_key(make_settings(tmp_path, address, 60.0))
    assert lines == []


def test_it_gives_up_after_its_time(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no coordinator answers"):
        wait_for_key(make_settings(tmp_path, find_free_address(), 0.0))


def test_a_signal_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "headrace_worker.key_wait.log.warning", lambda *_: signal.raise_signal(signal.SIGTERM)
    )
    assert not wait_for_key(make_settings(tmp_path, find_free_address(), 60.0))
