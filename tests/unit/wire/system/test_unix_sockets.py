"""The file of a Unix socket: its owner's alone, and there as long as somebody listens."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from headrace_wire.acceptor import listen, read_bound
from headrace_wire.address import Address
from headrace_wire.errors import UsageError
from headrace_wire.system.unix_sockets import MAX_PATH_BYTES, UnixListener, fits


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path that is short, wherever the tests' folders are."""
    monkeypatch.chdir(tmp_path)
    return Path("a socket")


def test_its_owner_alone_may_connect_and_it_goes_when_it_is_closed(path: Path) -> None:
    before = os.umask(0)
    try:
        listener = UnixListener(str(path), 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    connect(path)
    listener.close()
    listener.close()
    assert not path.exists()


def test_what_a_killed_process_left_is_taken_over(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    with UnixListener(str(path), 1):
        connect(path)
    assert not path.exists()


def test_one_that_is_in_use_and_other_files_are_left_alone(path: Path) -> None:
    with UnixListener(str(path), 1):
        with pytest.raises(OSError, match="Address already in use"):
            UnixListener(str(path), 1)
        connect(path)
    path.write_text("precious", encoding="ascii")
    with pytest.raises(OSError, match="there is another file of that name"):
        UnixListener(str(path), 1)
    assert path.read_text("ascii") == "precious"


def test_the_file_of_a_successor_is_left_alone(path: Path) -> None:
    first = UnixListener(str(path), 1)
    path.unlink()
    with UnixListener(str(path), 1):
        first.close()
        connect(path)


def test_what_keeps_a_coordinator_from_listening_is_told_in_one_line(tmp_path: Path) -> None:
    for name, why in (("x" * 200, "too long"), ("missing/socket", "No such file or directory")):
        with pytest.raises(UsageError) as caught:
            listen(Address(str(tmp_path / name), 0), 1, "")
        assert f"cannot serve at unix:{tmp_path}" in caught.value.message
        assert why in caught.value.message


def test_the_bound_address_is_the_path(path: Path) -> None:
    with UnixListener(str(path), 1) as listener:
        assert read_bound(listener) == Address(str(path), 0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert read_bound(server).port > 0


def test_what_fits_is_counted_in_bytes() -> None:
    assert fits("/" + "x" * (MAX_PATH_BYTES - 1))
    assert not fits("/" + "x" * MAX_PATH_BYTES)
    assert not fits("/" + "ä" * (MAX_PATH_BYTES // 2 + 1))
