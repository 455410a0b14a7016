"""Keys with names, made and taken back beside the coordinator's own."""

from __future__ import annotations

import logging
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from headrace_wire import key_book
from headrace_wire.errors import KeyRefusedError, StoreError, UsageError
from headrace_wire.key import ensure_key, load_key
from headrace_wire.key_book import (
    drop_key,
    find_book,
    list_keys,
    make_named_key,
    read_book,
    refuse_given_key,
    revoke_key,
    rotate_key,
)
from headrace_wire.keyring import derive_key, derive_keys, name_role_file
from headrace_wire.live_keys import LiveKeys
from headrace_wire.role_files import write_role_files
from headrace_wire.roles import DERIVED_ROLES
from headrace_wire.session import audit
from headrace_wire.system import file_lock
from headrace_wire.system.secret_files import make_secret_file
from support.full_disk import fill_disk

if TYPE_CHECKING:
    from pathlib import Path

    from headrace_wire.roles import Role


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A coordinator's own key."""
    write_role_files(tmp_path / "key", ensure_key(tmp_path / "key"))
    return tmp_path / "key"


def list_holders(path: Path) -> set[tuple[str, str]]:
    keys = list_keys(load_key(path), read_book(path))
    return {(holder.name, holder.role) for holder in keys.values()}


OWN = {(role, role) for role in ("admin", *DERIVED_ROLES)}


def test_a_named_key_is_taken_until_it_is_revoked(path: Path) -> None:
    made = make_named_key(path, "alice", "client")
    assert list_holders(path) == OWN | {("alice", "client")}
    assert made.key.encode() in list_keys(load_key(path), read_book(path))
    revoke_key(path, "alice")
    assert list_holders(path) == OWN


@pytest.mark.parametrize("name", ["admin", "worker", "task", "Client", "previous"])
def test_no_key_is_called_what_headrace_calls_one(path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' is what headrace calls a key of its own"):
        make_named_key(path, name, "client")


def test_keys_are_changed_where_there_is_no_fcntl(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lock, "LOCKS_OPEN_FILES", False)
    make_named_key(path, "alice", "client")
    rotate_key(path)
    revoke_key(path, "previous")
    assert list_holders(path) == OWN | {("alice", "client")}


def test_the_name_of_a_revoked_key_is_given_again_only_where_that_is_meant(path: Path) -> None:
    made = make_named_key(path, "alice", "client")
    revoke_key(path, "alice")
    with pytest.raises(UsageError, match=r"was revoked, and its jobs .* --take-over"):
        make_named_key(path, "alice", "client")
    assert make_named_key(path, "alice", "client", take_over=True).key != made.key
    revoke_key(path, "alice")
    with pytest.raises(UsageError, match="--take-over"):
        make_named_key(path, "alice", "client")


def test_a_key_that_nobody_has_seen_leaves_its_name_free(path: Path) -> None:
    drop_key(path, make_named_key(path, "alice", "client"))
    assert list_holders(path) == OWN
    make_named_key(path, "alice", "client")


def test_names_of_revoked_keys_are_kept_up_to_a_number(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_book, "MAX_REVOKED_NAMES", 2)
    for name in ("alice", "bob", "carol"):
        make_named_key(path, name, "client")
        revoke_key(path, name)
    assert read_book(path).revoked == ("bob", "carol")


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_the_file_is_its_owner_s_alone(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_named_key(path, "alice", "client")
    finally:
        os.umask(before)
    assert find_book(path).name == "keys.json"
    assert stat.S_IMODE(find_book(path).stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["admin", "worker", "previous", "", "a b", "a/b", "x" * 65, "\n"])
def test_names_are_plain_and_not_headrace_s_own(path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        make_named_key(path, name, "client")
    assert not find_book(path).exists()


def test_a_name_is_given_once(path: Path) -> None:
    make_named_key(path, "alice", "client")
    with pytest.raises(UsageError, match="there is a key 'alice'"):
        make_named_key(path, "alice", "observer")


@pytest.mark.parametrize("name", ["nobody", "previous"])
def test_what_is_not_there_cannot_be_revoked(path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="there is no key"):
        revoke_key(path, name)


def test_the_keys_of_roles_are_replaced_by_rotation_alone(path: Path) -> None:
    with pytest.raises(UsageError, match="headrace keys rotate"):
        revoke_key(path, "worker")


def test_so_many_keys_and_no_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_book, "MAX_NAMED_KEYS", 2)
    for number in range(2):
        make_named_key(path, f"key-{number}", "client")
    with pytest.raises(UsageError, match="there are 2 keys"):
        make_named_key(path, "one-more", "client")


def test_a_client_s_own_key_is_no_coordinator_s(tmp_path: Path) -> None:
    ensure_key(tmp_path / "alice.key")
    with pytest.raises(UsageError, match="is not the key of a coordinator"):
        rotate_key(tmp_path / "alice.key")
    assert [file.name for file in tmp_path.iterdir()] == ["alice.key"]


def test_who_makes_keys_at_the_same_time_loses_none(path: Path) -> None:
    names = {f"key-{number}" for number in range(16)}
    threads = [
        threading.Thread(target=make_named_key, args=(path, name, "client")) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.name for one in read_book(path).keys} == names


def test_during_a_rotation_both_keys_hold(path: Path) -> None:
    old = load_key(path)
    named = make_named_key(path, "alice", "client")
    rotate_key(path)
    new = load_key(path)
    assert new != old
    assert list_keys(new, read_book(path)).keys() == {
        *derive_keys(old), *derive_keys(new), named.key.encode()
    }  # fmt: skip
    assert load_key(path.with_name("worker.key")) == derive_key(new, "worker")
    with pytest.raises(UsageError, match="headrace keys revoke previous"):
        rotate_key(path)
    revoke_key(path, "previous")
    keys = list_keys(new, read_book(path))
    assert keys.keys() == {*derive_keys(new), named.key.encode()}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"keys": [{"name": "a"}]}', b"\xff"])
def test_a_damaged_file_is_told(path: Path, content: bytes) -> None:
    find_book(path).write_bytes(content)
    find_book(path).chmod(0o600)
    with pytest.raises(KeyRefusedError, match=r"keys\.json is damaged"):
        read_book(path)


def test_a_file_that_others_may_read_is_refused(path: Path) -> None:
    make_named_key(path, "alice", "client")
    find_book(path).chmod(0o644)
    with pytest.raises(KeyRefusedError, match="others may read"):
        read_book(path)


def test_a_running_coordinator_notices_what_changes(path: Path) -> None:
    live = LiveKeys(path)
    before = live.find()
    assert live.find() is before
    made = make_named_key(path, "alice", "client")
    assert live.find().keys() == {*before, made.key.encode()}
    rotate_key(path)
    assert live.find().keys() == {*before, made.key.encode(), *derive_keys(load_key(path))}
    revoke_key(path, "previous")
    revoke_key(path, "alice")
    assert live.find().keys() == derive_keys(load_key(path)).keys()


def test_a_key_that_was_replaced_by_hand_is_noted_and_a_rotation_is_not(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live = LiveKeys(path)
    with caplog.at_level(logging.WARNING):
        for look in (live.find, lambda: None):  # a coordinator may see both changes at once
            rotate_key(path)
            look()
            revoke_key(path, "previous")
            live.find()
        assert not caplog.records
        path.unlink()
        ensure_key(path)
        assert live.find() is live.find()
    lines = [(record.name, record.getMessage()) for record in caplog.records]
    said = f"{path} was replaced, not by `headrace keys rotate`"
    assert lines == [("headrace_wire.live_keys", said), (audit.name, said)]
    assert load_key(path.with_name("worker.key")) == derive_key(load_key(path), "worker")


def test_keys_that_cannot_be_read_any_more_stay_as_they_were(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live = LiveKeys(path)
    before = live.find()
    path.rename(path.with_name("old"))
    with caplog.at_level(logging.ERROR):
        assert live.find() is live.find() is before
    assert caplog.text.count("the keys stay as they were") == 1
    ensure_key(path)
    assert live.find() != before


def test_keys_of_roles_are_written_where_they_are_mounted(path: Path, tmp_path: Path) -> None:
    for role in DERIVED_ROLES:
        (tmp_path / "mounted" / role).mkdir(parents=True)
    live = LiveKeys(path, tmp_path / "mounted")
    mounted = tmp_path / "mounted" / "worker" / "worker.key"
    assert load_key(mounted) == derive_key(load_key(path), "worker")
    rotate_key(path)
    live.find()
    assert load_key(mounted) == derive_key(load_key(path), "worker")


@pytest.mark.parametrize("role", DERIVED_ROLES)
def test_the_key_of_a_role_is_no_coordinator_s(path: Path, tmp_path: Path, role: Role) -> None:
    write_role_files(path, load_key(path))
    given = name_role_file(path, role)
    elsewhere = tmp_path / "elsewhere" / "key"
    elsewhere.parent.mkdir()
    renamed = path.with_name("mine")
    for copy in (elsewhere, renamed):
        make_secret_file(copy, given.read_text())
    refusals = {
        given: "is named like the key of a role",
        renamed: f"is the key of role {role}",
        elsewhere: f"is the key of role {role} that follows from {path}",
    }
    for one, why in refusals.items():
        with pytest.raises(UsageError, match=why):
            refuse_given_key(one, path)


def test_a_key_that_was_made_for_somebody_is_no_coordinator_s(path: Path) -> None:
    alice = path.with_name("alice")
    make_secret_file(alice, make_named_key(path, "alice", "client").key)
    with pytest.raises(UsageError, match=f"is 'alice' of {path}s.json"):
        refuse_given_key(alice, path)


def test_a_coordinator_s_own_key_is(path: Path, tmp_path: Path) -> None:
    write_role_files(path, load_key(path))
    refuse_given_key(path, path)
    copy = tmp_path / "copy"
    make_secret_file(copy, path.read_text())
    refuse_given_key(copy, path)
    refuse_given_key(tmp_path / "not yet there", path)


def test_keys_for_which_there_is_no_room_stay_as_they_were(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_named_key(path, "alice", "client")
    before = key_book.read_book(path)
    with monkeypatch.context() as full:
        fill_disk(full)
        with pytest.raises(StoreError, match=rf"changed, as its disk is full .* {path.parent}$"):
            make_named_key(path, "bob", "client")
    assert key_book.read_book(path) == before
