"""The coordinator's own certificate."""

from __future__ import annotations

import logging
import os
import re
import shlex
import stat
from typing import TYPE_CHECKING

import pytest

from headrace_coordinator.certificate import choose_tls, ensure_certificate
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.errors import KeyRefusedError, StoreError, UsageError
from headrace_wire.tls import ServerTls
from support.full_disk import fill_disk

if TYPE_CHECKING:
    from pathlib import Path

    from headrace_wire.encryption import TlsMode

EVERYWHERE, LOOPBACK = Address("0.0.0.0", 7333), Address("127.0.0.1", 7333)


def choose(folder: Path, tls: TlsMode, bound: Address) -> ServerTls | None:
    return choose_tls(CoordinatorSettings(folder, folder / "key", tls=tls), bound)


def test_a_certificate_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = ensure_certificate(tmp_path / "state")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    made = path.read_bytes()
    assert ensure_certificate(tmp_path / "state").read_bytes() == made
    assert [entry.name for entry in path.parent.iterdir()] == ["certificate.pem"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o602])
def test_a_private_key_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = ensure_certificate(tmp_path)
    path.chmod(mode)
    advice = re.escape(f": chmod 600 {shlex.quote(str(path))}")
    with pytest.raises(KeyRefusedError, match=f"^.*{advice}$"):
        choose(tmp_path, "on", LOOPBACK)


def test_connections_from_other_machines_are_encrypted(tmp_path: Path) -> None:
    assert choose(tmp_path, "auto", LOOPBACK) is None
    assert not list(tmp_path.iterdir()), "nothing is made that is not needed"
    made = choose(tmp_path, "auto", EVERYWHERE)
    again = choose(tmp_path, "on", LOOPBACK)
    assert made
    assert again
    assert made.certificate == again.certificate


def test_what_it_means_to_be_off_is_said_where_others_can_connect(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert choose(tmp_path, "off", LOOPBACK) is None
    assert not caplog.records
    assert choose(tmp_path, "off", EVERYWHERE) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "reads all that they send" in record.getMessage()


def test_a_certificate_that_cannot_be_made_or_read_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"certificate .* cannot be made \(.*--key-file"):
        ensure_certificate(tmp_path / "file")
    (tmp_path / "certificate.pem").write_text("nothing", encoding="ascii")
    with pytest.raises(UsageError, match=r"certificate .* cannot be read"):
        choose(tmp_path, "on", LOOPBACK)


def test_a_certificate_for_which_there_is_no_room_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(monkeypatch)
    with pytest.raises(StoreError, match=rf"as its disk is full .* on the disk of {tmp_path}$"):
        ensure_certificate(tmp_path)
