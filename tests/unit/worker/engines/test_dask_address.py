"""Where a Dask scheduler is, as people write it."""

from __future__ import annotations

import pytest

from headrace_wire.errors import UsageError
from headrace_worker.engines.dask_address import complete_address


def test_an_address_gets_what_it_lacks() -> None:
    assert complete_address("host") == "tcp://host:8786"
    assert complete_address("host:65535") == "tcp://host:65535"
    assert complete_address("tls://host:1") == "tls://host:1"
    assert complete_address("[::1]") == "tcp://[::1]:8786"


@pytest.mark.parametrize(
    "wrong", [":8786", "host:", "host:x", "tcp://", "host:-1", "/host", "a host:1"]
)
def test_what_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="is no address of a Dask scheduler: write HOST:8786"):
        complete_address(wrong)


@pytest.mark.parametrize("port", ["0", "65536", "99999", "9" * 5000])
def test_a_port_that_there_cannot_be_is_refused(port: str) -> None:
    with pytest.raises(UsageError, match="a port is a number from 1 to 65535"):
        complete_address(f"127.0.0.1:{port}")
