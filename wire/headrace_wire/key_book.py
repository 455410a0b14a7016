"""Keys that the coordinator's administrator made, by name, and the key before the last rotation.

They are in a file beside the coordinator's own key, ``keys.json`` beside ``key``. A process that
changes it holds a lock on the folder. The file is replaced as a whole, so that it can be read at
any time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from headrace_wire.errors import KeyRefusedError, UsageError
from headrace_wire.key import KEY_BYTES, load_key, read_secret
from headrace_wire.keyring import (
    Keys,
    derive_key,
    derive_keys,
    mark_key,
    name_role_file,
)
from headrace_wire.open_files import explain_system_error
from headrace_wire.permissions import refuse_full_disk
from headrace_wire.role_files import find_source, write_role_files
from headrace_wire.roles import DERIVED_ROLES, ROLES, TASK, WORKER, Holder, Role
from headrace_wire.system.file_lock import hold
from headrace_wire.system.secret_files import replace_secret_file

#: The name of the key before the last rotation.
PREVIOUS = "previous"

#: The maximum number of named keys of one coordinator: each is compared in every handshake.
MAX_NAMED_KEYS = 240

#: How many names of revoked keys are kept: the last ones.
MAX_REVOKED_NAMES = 4096

#: How many marks of keys that rotations replaced are kept: the last ones.
MAX_ROTATED_MARKS = 64

#: The maximum size of the file in bytes.
MAX_BOOK_BYTES = 1 << 20

KeyName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.-]{1,64}\Z")]
KeyText = Annotated[str, Meta(min_length=43, max_length=4096)]


class NamedKey(Struct, frozen=True):
    """One key; ``made_at`` is in Unix seconds."""

    name: KeyName
    role: Role
    key: KeyText
    made_at: float

    def hold(self) -> Holder:
        """Return its holder."""
        return Holder(self.name, self.role, mark_key(self.key.encode()))


class KeyBook(Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of the file. ``previous`` is "" if no rotation is in progress.

    The names of ``revoked`` keys are not reused by mistake, because what belongs to a key, such as
    its jobs, is identified by its name. ``rotated`` has the marks of the coordinator's own keys
    that rotations replaced, so that a rotation can be distinguished from a key that was replaced by
    hand.
    """

    keys: tuple[NamedKey, ...] = ()
    previous: str = ""
    revoked: tuple[KeyName, ...] = ()
    rotated: tuple[str, ...] = ()


def find_book(path: Path) -> Path:
    """Return the file of named keys beside the coordinator's own key at ``path``."""
    return path.with_name(f"{path.name}s.json")


def read_book(path: Path) -> KeyBook:
    """Return the named keys beside the key at ``path``; none if there is no file.

    Raises KeyRefusedError.
    """
    file = find_book(path)
    if not file.exists():
        return KeyBook()
    content = read_secret(file, MAX_BOOK_BYTES)
    try:
        return msgspec.json.decode(content, type=KeyBook)
    except msgspec.DecodeError as error:
        raise KeyRefusedError(
            f"{file} is damaged ({error}): restore it, or remove it and make its keys anew"
        ) from None


def refuse_given_key(path: Path, usual: Path) -> None:
    """Refuse to use a key as a coordinator's own that was given to a role or to somebody.

    Its holder would be the administrator. ``path`` names the key, and ``usual`` the one in the data
    folder; neither has to exist. Raises UsageError, and KeyRefusedError.
    """
    advice = "name the coordinator's own with --key-file or HEADRACE_KEY_FILE"
    if path in [name_role_file(path, role) for role in DERIVED_ROLES]:
        raise UsageError(
            f"{path} is named like the key of a role, which is no coordinator's: {advice}"
        )
    if not path.exists():
        return
    key = load_key(path)
    for role in DERIVED_ROLES:
        if own := find_source(path, role, key) or find_source(usual, role, key):
            raise UsageError(f"{path} is the key of role {role} that follows from {own}: {advice}")
    for place in {path, path.with_name(usual.name), usual}:
        for one in read_book(place).keys:
            if one.key.encode() == key:
                raise UsageError(f"{path} is {one.name!r} of {find_book(place)}: {advice}")


def list_keys(key: bytes, book: KeyBook) -> Keys:
    """Return all valid keys, with the holder of each."""
    named = {one.key.encode(): one.hold() for one in book.keys}
    previous = derive_keys(book.previous.encode()) if book.previous else {}
    return {**named, **previous, **derive_keys(key)}


def make_named_key(path: Path, name: str, role: Role, *, take_over: bool = False) -> NamedKey:
    """Make a key beside the coordinator's own at ``path``. Raises UsageError.

    With ``take_over``, it may have the name of a revoked key, and so gets what belonged to that.
    """
    if name.lower() in {*ROLES, TASK, PREVIOUS}:
        raise UsageError(f"{name!r} is what headrace calls a key of its own: choose another name")
    text = os.urandom(KEY_BYTES).hex()
    try:
        made = msgspec.convert(
            {"name": name, "role": role, "key": text, "made_at": time.time()}, NamedKey
        )
    except msgspec.ValidationError:
        raise UsageError(
            f"the name of a key is 1 to 64 letters, digits and _ . -, not {name!r}"
        ) from None
    with _edit(path) as book:
        if any(one.name == name for one in book.keys):
            raise UsageError(
                f"there is a key {name!r}: `headrace keys revoke {name}` takes it back"
            )
        if name in book.revoked and not take_over:
            raise UsageError(
                f"a key {name!r} was revoked, and its jobs would belong to the new one: choose "
                "another name, or add --take-over if that is meant"
            )
        if len(book.keys) >= MAX_NAMED_KEYS:
            raise UsageError(f"there are {MAX_NAMED_KEYS} keys, and no more are taken: revoke some")
        revoked = tuple(one for one in book.revoked if one != name)
        _write(path, replace(book, keys=(*book.keys, made), revoked=revoked))
    return made


def drop_key(path: Path, made: NamedKey) -> None:
    """Remove a key that nobody has seen. Raises UsageError."""
    with _edit(path) as book:
        _write(path, replace(book, keys=tuple(one for one in book.keys if one != made)))


def revoke_key(path: Path, name: str) -> None:
    """Revoke a named key, or the one before the last rotation. Raises UsageError."""
    if name in ROLES:
        raise UsageError(
            f"the key of role {name} follows from the coordinator's own: "
            "`headrace keys rotate` replaces them all"
        )
    with _edit(path) as book:
        left = tuple(one for one in book.keys if one.name != name)
        is_previous = name == PREVIOUS and book.previous
        if not is_previous and len(left) == len(book.keys):
            raise UsageError(
                f"there is no key {name!r}: `headrace keys list` shows those there are"
            )
        if is_previous:
            _write(path, replace(book, previous=""))
        else:
            revoked = (*book.revoked, name)[-MAX_REVOKED_NAMES:]
            _write(path, replace(book, keys=left, revoked=revoked))


def rotate_key(path: Path) -> None:
    """Replace the coordinator's own key. The previous one stays valid until it is revoked.

    Raises UsageError, and KeyRefusedError if there is none.
    """
    with _edit(path) as book:
        key = load_key(path)
        if book.previous and book.previous.encode() != key:
            raise UsageError(
                "the key before the last rotation is still taken: `headrace keys revoke previous` "
                "ends that first"
            )
        new = os.urandom(KEY_BYTES).hex()
        # In this order: a valid key is never refused in between.
        rotated = (*book.rotated, mark_key(key))[-MAX_ROTATED_MARKS:]
        _write(path, replace(book, previous=key.decode(), rotated=rotated))
        replace_secret_file(path, f"{new}\n".encode())
        write_role_files(path, new.encode(), before=[key])


@contextlib.contextmanager
def _edit(path: Path) -> Generator[KeyBook]:
    """Provide the current keys, which nobody else can change meanwhile."""
    try:
        with hold(_find_folder(path)):
            _require_own(path)
            yield read_book(path)
    except OSError as error:
        what = f"keys in {path.parent} cannot be changed"
        refuse_full_disk(error, what, path.parent)
        raise UsageError(
            f"{what}: {explain_system_error(error)}; name the "
            "coordinator's data folder with --data, or its key with --key-file"
        ) from None


def _find_folder(path: Path) -> Path:
    """Return the key's folder. Raises OSError if there is none."""
    if not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOENT, os.strerror(errno.ENOENT))
    return path.parent


def _require_own(path: Path) -> None:
    """Raise UsageError if this is not a coordinator's own key, beside which are those of the
    roles.
    """
    beside = name_role_file(path, WORKER)
    if not beside.exists() or load_key(beside) != derive_key(load_key(path), WORKER):
        raise UsageError(
            f"{path} is not the key of a coordinator that has been started here: name its data "
            "folder with --data, or its key with --key-file"
        )


def _write(path: Path, book: KeyBook) -> None:
    content = msgspec.json.format(msgspec.json.encode(book), indent=1)
    replace_secret_file(find_book(path), content + b"\n")
