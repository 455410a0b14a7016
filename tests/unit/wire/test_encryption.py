"""When a client speaks TLS, and with what key."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest

from headrace_wire import encryption
from headrace_wire.encryption import (
    LOOPBACK_SECONDS,
    PLAIN_SECONDS,
    Encryption,
    choose_encryption,
    is_loopback,
)
from headrace_wire.errors import UsageError
from headrace_wire.handshake import CHALLENGE, DIGEST, StrangerError, answer_challenge
from headrace_wire.tls import ServerTls, bind_key, read_certificate
from support.certificates import make_tls
from support.wire_server import KEY

if TYPE_CHECKING:
    from pathlib import Path

THERE = ("coordinator", 7333)


@pytest.fixture(autouse=True)
def nobody_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "_spoken", {})


@pytest.mark.parametrize(
    ("mode", "is_near", "seconds"),
    [
        ("auto", False, 0.0),
        ("auto", True, LOOPBACK_SECONDS),
        ("on", True, 0.0),
        ("off", False, None),
        ("off", True, None),
    ],
)
def test_how_long_a_client_listens_before_it_speaks_tls(
    mode: str, is_near: bool, seconds: float | None
) -> None:
    chosen = choose_encryption(mode)
    assert chosen.measure_listening(THERE, is_near=is_near) == seconds


@pytest.mark.parametrize(("spoken", "seconds"), [(True, 0.0), (False, PLAIN_SECONDS)])
def test_what_a_coordinator_spoke_is_remembered(spoken: bool, seconds: float) -> None:
    Encryption().note(THERE, is_encrypted=spoken)
    for is_near in (False, True):
        assert Encryption().measure_listening(THERE, is_near=is_near) == seconds
    assert Encryption("off").measure_listening(THERE, is_near=False) is None
    assert Encryption("on").measure_listening(THERE, is_near=False) == 0.0


def test_a_mode_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="auto, on, off: 'yes'"):
        choose_encryption("yes")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "fe80::1", "::ffff:10.0.0.1", ""])
def test_what_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_the_key_is_bound_to_the_certificate() -> None:
    certificate = make_tls().certificate
    digest = hashlib.sha256(certificate).digest()
    assert bind_key(KEY, certificate) == hmac.new(KEY, digest, "sha256").digest()
    assert Encryption().bind(KEY, certificate) == bind_key(KEY, certificate)
    assert Encryption().bind(KEY, None) == KEY
    assert bind_key(KEY, make_tls("another").certificate) != bind_key(KEY, certificate)


def test_no_answer_to_a_challenge_is_a_bound_key() -> None:
    """Whoever makes certificates until a digest looks like a challenge gets no answer to it."""
    digest = DIGEST + bytes(24)
    steps = answer_challenge(KEY)
    assert next(steps) is None
    with pytest.raises(StrangerError):
        steps.send(CHALLENGE + digest)


def test_what_is_no_certificate_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    with pytest.raises(UsageError, match=r"certificate .* cannot be read: No such file"):
        read_certificate(path)
    for content in (b"", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="it holds no certificate in PEM"):
            read_certificate(path)


def test_a_certificate_without_its_private_key_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    path.write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", encoding="ascii"
    )
    with pytest.raises(UsageError, match=r"cannot be used .*: both are PEM files") as caught:
        ServerTls(path, path)
    assert "\n" not in caught.value.message
