"""Links that log in to the page."""

from __future__ import annotations

import time

import pytest

from headrace_wire.address import Address
from headrace_wire.page_links import (
    is_elsewhere,
    make_link_token,
    opens_with,
    reach_page,
    read_link_role,
)

KEY, OTHER = b"k" * 64, b"o" * 64


def test_a_link_opens_with_its_key_alone_and_tells_nothing_of_it() -> None:
    token = make_link_token(KEY, 60.0)
    assert opens_with(token, KEY)
    assert not opens_with(token, OTHER)
    assert KEY.decode() not in token
    assert read_link_role(token) is None


def test_a_link_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    token = make_link_token(KEY, 60.0)
    now += 59.0
    assert opens_with(token, KEY)
    now += 2.0
    assert not opens_with(token, KEY)


def test_nothing_of_a_link_can_be_changed() -> None:
    token = make_link_token(KEY, 60.0, looks_only=True)
    assert read_link_role(token) == "observer"
    mark, role, until, signature = token.split(".")
    for changed in (
        f"{mark}..{until}.{signature}",
        f"{mark}.{role}.{int(until) + 9}.{signature}",
        f"{mark}.{role}.{until}.{signature[:-1]}",
        token[1:],
        "",
        "...",
        "é.é",
        "\udcff",
    ):
        assert not opens_with(changed, KEY)


@pytest.mark.parametrize(
    ("page", "coordinator", "reached", "elsewhere"),
    [
        ("http://127.0.0.1:7380", Address("127.0.0.1", 1), "http://127.0.0.1:7380", False),
        ("http://127.0.0.1:7380", Address("10.0.0.1", 1), "http://127.0.0.1:7380", True),
        ("http://0.0.0.0:80", Address("10.0.0.1", 1), "http://10.0.0.1:80", False),
        ("http://[::]:80", Address("fe80::1", 1), "http://[fe80::1]:80", False),
        ("https://[::]:80", Address("/run/it.sock", 0), "https://127.0.0.1:80", False),
        ("http://10.0.0.2:80", Address("10.0.0.1", 1), "http://10.0.0.2:80", False),
    ],
)
def test_the_page_is_where_the_coordinator_is(
    page: str, coordinator: Address, reached: str, *, elsewhere: bool
) -> None:
    assert reach_page(page, coordinator) == reached
    assert is_elsewhere(page, coordinator) is elsewhere
