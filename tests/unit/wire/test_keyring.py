"""Keys of roles are derived from the coordinator's own, and lie beside it."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import stat
from typing import TYPE_CHECKING

import pytest

from headrace_wire.key import load_key
from headrace_wire.keyring import derive_key, derive_keys, name_role_file, write_role_files
from headrace_wire.roles import DERIVED_ROLES, ROLES

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32)).hex().encode()
ANOTHER_KEY = bytes(range(1, 33)).hex().encode()


def read_files(path: Path) -> dict[str, bytes]:
    return {role: load_key(name_role_file(path, role)) for role in DERIVED_ROLES}


def test_each_role_has_a_key_and_no_two_are_alike() -> None:
    assert sorted(holder.role for holder in derive_keys(KEY).values()) == sorted(ROLES)
    assert len({*derive_keys(KEY), *derive_keys(ANOTHER_KEY)}) == 2 * len(ROLES)


def test_a_role_s_key_is_a_keyed_digest_of_its_name() -> None:
    digest = hmac.new(KEY, b"headrace role worker", hashlib.sha256).hexdigest()
    assert derive_key(KEY, "worker") == digest.encode()


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_files_are_their_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_role_files(tmp_path / "key", KEY)
    finally:
        os.umask(before)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "client.key",
        "observer.key",
        "worker.key",
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert read_files(tmp_path / "key") == {role: derive_key(KEY, role) for role in DERIVED_ROLES}


def test_files_follow_the_key_and_stay_while_it_does(tmp_path: Path) -> None:
    write_role_files(tmp_path / "key", KEY)
    before = (tmp_path / "worker.key").stat()
    write_role_files(tmp_path / "key", KEY)
    assert (tmp_path / "worker.key").stat().st_ino == before.st_ino
    write_role_files(tmp_path / "key", ANOTHER_KEY)
    assert read_files(tmp_path / "key")["worker"] == derive_key(ANOTHER_KEY, "worker")


def test_what_is_no_key_of_a_role_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = "-----BEGIN PRIVATE KEY-----\n"
    (tmp_path / "client.key").write_text(certificate)
    with caplog.at_level(logging.WARNING):
        write_role_files(tmp_path / "key", KEY)
    assert (tmp_path / "client.key").read_text() == certificate
    assert "role client cannot be written" in caplog.text
    assert load_key(tmp_path / "worker.key") == derive_key(KEY, "worker")


def test_a_folder_that_takes_no_files_is_told_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        write_role_files(tmp_path / "file" / "key", KEY)
    assert caplog.text.count("cannot be written") == len(DERIVED_ROLES)
