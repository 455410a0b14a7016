"""Which versions work together, and what is said of those that do not."""

from __future__ import annotations

import pytest

from headrace_wire.compatibility import check_coordinator, check_peer
from headrace_wire.errors import ProtocolError
from headrace_wire.version import PROTOCOL


@pytest.mark.parametrize(
    ("own", "other", "order"),
    [
        ("0.2.0", "0.2.0", 0),
        ("0.2.0", "0.2.9", 0),
        ("0.2.0", "0.3.0", 1),
        ("0.2.5", "0.3.0rc1", 1),
        ("0.3.1", "0.2.5", -1),
        ("0.9.0", "0.10.0", 1),
        ("1.4.0.dev3", "1.3.0+local", -1),
        ("0.2.0", "unknown", 0),
        ("0.2.0", None, 0),
    ],
)
def test_versions_that_are_one_minor_version_apart_work_together(
    own: str, other: object, order: int
) -> None:
    assert check_peer(PROTOCOL, other, own=own) == order
    assert check_coordinator(PROTOCOL, other, own=own) == order


@pytest.mark.parametrize(
    ("protocol", "own", "other", "advice"),
    [
        (PROTOCOL, "0.2.0", "0.4.0", "upgrade the coordinator first, then workers, then clients"),
        (PROTOCOL, "0.9.0", "1.0.0", "upgrade the coordinator first, then workers, then clients"),
        (PROTOCOL, "0.4.0", "0.2.9", "upgrade that client or worker, which is too old"),
        (PROTOCOL, "1.0.0", "0.9.0", "upgrade that client or worker, which is too old"),
        (PROTOCOL + 1, "0.2.0", "0.3.0", "upgrade the coordinator first"),
        (PROTOCOL - 2, "0.2.0", "0.1.0", "upgrade that client or worker"),
        ("six", "0.2.0", "0.2.0", "install one version on both"),
    ],
)
def test_what_a_coordinator_says_of_others(
    protocol: object, own: str, other: str, advice: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_peer(protocol, other, own=own)
    line = str(caught.value)
    assert f"speaks protocol {protocol} (headrace {other})" in line
    assert f"the coordinator {PROTOCOL} (headrace {own})" in line
    assert advice in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("own", "other", "advice"),
    [
        ("0.2.0", "0.4.0", "upgrade this side, which is too old for this coordinator"),
        ("0.4.0", "0.2.0", "upgrade the coordinator first, then workers, then clients"),
    ],
)
def test_what_a_client_says_of_a_coordinator(own: str, other: str, advice: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_coordinator(PROTOCOL, other, own=own)
    line = str(caught.value)
    assert f"this side speaks protocol {PROTOCOL} (headrace {own}), the coordinator" in line
    assert f"{PROTOCOL} (headrace {other})" in line
    assert advice in line


@pytest.mark.parametrize("version", ["0.4.0\n\x1b[31m" * 50, ["0", "4"], b"\x00"])
def test_what_a_peer_says_of_itself_makes_one_short_line(version: object) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_peer(PROTOCOL + 1, version)
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 400
