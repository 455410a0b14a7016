from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_wire.address import MAX_PATH_BYTES, Address, check_endpoint, parse_address
from headrace_wire.errors import BoundsError, UsageError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("coordinator:7333", Address("coordinator", 7333)),
        ("coordinator", Address("coordinator", 7333)),
        ("my_app-coordinator_1:80", Address("my_app-coordinator_1", 80)),
        ("10.0.0.5:1", Address("10.0.0.5", 1)),
        ("example.org.:65535", Address("example.org.", 65535)),
        (":8000", Address("127.0.0.1", 8000)),
        ("localhost:0", Address("localhost", 0)),
        ("::1", Address("::1", 7333)),
        ("[::1]", Address("::1", 7333)),
        ("[::1]:99", Address("::1", 99)),
        ("[fe80::1%eth0]:99", Address("fe80::1%eth0", 99)),
        ("unix:/run/headrace", Address("/run/headrace", 0)),
        ("unix://run/a b:c\n\udcff", Address("/run/a b:c\n\udcff", 0)),
        ("unix:/run/../tmp/./x", Address("/tmp/x", 0)),
    ],
)
def test_an_address_is_read_as_people_write_it(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "host:",
        "host:port",
        "host:65536",
        "host:-1",
        "host:1.5",
        "host: 80",
        "host:٣",
        "host:" + "9" * 5000,
        "http://host:7333",
        "tcp://host",
        "host/path",
        "two words",
        "a..b",
        "user@host",
        "host:1:2",
        "[host]:80",
        "[::1",
        "::1]:80",
        "[::1]80",
        "[]:80",
        "host\n",
        "host\0",
        "2",
        "7333:7333",
        "unix:",
        "unix:/",
        "unix:/run/",
        "unix:/run\0",
    ],
)
def test_anything_else_is_refused_in_one_line_that_quotes_it(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_relative_path_is_that_of_the_present_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    address = parse_address("unix:a socket")
    assert address == Address(str(tmp_path / "a socket"), 0)
    assert address.is_unix
    assert str(address) == f"unix:{tmp_path}/a socket"
    assert parse_address(str(address)) == address


def test_the_default_port_is_the_callers() -> None:
    assert parse_address("host", 7380) == Address("host", 7380)


@given(st.sampled_from(["a", "10.0.0.1", "::1", "2001:db8::5"]), st.integers(0, 65535))
def test_an_address_is_written_as_it_is_read(host: str, port: int) -> None:
    address = Address(host, port)
    assert parse_address(str(address)) == address


@given(st.text(alphabet="a1.:[]-%/ ", max_size=12))
def test_no_text_is_more_than_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except UsageError:
        return
    assert address.host
    assert 0 <= address.port <= 65535


def test_a_path_that_no_unix_socket_can_have_is_refused() -> None:
    longest = "unix:/" + "x" * (MAX_PATH_BYTES - 1)
    assert str(parse_address(longest)) == longest
    with pytest.raises(UsageError, match=f"up to {MAX_PATH_BYTES} bytes, and this one .* shorter"):
        parse_address(longest + "x")


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("coordinator", 7333),
        ("my_app-coordinator_1", 1),
        ("10.0.0.5", 65535),
        ("::1", 7333),
        ("fe80::1%eth0", 99),
        ("localhost", np.int64(7333)),
    ],
)
def test_a_host_and_a_port_are_an_address(host: str, port: Any) -> None:
    address = check_endpoint((host, port))
    assert type(address) is Address
    assert type(address.port) is int
    assert address == (host, port)
    assert parse_address(str(address)) == address


def test_an_address_that_was_read_before_stays_as_it_is() -> None:
    for address in (Address("/run/headrace", 0), Address("localhost", 0)):
        assert check_endpoint(address) is address


@pytest.mark.parametrize(
    ("pair", "kind", "told"),
    [
        (("host", 0), BoundsError, "port of an address must be a number from 1 to 65535, not 0"),
        (("host", 65536), BoundsError, "port of an address must be a number from 1 to 65535"),
        (("host", -1), BoundsError, "port of an address must be a number from 1 to 65535, not -1"),
        (("host", True), TypeError, "port of an address must be a whole number, not True"),
        (("host", "7333"), TypeError, "port of an address must be a whole number, not '7333'"),
        (("host", 7333.5), TypeError, "port of an address must be a whole number, not 7333.5"),
        (("host", None), TypeError, "port of an address must be a whole number, not None"),
        ((b"host", 7333), TypeError, "host of an address must be text, not bytes"),
        ((None, 7333), TypeError, "host of an address must be text, not NoneType"),
        (("", 7333), UsageError, "'' is no host: give a name or an IP address"),
        (("host:80", 7333), UsageError, "'host:80' is no host: give a name or an IP address"),
        (("[::1]", 7333), UsageError, "is no host: give a name or an IP address"),
        (("unix:/run/x", 7333), UsageError, "is no host: give a name or an IP address"),
        (("/run/x", 7333), UsageError, "is no host: give a name or an IP address"),
        (("two words", 7333), UsageError, "is no host: give a name or an IP address"),
        (("host\n", 7333), UsageError, "is no host: give a name or an IP address"),
        (("host",), TypeError, "address must be a tuple of host and port, not of 1 value"),
        ((), TypeError, "address must be a tuple of host and port, not of 0 values"),
        (("::1", 7333, 0, 0), TypeError, "a tuple of host and port, not of 4 values"),
    ],
)  # fmt: skip
def test_another_host_or_port_is_refused(
    pair: tuple[Any, ...], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind) as caught:
        check_endpoint(pair)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
