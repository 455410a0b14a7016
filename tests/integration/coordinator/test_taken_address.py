"""A coordinator whose address is in use."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.settings import CoordinatorSettings
from headrace_coordinator.store.locks import LOCK_NAME
from headrace_wire.address import Address
from headrace_wire.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

ANYWHERE = Address("127.0.0.1", 0)


@pytest.mark.parametrize("is_http", [False, True])
def test_it_leaves_no_keys_and_no_store_behind(tmp_path: Path, is_http: bool) -> None:
    data = tmp_path / "data"
    what = "cannot serve HTTP at" if is_http else "cannot serve at"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = Address(*listener.getsockname())
        bind, http = (ANYWHERE, taken) if is_http else (taken, ANYWHERE)
        settings = CoordinatorSettings(data, data / "key", bind, http=http)
        with pytest.raises(UsageError, match=f"{what} {taken}: something serves there already"):
            Coordinator(settings)
    assert [file.name for file in data.iterdir()] == [LOCK_NAME]
