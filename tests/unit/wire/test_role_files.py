"""Keys of roles lie beside the coordinator's own, and in folders of their names."""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING

import pytest

from headrace_wire.errors import UsageError
from headrace_wire.key import load_key
from headrace_wire.keyring import derive_key, name_role_file
from headrace_wire.role_files import own_role_folders, write_role_files
from headrace_wire.roles import DERIVED_ROLES

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32)).hex().encode()
ANOTHER_KEY = bytes(range(1, 33)).hex().encode()


def read_files(path: Path) -> dict[str, bytes]:
    return {role: load_key(name_role_file(path, role)) for role in DERIVED_ROLES}


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


def test_keys_of_roles_of_another_coordinator_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = tmp_path / "a.key", tmp_path / "b.key"
    for path, key in ((first, KEY), (second, ANOTHER_KEY)):
        path.write_bytes(key + b"\n")
    write_role_files(first, KEY)
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        write_role_files(second, ANOTHER_KEY)
    (record,) = caplog.records
    assert f"follow from {first}, and stay as they are" in record.getMessage()
    assert read_files(first) == {role: derive_key(KEY, role) for role in DERIVED_ROLES}


def test_keys_of_roles_follow_a_key_whose_copy_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "key.old").write_bytes(KEY)
    write_role_files(tmp_path / "key", KEY)
    write_role_files(tmp_path / "key", ANOTHER_KEY, before=[KEY])
    assert read_files(tmp_path / "key")["worker"] == derive_key(ANOTHER_KEY, "worker")


def test_folders_of_the_roles_are_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "a" / "b"
    write_role_files(tmp_path / "key", KEY, folder)
    for role in DERIVED_ROLES:
        assert load_key(folder / role / f"{role}.key") == derive_key(KEY, role)
        assert stat.S_IMODE((folder / role).stat().st_mode) == 0o700
    assert not caplog.records


def test_folders_that_cannot_be_made_are_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    write_role_files(tmp_path / "key", KEY, tmp_path / "file" / "keys")
    (record,) = caplog.records
    assert f"can be made in {tmp_path}/file/keys" in record.getMessage()


def test_where_folders_of_some_roles_are_prepared_others_need_not_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "mounted" / "worker").mkdir(parents=True)
    (tmp_path / "mounted" / "client").touch()  # nor can it be made
    write_role_files(tmp_path / "key", KEY, tmp_path / "mounted")
    assert load_key(tmp_path / "mounted" / "worker" / "worker.key") == derive_key(KEY, "worker")
    assert not caplog.records


def test_the_folders_of_roles_are_one_coordinator_s_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    for _ in range(2):
        with (
            own_role_folders(folder),
            pytest.raises(UsageError, match=f"another coordinator writes .* into {folder}/"),
            own_role_folders(folder),
        ):
            pass
    (tmp_path / "file").touch()
    with own_role_folders(None), own_role_folders(tmp_path / "file" / "keys"):
        pass  # it is told later that nothing can be written
