"""The key: a random secret in a file, which coordinator, workers and clients share.

It is made at the coordinator's first start; there is no default. It is used in multiprocessing's
challenge and response (HMAC), and is never sent.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from headrace_wire.errors import OTHER_KEY, KeyRefusedError
from headrace_wire.permissions import WRITE, explain_error, refuse_full_disk
from headrace_wire.system.open_flags import BINARY, CLOEXEC, NONBLOCK
from headrace_wire.system.secret_files import make_secret_file
from headrace_wire.system.users import HAS_OWNERS, find_user
from headrace_wire.words import count

#: The name of the coordinator's own key in its data folder.
KEY_NAME = "key"

#: The length of a new key in bytes, before it is written as hexadecimal text.
KEY_BYTES = 32

#: A key file with fewer characters is refused: it would be a password and not a key.
MINIMUM_CHARACTERS = 32

#: How many random bits a key must be able to contain, with the characters that it uses.
MINIMUM_BITS = 256

#: How many different characters a key must have; a random one has twice as many.
MINIMUM_DIFFERENT = 8

#: The folder in which Docker passes secrets to a container, for its users to read.
SECRETS = Path("/run/secrets")

#: A longer file is not a key; it was named by mistake.
MAXIMUM_CHARACTERS = 4096


def find_key(*paths: Path) -> Path:
    """Return the first of these files that exists; if none does, the first of all.

    A file in a folder that may not be entered counts as existing: reading it says what is wrong.
    """
    return next((path for path in paths if not is_missing(path)), paths[0])


def is_missing(path: Path) -> bool:
    """Return whether it is certain that a file does not exist."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def load_key(*paths: Path) -> bytes:
    """Read the key from the first of these files that exists.

    Raises KeyRefusedError if there is none, or if it cannot be used as a key.
    """
    path = find_key(*paths)
    if others := [str(one) for one in paths if one != path and is_missing(path)]:
        raise KeyRefusedError(
            f"no key at {path}, nor at {', nor at '.join(others)}: copy the coordinator's key file "
            f"to one of these, or {OTHER_KEY}"
        )
    key, status = _read(path, MAXIMUM_CHARACTERS)
    if _is_text(key):
        key = key.strip()
    if len(key) < MINIMUM_CHARACTERS:
        raise KeyRefusedError(
            f"key file {path} holds {count(len(key), 'character')}; "
            f"a key has at least {MINIMUM_CHARACTERS}: copy the coordinator's whole file"
        )
    if len(key) > MAXIMUM_CHARACTERS:
        raise KeyRefusedError(
            f"key file {path} is no key: it has more than {MAXIMUM_CHARACTERS} characters"
        )
    if why := _find_weakness(key):
        raise KeyRefusedError(
            f"key file {path} {why}: a key is one line of 64 random hexadecimal digits, as the "
            "coordinator makes it; copy its whole file"
        )
    _check_mode(path, status)
    return key


def read_secret(path: Path, most: int) -> bytes:
    """Read ``most`` bytes of a file that contains keys. Raises KeyRefusedError, as for a key."""
    content, status = _read(path, most)
    _check_mode(path, status)
    return content


def _read(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """Read this many bytes of a file, and one more if there are more."""
    try:
        # Without blocking: opening a pipe would wait until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | NONBLOCK | CLOEXEC | BINARY)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if stat.S_ISFIFO(status.st_mode):
                raise KeyRefusedError(f"key file {path} is a pipe: name a file")
            # Not more than a key can have: a device may be endless.
            return file.read(most + 1), status
    except FileNotFoundError:
        raise KeyRefusedError(
            f"no key at {path}: copy the coordinator's key file there, or {OTHER_KEY}"
        ) from None
    except OSError as error:
        raise KeyRefusedError(
            f"key file {path} cannot be read: {explain_error(error, path)}"
        ) from None


def _check_mode(path: Path, status: os.stat_result) -> None:
    """Raise KeyRefusedError for a file that others may read or change.

    As with ssh, the owner of a file decides who may read it: this is how root passes keys to
    services, and Kubernetes its secrets. Docker's own secrets are readable for all users of a
    container. On Windows, whose files have access lists and no modes, nothing is checked.
    """
    if not HAS_OWNERS or not stat.S_ISREG(status.st_mode):
        return
    is_own = status.st_uid == find_user() and SECRETS not in path.resolve().parents
    loose = status.st_mode & (0o077 if is_own else 0o022)
    if loose:
        raise KeyRefusedError(
            f"others may {'read' if loose & 0o044 else 'change'} key file {path} (mode "
            f"{stat.S_IMODE(status.st_mode):04o}): chmod 600 {shlex.quote(str(path))}"
        )


def _is_text(content: bytes) -> bool:
    return all(32 <= byte < 127 or byte in b"\t\n\r\v\f" for byte in content)


def _find_weakness(key: bytes) -> str:
    """Return what is wrong with a key that cannot be random, or is too short for that; or ""."""
    if _is_text(key) and len(key.split()) > 1:
        return "has more than one line or word"
    if (key + key).find(key, 1) < len(key) or len(set(key)) < MINIMUM_DIFFERENT:
        return "holds nothing random"
    kinds = ((b"0123456789abcdefABCDEF", 4), (bytes(range(33, 127)), 6))
    bits = next((bits for letters, bits in kinds if not key.strip(letters)), 8)
    if len(key) * bits < MINIMUM_BITS:
        return f"holds {count(len(key), 'character')}, which is too few"
    return ""


def ensure_key(path: Path) -> bytes:
    """Read the key from ``path``; if there is none, first make a random one.

    Two processes that start together get the same key. Raises KeyRefusedError, and StoreError if a
    key cannot be made because the disk is full.
    """
    try:
        if not path.exists():
            make_secret_file(path, os.urandom(KEY_BYTES).hex() + "\n")
    except OSError as error:
        what = f"key file {path} cannot be made"
        refuse_full_disk(error, what, path.parent)
        raise KeyRefusedError(
            f"{what}: {explain_error(error, path, WRITE)}; or {OTHER_KEY}"
        ) from None
    return load_key(path)
