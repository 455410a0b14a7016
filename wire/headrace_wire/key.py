"""The key: a random secret in a file, which coordinator, workers and clients share.

Made at the coordinator's first start and never a default. It takes part in multiprocessing's
challenge and response (HMAC) and is itself never sent.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from headrace_wire.errors import KeyRefusedError
from headrace_wire.permissions import WRITE, explain_error
from headrace_wire.secret_files import make_secret_file
from headrace_wire.words import count

if TYPE_CHECKING:
    from pathlib import Path

#: Length of a new key in bytes, before it is written as hexadecimal text.
KEY_BYTES = 32

#: A key file shorter than this many characters is refused: it would be a password, not a key.
MINIMUM_CHARACTERS = 32

#: A longer file is no key: another file was named by mistake.
MAXIMUM_CHARACTERS = 4096


def load_key(path: Path) -> bytes:
    """Read the key from ``path``. Raises KeyRefusedError when it cannot serve as one."""
    try:
        with path.open("rb") as file:
            # No more than a key can be: a device may go on for ever.
            key = file.read(MAXIMUM_CHARACTERS + 1).strip()
    except FileNotFoundError:
        raise KeyRefusedError(
            f"no key at {path}: copy the coordinator's key file there, or name it with "
            "key_file= (--key-file on the command line)"
        ) from None
    except OSError as error:
        raise KeyRefusedError(
            f"key file {path} cannot be read: {explain_error(error, path)}"
        ) from None
    if len(key) < MINIMUM_CHARACTERS:
        raise KeyRefusedError(
            f"key file {path} holds {count(len(key), 'character')}; "
            f"a key has at least {MINIMUM_CHARACTERS}: copy the coordinator's whole file"
        )
    if len(key) > MAXIMUM_CHARACTERS:
        raise KeyRefusedError(
            f"key file {path} is no key: it has more than {MAXIMUM_CHARACTERS} characters"
        )
    return key


def ensure_key(path: Path) -> bytes:
    """Read the key from ``path``, making a random one first if there is none.

    Two processes that start together agree on one key. Raises KeyRefusedError.
    """
    try:
        if not path.exists():
            make_secret_file(path, os.urandom(KEY_BYTES).hex() + "\n")
    except OSError as error:
        raise KeyRefusedError(
            f"key file {path} cannot be made: {explain_error(error, path, WRITE)}; or name another "
            "with --key-file"
        ) from None
    return load_key(path)
