"""Where an embedded cluster's coordinator listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.child import place
from headrace.child.orders import Order
from headrace.child.place import choose_address, remove_folders
from headrace_wire.address import Address


def test_it_is_the_clusters_own_folder() -> None:
    assert choose_address(Path("/tmp/a b\n")) == Address("/tmp/a b\n/socket", 0)


def test_it_is_a_short_folder_where_the_path_is_too_long_and_that_goes_too(
    tmp_path: Path,
) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    address = choose_address(long)
    short = Path(address.host).parent
    assert short.is_dir()
    assert short.parent != long
    assert short.stat().st_mode & 0o777 == 0o700
    remove_folders(Order(str(long), str(address)))
    assert not short.exists()
    assert not long.exists()


def test_it_is_a_port_where_there_can_be_no_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "SHORT_PLACES", (str(tmp_path / "missing"),))
    assert choose_address(tmp_path / ("x" * 120)) == Address("127.0.0.1", 0)
    monkeypatch.setattr(place, "HAS_UNIX_SOCKETS", False)
    assert choose_address(Path("/tmp/x")) == Address("127.0.0.1", 0)
